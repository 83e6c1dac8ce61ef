#!/usr/bin/env bash
# safetensors 0.8.0 with ml_dtypes 0.6.0, numpy: bfloat16 and 8-bit floats.
# Expected: what can be saved can be loaded; the types are in the format, and the list of types in the error for int4
# names them.
# Seen: save takes bfloat16, E4M3, E5M2 and E8M0 of ml_dtypes and writes them rightly. load raises KeyError, of the name
# of the type, for each. deserialize gives the bytes.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv safetensors==0.8.0 numpy==2.4.6 ml_dtypes==0.6.0
python - <<'PYTHON'
import ml_dtypes
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import load, save

for kind, name in ((ml_dtypes.bfloat16, "BF16"), (ml_dtypes.float8_e4m3fn, "F8_E4M3"), (ml_dtypes.float8_e5m2, "F8_E5M2"),
                   (ml_dtypes.float8_e8m0fnu, "F8_E8M0")):
    array = np.array([1, 2], kind)
    file = save({"a": array})
    (_, tensor), = deserialize(file)
    assert tensor["dtype"] == name and bytes(tensor["data"]) == array.tobytes()
    try:
        load(file)
        raise SystemExit(f"{name} can be loaded now")
    except KeyError as error:
        print(f"{array.dtype}: saved as {tensor['dtype']}, load raises KeyError {error}")
try:
    save({"a": np.array([1], ml_dtypes.int4)})
    raise SystemExit("int4 can be saved now")
except SafetensorError as error:
    print("int4:", error)
    assert "bfloat16" in str(error)
PYTHON
