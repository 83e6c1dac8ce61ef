"""Holds what the HTML report draws to what the JSON report says."""
import json
import os
import re
import subprocess
import tempfile

DTQC, ROOT = os.environ["DTQC"], os.environ["ROOT"]
FIELDS = 9  # of a bar: start (after the bar before), span, busy, op, layer, head, row, rows, count


def report(arguments, form):
    command = [DTQC, "analyze", *arguments, f"--report={form}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def data(html, drawing):
    return json.loads(re.search(f'class="{drawing} script".*?class="data">(.*?)</script>', html, re.S).group(1))


def close(a, b, what):
    assert abs(a - b) <= 1e-9 * max(1, abs(b)), f"{what}: {a} drawn, {b} reported"


def check_tiles(tiles, layers, compiled, what):
    for group in tiles["groups"]:
        for index in range(group["first"], group["last"] + 1):
            for name in ("qk", "pv"):
                grid, matmul = group["orders"][compiled][name], layers[index][name]
                place = f"{what}, layer {index}, {name}"
                close(grid["tiles"] * group["heads"], matmul["iterations"], place)
                close(grid["stalled"] * group["heads"], matmul["stalled_iterations"], place)
                close(grid["sums"][0], matmul["stall_ratio_mean"], place)
                close(grid["sums"][1] * group["heads"], matmul["step_cycles"], place)


def check_timeline(timeline, numbers, what):
    close(timeline["cycles"], numbers["total"]["cycles"], what)
    arrays = [{} for _ in numbers["layers"]]
    for lane in timeline["lanes"]:
        start = 0
        for i in range(0, len(lane["bars"]), FIELDS):
            delta, span, busy, _, layer = lane["bars"][i : i + 5]
            start += delta
            assert start >= 0 and 0 <= busy <= span and start + span <= timeline["cycles"], f"{what}: {lane['name']}"
            if lane["name"].startswith("array"):
                arrays[layer][lane["name"]] = arrays[layer].get(lane["name"], 0) + busy
    for layer, busy in zip(numbers["layers"], arrays):
        close(max(busy.values()), layer["busy_cycles"]["array"], what)


def check(arguments, compiled=1):
    what = " ".join(arguments)
    numbers, html = json.loads(report(arguments, "json")), report(arguments, "html")
    if compiled is not None:
        check_tiles(data(html, "tiles"), numbers["layers"], compiled, what)
    check_timeline(data(html, "timeline"), numbers, what)


def main():
    model = os.path.join(ROOT, "examples/models/bert-base.yaml")
    fig5 = [f"{ROOT}/tests/cli/data/fig5.yaml", "--target", f"{ROOT}/tests/cli/data/array3x3.yaml",
            "--policy", f"{ROOT}/tests/cli/data/fig5-policy.yaml"]
    check(fig5)
    check([*fig5, "--no-cluster"], compiled=0)
    with tempfile.TemporaryDirectory() as scratch:
        keys = os.path.join(scratch, "keys.yaml")
        with open(keys, "w", encoding="utf-8") as out:
            out.write("prune: keys\nall: {ratios: {0: .28, 4: .414, 8: .306}}\n")
        for length in ("1", "16", "50", "128"):
            check([model, "--policy", "bert-average", "--seq", length])
            check([model, "--policy", "bert-average", "--seq", length, "-O0"])
            check([model, "--policy", keys, "--seq", length])
    check([model, "--policy", "bert-average", "--no-cluster"], compiled=None)  # tiles are expected ones
    check([model, "--policy", "bert-average", "--seq", "512"])


main()
