#!/usr/bin/env bash
# NLopt 2.9.1, Python: an objective that is NaN everywhere, minimised by COBYLA within bounds.
# Expected: the start, with NaN as its value, as BOBYQA, Nelder-Mead, Sbplx, CRS and ISRES return it; or an exception.
# Seen: optimize() returns normally; the optimum value is DBL_MAX, and the point is one that was never evaluated: not the
# start, but what was in memory. Who writes `x = opt.optimize(x0)` and trusts x has a point from nowhere.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv nlopt==2.9.1 numpy==2.2.6
python - <<'PYTHON'
import sys
import nlopt
import numpy as np

def minimise(algorithm):
    seen = []
    def objective(x, gradient):
        seen.append(x.copy())
        return float("nan")
    optimiser = nlopt.opt(algorithm, 2)
    optimiser.set_min_objective(objective)
    optimiser.set_lower_bounds([-1.0, -1.0])
    optimiser.set_upper_bounds([1.0, 1.0])
    optimiser.set_maxeval(40)
    x = optimiser.optimize([0.3, 0.3])
    return x, optimiser.last_optimum_value(), any((x == s).all() for s in seen)

for name in ("LN_BOBYQA", "LN_NELDERMEAD", "LN_SBPLX", "LN_COBYLA"):
    x, value, evaluated = minimise(getattr(nlopt, name))
    print("NLopt 2.9.1", name, "value", value, "point evaluated:", evaluated)
    if name == "LN_COBYLA":
        assert value == sys.float_info.max and not evaluated
    else:
        assert np.isnan(value) and (x == 0.3).all() and evaluated
PYTHON
