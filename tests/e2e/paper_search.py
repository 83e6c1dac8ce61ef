"""Checks what examples/paper/fig6 and fig7 wrote into the directory given, on one case."""
import csv
import json
import os
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

OUT = Path(sys.argv[1])
sys.path.insert(0, sys.argv[2])
import search  # noqa: E402

CASE = next(c for c in search.CASES if c.name.startswith("stories260K"))
DATA = Path(os.environ["DTQ_DATA"])


def rows_of(name):
    with open(OUT / f"{name}.csv", encoding="utf-8") as f:
        return {(r["quantity"], r["system"]): float(r["ours"]) for r in csv.DictReader(f)}


def shares(rows, system):
    three = [rows[f"share of {bits}", system] for bits in search.SHARES]
    assert abs(sum(three) - 1) < 1e-5 and all(x >= 0 for x in three), three
    return three


def value(policy):
    command = [os.environ["DTQC"], "eval", str(DATA / CASE.model), *CASE.task, "--data", str(DATA / CASE.data), "--limit",
               str(round(CASE.samples * 0.1)), "--policy", str(policy), "--rows=fp32,policy", "--json"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return [r["metrics"][CASE.metric] for r in json.loads(done.stdout)["rows"]]


fig6, fig7 = rows_of("fig6"), rows_of("fig7")
found = shares(fig6, "search")
assert all(abs(a - b) < 1e-9 for a, b in zip(shares(fig7, "search"), found))
directory = next((OUT / "stories260k-tinystories").glob("probe-bayes-*"))
fp32, again = value(directory / "policy.yaml")
assert abs(fp32 / fig6[CASE.metric, "float32"] - 1) < 1e-5, fp32
assert abs(again / fig6[CASE.metric, "search"] - 1) < 1e-5, again
assert again <= fp32 + 0.3

# Two steps: the pruned share and the number of 4-bit layers are the last that keep what the search has.
zero, low, _ = shares(fig7, "two steps")
steps = OUT / "stories260k-tinystories"
if zero > 0:
    assert value(steps / f"prune{100 * zero:.0f}.yaml")[1] <= again
assert value(steps / f"prune{100 * zero + 5:.0f}.yaml")[1] > again
layers = round(low / (1 - zero) * 4)  # of the four that choose
if layers:
    assert value(steps / f"lowest{layers}.yaml")[1] <= again
if layers < 4:
    assert value(steps / f"lowest{layers + 1}.yaml")[1] > again
for name, columns in (("fig6", 3), ("fig7", 4)):
    picture = xml.dom.minidom.parse(str(OUT / f"{name}.svg"))
    assert len(picture.getElementsByTagName("rect")) == 1 + 3 + 3 * columns, name
print(f"search {found}, two steps {(zero, low)}")
