#!/usr/bin/env bash
# apytypes 0.5.1: how -2.5 and 2.5 become integers of 8 bits.
# Expected: one rule, from_float and cast alike, or the difference in their names.
# Seen: three: from_float rounds halves away from zero (3, -3), cast without a mode truncates towards minus infinity (2, -3), and
# cast with the mode called RND rounds halves up (3, -2). APyFloat.from_float rounds halves to even (2, -2).
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv apytypes==0.5.1
python - <<'PYTHON'
from apytypes import APyFixed, APyFloat, QuantizationMode

def pair(f):
    return [float(f(v)) for v in (2.5, -2.5)]

fine = lambda v: APyFixed.from_float(v, int_bits=8, frac_bits=1)
seen = {"APyFixed.from_float": pair(lambda v: APyFixed.from_float(v, int_bits=8, frac_bits=0)),
        "cast": pair(lambda v: fine(v).cast(int_bits=8, frac_bits=0)),
        "cast, RND": pair(lambda v: fine(v).cast(int_bits=8, frac_bits=0, quantization=QuantizationMode.RND)),
        "APyFloat.from_float, one bit behind the first": pair(lambda v: APyFloat.from_float(v, exp_bits=5, man_bits=1))}
print(seen)
assert list(seen.values()) == [[3, -3], [2, -3], [3, -2], [2, -2]]
PYTHON
