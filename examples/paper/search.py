"""What fig6 and fig7 share: models and data at hand, the search for shares by `dtqc explore`, and accuracy by `dtqc eval`."""

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import paper

SHARES = ["0 bits", "4 bits", "8 bits"]


@dataclass(frozen=True)
class Case:
    """A model on a task. `model` and `data` are looked for where --data and examples/fetch put them."""
    name: str
    family: str  # whose averages in the paper
    model: str
    data: str
    task: tuple  # options of dtqc that say what is measured
    samples: int  # by default; --samples multiplies
    groups: int  # of neighbouring layers that share one choice
    metric: str
    higher: bool  # the more the better
    within: float  # what a found policy may lose of it


# The paper's averages, its Fig. 6: shares of 0, 4 and 8 bits.
PAPER = {"BERT": (0.28, 0.414, 0.306), "GPT-2": (0.218, 0.52, 0.262)}
# Its Fig. 7: the two-step procedure and its own, 0 and 4 bits; the rest is at 8.
PAPER_TWO_STEP, PAPER_ONE_STEP = (0.298, 0.189, 0.513), (0.263, 0.405, 0.332)

LANGUAGE = ("--task=language", "--window=256", "--score-last=16")
CASES = [
    Case("MiniLM, STS-B", "BERT", "cache/all-MiniLM-L6-v2", "text/stsb_dev.tsv", ("--task=similarity",), 300, 5,
         "spearman", True, 0.01),
    Case("MiniLM, SST-2", "BERT", "head/sst2", "head/sst2/rest.tsv", ("--task=classification",), 436, 5,
         "accuracy", True, 0.03),
    Case("stories260K, TinyStories", "GPT-2", "models/stories260K/stories260K.bin", "text/tinystories_val_a.txt",
         LANGUAGE, 60, 4, "nats_per_token", False, 0.1),
    Case("SmolLM2, WikiText-2", "GPT-2", "cache/smollm2.gguf", "text/wikitext2_valid.txt", LANGUAGE, 4, 4,
         "nats_per_token", False, 0.05),
]


def options_of(description):
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("data", type=Path, help="a directory with text/stsb_dev.tsv, text/sst2_glue_dev.tsv, "
                   "text/tinystories_val_a.txt, text/wikitext2_valid.txt and models/stories260K/; what is not there is left out")
    p.add_argument("--case", action="append", help="only those whose name begins so")
    p.add_argument("--rule", choices=["probe", "paper"], default="probe",
                   help="who chooses in encoders: each layer by a probe of its own, or the layer before as in the paper")
    p.add_argument("--trials", type=int, default=20, help="of each search; the paper's number")
    p.add_argument("--samples", type=float, default=1, help="times the default numbers of samples")
    p.add_argument("--within", type=float, help="what a found policy may lose of the metric, instead of each case's own")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--method", choices=["bayes", "random", "grid", "evolution"], default="bayes")
    p.add_argument("--lambda", dest="weight", help="of Eq. 1, instead of the paper's .37 and .24")
    p.add_argument("--out", type=Path, default=paper.HERE / "out", help="directory for CSV, SVG and the searches")
    p.add_argument("--dtqc", default=paper.os.environ.get("DTQC", str(paper.ROOT / "build" / "dtqc")), help="the compiler")
    return p.parse_args()


