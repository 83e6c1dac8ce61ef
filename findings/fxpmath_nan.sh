#!/usr/bin/env bash
# fxpmath 0.4.10 (fixed-point numbers on numpy): NaN.
# Expected: an exception, or 0, or a flag in `status`, as overflow and inaccuracy have one.
# Seen: NaN becomes the largest number of the format, 127/16, as +infinity does. The overflow flag stays
# down; the only flag that is set is inaccuracy, which any rounding sets. A signal that went wrong looks like a loud one.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv fxpmath==0.4.10 numpy==1.26.4
python - <<'PYTHON'
import warnings
from fxpmath import Fxp

warnings.simplefilter("ignore")
x = Fxp(float("nan"), True, 8, 4)
print("fxpmath 0.4.10: NaN in a signed format of 8 bits, 4 behind the point:", float(x), "status", x.status)
assert int(x.raw()) == 127, x.raw()
assert x.status["inaccuracy"] and not x.status["overflow"], x.status
PYTHON
