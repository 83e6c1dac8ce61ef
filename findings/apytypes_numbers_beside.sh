#!/usr/bin/env bash
# apytypes 0.5.1: an APyFixed and a Python number in one expression.
# Expected: the exact sum or product, as of two APyFixed, whose results grow so that nothing is lost.
# Seen: the number first becomes an APyFixed of the other operand's format, rounded and wrapped, without a word: with a 4-bit
# integer x = 1, x + 100 is 5, x * 0.5 is 1 and x + 0.3 is 1. A literal has to be an APyFixed of its own format.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv apytypes==0.5.1
python - <<'PYTHON'
from apytypes import APyFixed

x = APyFixed.from_float(1, int_bits=4, frac_bits=0)
seen = [float(y) for y in (x + 100, x * 0.5, x + 0.3)]
exact = [float(x + APyFixed.from_float(100, int_bits=8, frac_bits=0)), float(x * APyFixed.from_float(0.5, int_bits=1, frac_bits=1))]
print("x = 1 in 4 bits: x + 100, x * 0.5, x + 0.3 =", seen, "the first two with formats of their own:", exact)
assert seen == [5, 1, 1] and exact == [101, 0.5]
PYTHON
