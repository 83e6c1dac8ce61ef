#!/usr/bin/env bash
# qonnx 1.0.0: DataType["FIXED<8,4>"], eight bits of which four are before the point.
# Expected: get_num_possible_values() is 256, as of INT8 and FLOAT<4,3>, and as min, max and scale factor say:
# (7.9375 + 8) / 0.0625 + 1.
# Seen: 16: the number of integers from min to max, whatever the bits behind the point. What counts thresholds or table
# entries by it is too small by 2 to the power of the fraction's bits.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv qonnx==1.0.0 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
from qonnx.core.datatype import DataType

for name, seen in (("FIXED<8,4>", 16), ("FIXED<8,2>", 4), ("FIXED<8,7>", 128)):
    t = DataType[name]
    values = (t.max() - t.min()) / t.scale_factor() + 1
    print(name, "from", t.min(), "to", t.max(), "in steps of", t.scale_factor(), "is", values, "values; it says",
          t.get_num_possible_values())
    assert values == 256 and t.get_num_possible_values() == seen
for name in ("INT8", "FLOAT<4,3>"):
    assert DataType[name].get_num_possible_values() == 256
PYTHON
