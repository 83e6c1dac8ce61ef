"""Checks what examples/paper/run wrote into the directory given."""
import csv
import json
import os
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

OUT = Path(sys.argv[1])
HEADS = ["quantity", "item", "system", "paper", "ours", "residual_percent"]


def rows_of(name):
    with open(OUT / f"{name}.csv", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert rows and list(rows[0]) == HEADS, name
    for row in rows:
        ours = float(row["ours"])
        assert ours > 0, row
        if row["paper"]:
            residual = 100 * (ours / float(row["paper"]) - 1)
            assert abs(residual - float(row["residual_percent"])) < 0.01 * max(1, abs(residual)), row
        else:
            assert not row["residual_percent"], row
    return {(r["quantity"], r["item"], r["system"]): r for r in rows}


def ours(rows, *key):
    return float(rows[key]["ours"])


def dtqc(*arguments):
    command = [os.environ["DTQC"], *map(str, arguments), "--report=json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


# Fig. 5: the paper's 39.5 % and 8 of 9, and the clustered order by hand.
fig5 = rows_of("fig5")
assert abs(ours(fig5, "stall ratio, mean %", "(b) own order", "dtqc") - 39.5062) < 1e-3
assert abs(ours(fig5, "stall ratio, mean %", "(c) clustered", "dtqc") - 10.8025) < 1e-3
assert ours(fig5, "stalled iterations", "(b) own order", "dtqc") == 8
assert ours(fig5, "stalled iterations", "(c) clustered", "dtqc") == 5

# Fig. 8: sixteen bars and four ratios; clustering is faster and takes less energy than not.
fig8 = rows_of("fig8")
assert sum(1 for r in fig8.values() if r["paper"]) == 20
models = ["bert-base", "bert-large", "gpt2-small", "gpt2-medium"]
for model in models:
    fast, slow = (ours(fig8, "speed", model, s) for s in ("dtqatten", "systolic"))
    assert fast > slow > 1, model
    assert ours(fig8, "energy", model, "dtqatten") < ours(fig8, "energy", model, "systolic") < 1, model
    assert abs(ours(fig8, "dtqatten / systolic", model, "speed") - fast / slow) < 1e-4 * fast / slow, model

# Table I: throughput of a system whose cycles are the same function of n for all tasks is that at one length.
table1 = rows_of("table1")
assert sum(1 for r in table1.values() if r["paper"]) == 8 + 6 + 3 + 3
direct = dtqc("analyze", "bert-base", "--seq", 384, "--compare=mnnfast")["systems"][1]["dense_gop_per_s"]
assert abs(ours(table1, "GOP/s", "mean of 22 tasks", "mnnfast") / direct - 1) < 0.001

pictures = ["fig5", "fig8-speed", "fig8-energy", "table1-speed", "table1-energy"]
for name in pictures:
    picture = xml.dom.minidom.parse(str(OUT / f"{name}.svg"))
    assert len(picture.getElementsByTagName("rect")) > 8, name
print(f"{len(fig5) + len(fig8) + len(table1)} numbers, {len(pictures)} pictures")