def fit_head(options):
    """The classifier of SST-2 on MiniLM, fitted once; None if that cannot be."""
    table, encoder = options.data / "text" / "sst2_glue_dev.tsv", cache("all-MiniLM-L6-v2")
    directory = options.out / "sst2"
    if (directory / "config.json").exists():
        return
    if not table.exists() or not encoder.exists():
        return
    for python in (sys.executable, "/usr/bin/python3"):  # the one that has numpy
        done = subprocess.run([python, "-B", paper.ROOT / "tests" / "e2e" / "sst2_head.py", encoder, table, directory],
                              env={**paper.os.environ, "DTQC": options.dtqc}, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    print(f"the head of SST-2 cannot be fitted: {done.stderr.strip().splitlines()[-1]}")


def cache(name):
    return paper.ROOT / "examples" / ".cache" / name


def place(options, name):
    root, rest = name.split("/", 1)
    return {"cache": cache(rest), "head": options.out / rest}.get(root, options.data / name)


def cases(options):
    """Those whose model and data are there; the others are told."""
    fit_head(options)
    found = []
    for c in CASES:
        if options.case and not any(c.name.startswith(name) for name in options.case):
            continue
        lacking = [str(place(options, n)) for n in (c.model, c.data) if not place(options, n).exists()]
        if lacking:
            print(f"left out: {c.name}, as there is no {' and no '.join(lacking)}")
        else:
            found.append(c)
    return found


def measured(options, c):
    """The operands that say what is measured: model, task, data, how much of it."""
    return [str(place(options, c.model)), *c.task, "--data", str(place(options, c.data)),
            "--limit", str(max(1, round(c.samples * options.samples)))]


def rule_lines(options, c):
    """The lines of a policy that say who chooses and what leaves."""
    return ["importance: probe", "prune: keys"] if c.family == "BERT" and options.rule == "probe" else []


def run(options, command):
    done = subprocess.run([options.dtqc, *command, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"failed: {options.dtqc} {' '.join(command)} --json\n{done.stderr}")
    return json.loads(done.stdout)


def layers_of(options, c):
    """Attention layers of the model, counted by dtqc."""
    return len(paper.run_dtqc(options, "analyze", place(options, c.model), "--seq", 16)["layers"])


def short(c):
    """The metric's name where there is little room."""
    return c.metric.split("_")[0]


def slug(c):
    return re.sub("[^a-z0-9]+", "-", c.name.lower())


def policy_file(options, c, name, rows):
    """A policy with a row of shares for each layer, as a file."""
    text = rule_lines(options, c) + ["layers:"]
    text += [f"  - {{ratios: {{0: {z:.6g}, 4: {low:.6g}, 8: {high:.6g}}}}}" for z, low, high in rows]
    return paper.write(options.out / slug(c) / f"{name}.yaml", "\n".join(text) + "\n")


@dataclass
class Found:
    shares: tuple  # of 0, 4 and 8 bits, mean over the layers that choose
    value: float  # of the metric
    fp32: float
    trial: dict


def search(options, c):
    """Minimises Eq. 1 over the shares of every layer but the first, within what accuracy may lose. None if no trial did."""
    layers = layers_of(options, c)
    directory = options.out / slug(c)
    groups = min(c.groups, layers - 1)
    spans = [(1 + g * (layers - 1) // groups, (g + 1) * (layers - 1) // groups) for g in range(groups)]
    within = c.within if options.within is None else options.within
    bound = f"{c.metric} >= fp32 - {within}" if c.higher else f"{c.metric} <= fp32 + {within}"
    space = [f"layers.{a if a == b else f'{a}-{b}'}.ratios: {{step: .05}}" for a, b in spans]
    paper.write(directory / "space.yaml", "\n".join(space + [f"constraints: [{bound}]"]) + "\n")
    base = policy_file(options, c, "base", [(0, 0, 1)] * layers)
    result = directory / f"{options.rule}-{options.method}-{options.trials}-{options.seed}-{options.samples:g}-{within:g}"
    weight = ["--lambda", options.weight] if options.weight else []
    done = run_search(options, ["explore", *measured(options, c), "--policy", str(base), "--space",
                                str(directory / "space.yaml"), "--trials", str(options.trials), "--seed",
                                str(options.seed), "--method", options.method, *weight, "--resume", "-o", str(result)])
    fp32 = done["fp32"][c.metric]
    if done["best"] is None:
        return Found((0, 0, 1), fp32, fp32, None)
    trial = done["trials"][int(done["best"])]
    sums, count = [0.0, 0.0, 0.0], 0
    for (a, b), axis, at in zip(spans, done["axes"], trial["point"]):
        parts = [float(x) for x in re.findall(r"[0-9.]+(?=[,}])", axis["values"][at])]
        sums = [s + p * (b - a + 1) for s, p in zip(sums, parts)]
        count += b - a + 1
    return Found(tuple(s / count for s in sums), trial[c.metric], fp32, trial)


def run_search(options, command):
    """That no trial keeps to the constraints is a result."""
    done = subprocess.run([options.dtqc, *command, "--json"], capture_output=True, text=True, check=False)
    if done.returncode and not done.stdout.startswith("{"):
        sys.exit(f"failed: {options.dtqc} {' '.join(command)} --json\n{done.stderr}")
    return json.loads(done.stdout)


def values_of(options, c, policies):
    """The metric of float32 and of each policy, given as files of different names, by one run of dtqc eval."""
    done = run(options, ["eval", *measured(options, c), "--rows=fp32", "--compare", ",".join(map(str, policies))])
    rows = [r["metrics"][c.metric] for r in done["rows"]]
    return rows[0], rows[1:]


# ---- pictures --------------------------------------------------------------------------------------------------------

COLOURS = ["#ffffff", "#a9c6de", "#2f6f9f"]  # of 0, 4 and 8 bits


def stacks(options, name, title, columns):
    """Stacked bars of shares: columns is [(lines of the label, shares of 0, 4 and 8 bits)]."""
    left, top, height, bar = 46, 62, 220, 44
    step = max(bar + 16, 6.3 * max(len(line) for lines, _ in columns for line in lines) + 12)
    lines_most = max(len(lines) for lines, _ in columns)
    width, bottom = left + step * len(columns) + 16, top + height
    width = max(width, 24 + 8 * len(title))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{bottom + 14 * lines_most + 16}" '
           'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="12" y="20" font-size="14" font-weight="bold">{paper.escape(title)}</text>']
    for i, (colour, label) in enumerate(zip(COLOURS, SHARES)):
        out.append(f'<rect x="{12 + 70 * i}" y="32" width="10" height="10" fill="{colour}" stroke="#777777"/>'
                   f'<text x="{27 + 70 * i}" y="41">{label}</text>')
    for i in range(0, 101, 20):
        y = bottom - i / 100 * height
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - 12:.0f}" y2="{y:.1f}" stroke="#dddddd"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{i} %</text>')
    for k, (lines, shares) in enumerate(columns):
        middle, y = left + (k + 0.5) * step, float(bottom)
        for colour, label, share in zip(COLOURS, SHARES, shares):
            h = share * height
            y -= h
            out.append(f'<rect x="{middle - bar / 2:.1f}" y="{y:.1f}" width="{bar}" height="{h:.1f}" fill="{colour}" '
                       f'stroke="#777777"><title>{label}: {100 * share:.1f} %</title></rect>')
            if h >= 14:
                ink = "white" if colour == COLOURS[2] else "black"
                out.append(f'<text x="{middle:.1f}" y="{y + h / 2 + 4:.1f}" text-anchor="middle" fill="{ink}">'
                           f'{100 * share:.1f}</text>')
        for i, line in enumerate(lines):
            out.append(f'<text x="{middle:.1f}" y="{bottom + 16 + 14 * i}" text-anchor="middle">{paper.escape(line)}</text>')
    out.append("</svg>")
    print(f"wrote {paper.write(options.out / f'{name}.svg', chr(10).join(out) + chr(10))}")
