#!/usr/bin/env bash
# pymoo 0.6.2 and moocore 0.3.2 (multi-objective optimisation): a trial that failed has NaN for an objective.
# Expected: a NaN neither dominates nor is counted among the best; the good point beside it stays on the front.
# Seen: in both libraries (nan, .5) removes (.5, .5), which is as good in the second objective and the only one with a
# first: pymoo puts the failed trial on the first front alone, moocore calls the good point dominated.
# A search must give failed trials a number, or leave them out, before it asks for its front.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv pymoo==0.6.2 moocore==0.3.2 numpy==2.4.6
python - <<'PYTHON'
import moocore
import numpy as np
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

points = np.array([[np.nan, 0.5], [0.5, 0.5], [0.6, 0.6]])
fronts = [list(map(int, f)) for f in NonDominatedSorting().do(points)]
best = moocore.is_nondominated(points[:2]).tolist()
print("pymoo 0.6.2, fronts of (nan, .5), (.5, .5), (.6, .6):", fronts)
print("moocore 0.3.2, is (nan, .5), is (.5, .5) non-dominated:", best)
assert fronts == [[0], [1], [2]], fronts
assert best == [True, False], best
PYTHON
