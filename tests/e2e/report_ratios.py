"""What must hold of every report's numbers, on random models, targets and policies. DTQ_SEED repeats a run."""
import csv
import html.parser
import io
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile

DTQC, ROOT = os.environ["DTQC"], pathlib.Path(os.environ["ROOT"])
CASES = 36  # reports of machines; as many comparisons of systems
TINY = 1e-9
RATIOS = {"share", "utilisation", "stall_ratio_mean", "array_share"}
SYSTEMS = ("eyeriss", "spatten", "a3", "mnnfast")


def run(arguments, form):
    command = [DTQC, "analyze", *map(str, arguments), f"--report={form}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 1:
        return None  # refused: a machine too small for the model, or keys pruned without clusters
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


# ---- random models, machines, policies, systems

def random_model(r):
    heads, head_dim = r.randint(1, 4), r.choice((1, 2, 5, 8, 16, 64))
    if r.random() < 0.2:
        return {"attention": {"tokens": r.randint(1, 64), "heads": heads, "head_dim": head_dim,
                              "causal": r.choice((True, False))}}
    return {"transformer": {"layers": r.randint(1, 4), "hidden": heads * head_dim, "heads": heads,
                            "ffn": r.randint(1, 64), "norm": r.choice(("pre", "post")), "positions": 64,
                            "vocabulary": 64, "causal": r.choice((True, False))}}


def random_machine(r, linears):
    target = {"kind": r.choice(("vssa", "vssa", "systolic")), "clock_ghz": r.choice((0.5, 1, 1.7, 3)),
              "drain": r.choice(("ideal", "overlapped", "serial")), "prefetch": r.choice(("ids", "data")),
              "prob_bits": r.choice(("row", 4, 8)),
              "vssa": {"arrays": r.choice((1, 2, 3, 16, 60)), "rows": r.randint(1, 20), "cols": r.randint(1, 20)},
              "dram": {"gb_per_s": r.choice((1, 16, 500)), "latency_cycles": r.choice((0, 100, 100000))}}
    if linears:
        target["linear"] = "vssa"
    elif r.random() < 0.3:
        target["buffers"] = {name: r.randint(300, 3000) for name in ("k", "v", "scores", "probs")}
    return target


def random_policy(r):
    def ratios():
        a, b = sorted((round(r.random(), 2), round(r.random(), 2)))
        return {"ratios": {0: r.choice((0, a)), 4: b - a, 8: 0}}
    def whole(item):
        shares = item["ratios"]
        shares[8] = round(1 - shares[0] - shares[4], 6)
        return item
    policy = {"all": whole(ratios())}
    if r.random() < 0.4:
        policy["prune"] = "keys"
    return policy


def random_system(r, kind):
    target = {"kind": kind, "clock_ghz": r.choice((0.5, 1, 2)), "dram": {}}
    if kind == "eyeriss":
        target.update(causal=r.choice(("dense", "skip")), array={"rows": r.randint(1, 20), "cols": r.randint(1, 20)})
    elif kind == "spatten":
        target.update(multipliers={"per_side": r.choice((1, 7, 64, 512))}, values={"kept": round(r.random(), 2)})
        target["tokens"] = {"schedule": r.choice(("cascade", "policy")), "pruned_mean": 0.3}
    elif kind == "a3":
        target.update(approximate=r.choice(("yes", "no")), pipeline={"query_cycles": r.randint(0, 9)})
        target["search"] = {"iterations": round(r.random(), 2), "candidates": round(r.random(), 2), "survivors": round(r.random(), 2)}
    else:
        target.update(multipliers={"per_side": r.choice((1, 7, 64, 500))}, phases=r.choice(("sequential", "pipelined")))
        target["values"] = {"skipped": round(r.random(), 2)}
    return target


# ---- what must hold

def within(value, what):
    assert value is None or -TINY <= value <= 1 + TINY, f"{what} is {value}"


def check_ratios(node, what):
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "busy_share":
                for engine, share in value.items():
                    within(share, f"{what} busy_share.{engine}")
            elif name in RATIOS:
                within(value, f"{what} {name}")
            else:
                check_ratios(value, f"{what} {name}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            check_ratios(value, f"{what}[{index}]")


def check_bounds(report, what):
    total, layers = report["total"], report["layers"]
    assert total["bound_cycles"] <= total["cycles"] * (1 + TINY), f"{what}: fewer cycles than the bound"
    assert abs(sum(l["cycles"] for l in layers) - total["cycles"]) < 1e-6 * max(1, total["cycles"]), what
    for l in layers:
        place = f"{what}, layer {l['index']}"
        longest = max(l["cycles"], l["busy_cycles"]["array"])
        assert l["bound_cycles"] <= longest * (1 + TINY), f"{place}: more work than time"
        assert abs(l["utilisation"] * longest - l["bound_cycles"]) <= 1e-6 * longest, place
        for name in ("qk", "pv", "linear"):
            if name in l and not l["expected"]:
                assert l[name]["bound_cycles"] <= l[name]["cycles"] * (1 + TINY) + TINY, f"{place}, {name}: below the bound"
        shares = l["busy_share"]
        if l["limiter"] in shares:
            assert shares[l["limiter"]] >= 0.5 - TINY and shares[l["limiter"]] == max(shares.values()), \
                f"{place}: limited by {l['limiter']}, which is busy for {shares}"
        elif l["cycles"] > 0:
            assert max(shares.values()) < 0.5 + TINY, f"{place}: limited by {l['limiter']}, yet {shares}"


def flat(layer, before=""):
    for name, value in layer.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        elif not isinstance(value, list):
            yield before + name, value


def check_csv(report, text, what):
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(report["layers"]), what
    for row, layer in zip(rows, report["layers"]):
        expected = dict(flat(layer))
        assert list(row) == list(expected), f"{what}: CSV has {set(row) ^ set(expected)} apart"
        for name, value in expected.items():
            read = row[name] if isinstance(value, str) else json.loads(row[name])
            assert read == value, f"{what}: {name} is {row[name]} in CSV, {value} in JSON"


def numbers(cells):
    return [float(re.sub(r"[~,%]", "", c).replace("M", "e6")) for c in cells]


def check_text(report, text, what):
    total = report["total"]
    line = lambda name: next(l for l in text.splitlines() if l.startswith(f"  {name} "))
    near = lambda a, b, unit: abs(a - b) <= unit / 2 + 1e-3 + 1e-5 * abs(b)
    assert near(numbers([line("cycles").split()[1]])[0], total["cycles"], 1), f"{what}: {line('cycles')}"
    bound = line("bound")
    assert near(numbers([bound.split()[1]])[0], total["bound_cycles"], 1), f"{what}: {bound}"
    assert near(float(re.search(r"utilisation ([0-9.]+) %", bound).group(1)), 100 * total["utilisation"], 0.1), bound
    for percent in re.findall(r"([0-9][0-9.]*) %", text):
        assert float(percent) <= 100, f"{what}: {percent} %"
    table = text[text.index("  layer  0-bit"):].splitlines()[1:]
    for row in table:
        match = re.match(r"  (\d+)(?:-(\d+))? +(.*)", row)
        if not match:
            break
        cells = match.group(3).split()
        for l in report["layers"][int(match.group(1)):int(match.group(2) or match.group(1)) + 1]:
            shown = numbers(cells[:8])
            wanted = [l["pruned"], l["low"], l["high"], l["cycles"], 100 * l["share"], 100 * l["utilisation"],
                      100 * l["qk"]["stall_ratio_mean"], 100 * l["pv"]["stall_ratio_mean"]]
            for a, b, unit in zip(shown, wanted, (0, 0, 0, 1, .1, .1, .1, .1)):
                assert near(a, b, unit), f"{what}: {row} for {wanted}"
            assert cells[9] == l["limiter"], f"{what}: {row}, limited by {l['limiter']}"
        

class Page(html.parser.HTMLParser):
    """Ids, where links go, the summary's numbers and the cells of the table of layers."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.totals, self.rows = [], [], {}, []
        self.table = False

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if "id" in a:
            self.ids.append(a["id"])
        for name in ("for", "aria-labelledby", "aria-describedby"):
            self.links += (a.get(name) or "").split()
        if tag == "a" and a.get("href", "").startswith("#"):
            self.links.append(a["href"][1:])
        if tag == "data" and a.get("id", "").startswith("r0-total-"):
            self.totals[a["id"][len("r0-total-"):]] = float(a["data-value"])
        if tag == "table":
            self.table = "sortable" in a.get("class", "")
        if self.table and tag == "tr":
            self.rows.append([])
        if self.table and "data-value" in a:
            self.rows[-1].append(a["data-value"])


def check_page(text, what):
    page = Page()
    page.feed(text)
    twice = {i for i in page.ids if page.ids.count(i) > 1}
    assert not twice, f"{what}: ids {twice} stand twice"
    assert set(page.links) <= set(page.ids), f"{what}: links to {set(page.links) - set(page.ids)}"
    return page


def check_html(report, text, what):
    page = check_page(text, what)
    for name, value in page.totals.items():
        assert value == report["total"][name], f"{what}: {name} is {value} in HTML, {report['total'][name]} in JSON"
    assert len(page.totals) >= 9, page.totals
    rows = [row for row in page.rows if len(row) > 5]
    assert len(rows) == len(report["layers"]), f"{what}: {len(rows)} rows"
    for row, l in zip(rows, report["layers"]):
        wanted = [l["index"], l["pruned"], l["low"], l["high"], *l["promoted"].values(), l["cycles"], l["share"], l["utilisation"]]
        for matmul in ("qk", "pv", "linear"):
            if matmul in l:
                wanted += [l[matmul][k] for k in ("iterations", "stalled_iterations", "stall_ratio_mean", "cycles", "bound_cycles")]
        wanted += [l["linear_cycles"]] if "linear" in l else []
        wanted += [l["dram_bytes"]]
        assert [float(c) for c in row[:-1]] == wanted, f"{what}: {row} for {wanted}"
        assert row[-1] == l["limiter"], what


def check_report(arguments, what):
    text = run(arguments, "json")
    if text is None:
        return False
    report = json.loads(text)
    check_ratios(report, what)
    check_bounds(report, what)
    check_csv(report, run(arguments, "csv"), what)
    check_text(report, run(arguments, "text"), what)
    check_html(report, run(arguments, "html"), what)
    return True


def check_comparison(arguments, what):
    text = run(arguments, "json")
    if text is None:
        return False
    for row in json.loads(text)["systems"]:
        within(row["utilisation"], f"{what}: utilisation of {row['name']}")
        within(row["array_share"], f"{what}: array_share of {row['name']}")
        assert row["cycles"]["total_cycles"] >= row["cycles"]["qk_cycles"] * (1 - TINY) or row["kind"] in ("vssa", "systolic"), what
        assert abs(sum(v for k, v in row["energy"].items() if k != "total_pj") - row["energy"]["total_pj"]) \
            <= 1e-6 * row["energy"]["total_pj"], f"{what}: energies of {row['name']}"
    table = list(csv.DictReader(io.StringIO(run(arguments, "csv"))))
    for row, of in zip(table, json.loads(text)["systems"]):
        flat_row = {name.split(".")[-1]: value for name, value in flat(of)}
        assert set(row) == set(flat_row), f"{what}: CSV has {set(row) ^ set(flat_row)} apart"
        for name, value in flat_row.items():
            read = row[name] if isinstance(value, str) else json.loads(row[name] or "null")
            assert read == value, f"{what}: {name} is {row[name]} in CSV, {value} in JSON"
    return True


def write(path, value):
    path.write_text(json.dumps(value))
    return path


def main():
    seed = int(os.environ.get("DTQ_SEED", "1912"))
    print(f"seed {seed}")
    r, counts = random.Random(seed), [0, 0]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for i in range(CASES):
            model = write(folder / "model.yaml", random_model(r))
            linears = "transformer" in model.read_text() and r.random() < 0.4
            target = write(folder / "target.yaml", random_machine(r, linears))
            policy = write(folder / "policy.yaml", random_policy(r))
            length = [] if "attention:" in model.read_text() or '"attention"' in model.read_text() else ["--seq", r.randint(1, 64)]
            arguments = [model, "--target", target, "--policy", policy, *length, *r.choice(([], ["-O0"], ["--no-cluster"]))]
            what = f"seed {seed}, case {i}: {model.read_text()} {target.read_text()} {policy.read_text()} {arguments[5:]}"
            counts[0] += check_report(arguments, what)
            system = write(folder / "system.yaml", random_system(r, SYSTEMS[i % len(SYSTEMS)]))
            plain = write(folder / "plain.yaml", random_machine(r, False))
            what = f"seed {seed}, case {i}: {model.read_text()} {system.read_text()} {plain.read_text()}"
            counts[1] += check_comparison([model, "--target", system, f"--compare={plain}", *length], what)
        data = ROOT / "tests/cli/data"
        run_pages = [["run", data / "fig5.yaml", "--target", data / "array3x3.yaml", "--policy", data / "fig5-policy.yaml",
                      "--input", data / "qkv.safetensors", "--report=html"],
                     ["analyze", "minilm", "--seq", "4,8,9", "--report=html", "--remarks"],
                     ["analyze", "minilm", "--policy", "bert-average", "--compare-unclustered", "--report=html"]]
        for arguments in run_pages:
            out = subprocess.run([DTQC, *map(str, arguments)], check=True, capture_output=True, text=True).stdout
            check_page(out, " ".join(map(str, arguments)))
    print(f"{counts[0]} reports and {counts[1]} comparisons")
    assert min(counts) >= CASES // 2, "hardly any machine was large enough for its model"


if __name__ == "__main__":
    main()
