#!/usr/bin/env bash
# PyRTL 1.0.3: rtllib.multipliers.signed_tree_multiplier with the most negative number.
# Expected: its documentation: tree_multiplier for signed numbers in two's complement, with a result as wide as both
# operands, which holds every product. 7 * -128 is -896.
# Seen: 0. Every product with -128, at 8 bits, is 0: the magnitude, 128, is cut to 7 bits before it is multiplied. All
# others are right, so a random test with few vectors passes; signed_mult of corecircuits is right.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv pyrtl==1.0.3
python - <<'PYTHON'
import pyrtl
from pyrtl.rtllib.multipliers import signed_tree_multiplier

def products(multiply, pairs):
    pyrtl.reset_working_block()
    a, b, product = pyrtl.Input(8, "a"), pyrtl.Input(8, "b"), pyrtl.Output(16, "product")
    product <<= multiply(a, b)
    simulation, seen = pyrtl.Simulation(), []
    for x, y in pairs:
        simulation.step({"a": x & 255, "b": y & 255})
        seen.append(pyrtl.val_to_signed_integer(simulation.inspect("product"), 16))
    return seen

pairs = [(-127, 127), (-7, 2), (7, -128), (-128, 127), (-128, -128), (-128, 1)]
tree, core = products(signed_tree_multiplier, pairs), products(pyrtl.signed_mult, pairs)
print("PyRTL 1.0.3, products of", pairs)
print("signed_tree_multiplier", tree)
print("signed_mult           ", core)
assert core == [x * y for x, y in pairs]
assert tree == [x * y if -128 not in (x, y) else 0 for x, y in pairs]
PYTHON
