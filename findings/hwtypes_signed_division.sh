#!/usr/bin/env bash
# hwtypes 1.4.7 (the bit vectors of magma and fault, tools for generating hardware): signed division.
# Expected: SMT-LIB's bvsdiv and bvsrem, by whose names the methods go: the quotient is cut towards zero, -7 / 2 = -3, and
# the remainder has the dividend's sign, -1.
# Seen: the concrete back end takes Python's floor division: -4, and remainder 1. The library's symbolic back end, by Z3, has
# the quotient -3, but also remainder 1, so that quotient * divisor + remainder is -5 there. A model that is tested by values
# and proved by Z3 is two models.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv hwtypes==1.4.7 z3-solver==4.15.4.0
python - <<'PYTHON'
import z3
from hwtypes import SIntVector
from hwtypes.z3_bit_vector import z3SIntVector

concrete = SIntVector[8](-7), SIntVector[8](2)
symbolic = z3SIntVector[8](-7), z3SIntVector[8](2)
signed = lambda v: z3.simplify(v.value).as_signed_long()
by_value = int(concrete[0].bvsdiv(concrete[1])), int(concrete[0].bvsrem(concrete[1]))
by_z3 = signed(symbolic[0].bvsdiv(symbolic[1])), signed(symbolic[0].bvsrem(symbolic[1]))
print("hwtypes 1.4.7: bvsdiv, bvsrem of -7 and 2: by value", by_value, "by Z3", by_z3, "SMT-LIB (-3, -1)")
assert by_value == (-4, 1), by_value
assert by_z3 == (-3, 1), by_z3
PYTHON
