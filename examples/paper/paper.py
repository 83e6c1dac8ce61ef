"""What the commands of this directory share: running dtqc, tables, CSV and SVG. Python's standard library only."""

import argparse
import csv
import hashlib
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # tables go into pagers that may close early

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# The four models: layers, hidden size, heads (64 channels each); the policy that holds the paper's average shares.
MODELS = {
    "bert-base": (12, 768, 12, "bert-average"),
    "bert-large": (24, 1024, 16, "bert-average"),
    "gpt2-small": (12, 768, 12, "gpt2-average"),
    "gpt2-medium": (24, 1024, 16, "gpt2-average"),
}


def is_bert(model):
    return model.startswith("bert")


# ---- options ---------------------------------------------------------------------------------------------------------


def parser(description, arrays):
    """The assumptions that the paper leaves open, each an option; the defaults are README.md's."""
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--bert-seq", type=int, default=384, help="tokens of a BERT input (SQuAD's)")
    p.add_argument("--glue-seq", type=int, default=128, help="tokens of a GLUE input (Table I)")
    p.add_argument("--gpt2-seq", type=int, default=1024, help="tokens of a GPT-2 input")
    p.add_argument("--prob-bits", choices=["row", "8", "4"], default="row", help="precision of a row of probabilities")
    p.add_argument("--drain", choices=["ideal", "serial", "overlapped"], default="serial", help="how skew is paid")
    p.add_argument("--prefetch", choices=["ids", "data"], default="ids",
                   help="what loads of a layer wait for: its token ids alone, or its data")
    p.add_argument("--arrays", type=int, default=arrays, help="arrays of 18 x 11 PEs")
    p.add_argument("--count", choices=["timeline", "arrays"], default="timeline",
                   help="cycles of the whole schedule, or of the two matmuls alone, shared out over the arrays without rest")
    p.add_argument("--networks", choices=["none", "chip"], default="none", help="Eyeriss: limits of its networks")
    p.add_argument("--eyeriss-utilisation", type=float, default=0, metavar="U",
                   help="Eyeriss: take this instead of the mapper's; 0: the mapper's")
    p.add_argument("--first-layer", choices=["policy", "8bit"], default="policy",
                   help="precision of a model's first layer: as all others, or 8 bits as dtqc does it")
    p.add_argument("--optimise", choices=["0", "1"], default="0", help="0: the paper's method and nothing more")
    p.add_argument("--stall-pj", type=float, default=0.06, help="energy of a stalled PE in a cycle")
    p.add_argument("--idle-pj", type=float, default=0.0, help="energy of a PE without work in a cycle")
    p.add_argument("--dram-pj-per-byte", type=float, default=31.2, help="of every system; HBM2 31.2, LPDDR4 64, DDR3 560")
    p.add_argument("--register-pj", type=float, default=0.9, help="Eyeriss: one access to a scratch pad, four a MAC")
    p.add_argument("--eyeriss-buffer", type=int, default=110592, metavar="BYTES",
                   help="Eyeriss: global buffer; scores that do not fit go through DRAM")
    p.add_argument("--spatten-pruned-first", type=float, default=0.0, metavar="SHARE",
                   help="SpAtten: tokens that the first pruning layer prunes; 0.474 for all layers alike")
    p.add_argument("--mean", choices=["arithmetic", "harmonic"], default="arithmetic", help="over tasks (Table I)")
    p.add_argument("--a3", choices=["approximate", "exact"], default="approximate", help="A3's search, or all scores")
    p.add_argument("--sweep", action="store_true", help="change one assumption at a time, too, and say what it moves")
    p.add_argument("--out", type=Path, default=HERE / "out", help="directory for CSV and SVG")
    p.add_argument("--dtqc", default=os.environ.get("DTQC", str(ROOT / "build" / "dtqc")), help="the compiler")
    return p


# What --sweep changes: one assumption at a time, and the few pairs that README.md discusses. What moves nothing in a figure,
# or no more than a row before it, is left out there.
SWEEP = [
    {"bert_seq": 128}, {"bert_seq": 512}, {"gpt2_seq": 512}, {"glue_seq": 57},
    {"prob_bits": "8"}, {"prob_bits": "4"},
    {"drain": "ideal"}, {"drain": "overlapped"}, {"count": "arrays"},
    {"networks": "chip"}, {"eyeriss_utilisation": 0.7},
    {"count": "arrays", "networks": "chip"}, {"count": "arrays", "networks": "chip", "bert_seq": 128},
    {"count": "arrays", "eyeriss_utilisation": 0.7},
    {"first_layer": "8bit"}, {"optimise": "1"},
    {"stall_pj": 0.0}, {"stall_pj": 0.15}, {"idle_pj": 0.06},
    {"dram_pj_per_byte": 64.0}, {"dram_pj_per_byte": 560.0}, {"register_pj": 0.225}, {"eyeriss_buffer": 1 << 24},
    {"register_pj": 0.225, "dram_pj_per_byte": 560.0, "eyeriss_buffer": 1 << 24},
    {"arrays": 2}, {"arrays": 8}, {"mean": "harmonic"},
    {"a3": "exact"}, {"a3": "exact", "glue_seq": 57}, {"spatten_pruned_first": 0.474},
]


def changed(options, changes):
    return argparse.Namespace(**{**vars(options), **changes})


# ---- dtqc ------------------------------------------------------------------------------------------------------------

_ran = {}


def run_dtqc(options, *arguments):
    """The JSON that `dtqc ARGUMENTS --report=json` prints; each command line is run once."""
    command = (options.dtqc, *map(str, arguments), "--report=json")
    if command not in _ran:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"failed: {' '.join(command)}\n{done.stderr}")
        _ran[command] = json.loads(done.stdout)
    return _ran[command]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def variant(options, target, **keys):
    """A shipped target with some keys changed, as a file."""
    text = (ROOT / "examples" / "targets" / f"{target}.yaml").read_text(encoding="utf-8")
    for key, value in keys.items():
        text, count = re.subn(rf"\b{key}: [^\s,}}]+", f"{key}: {value}", text, flags=re.MULTILINE)
        if not count:
            sys.exit(f"{target}.yaml has no key {key}")
    return write_target(options, target, text)


def write_target(options, target, text):
    """A target file that is told from its variants by what it says."""
    digest = hashlib.sha1(text.encode()).hexdigest()[:8]
    return write(options.out / "targets" / f"{target}-{digest}.yaml", text)


def machine(options, arrays=None):
    return variant(options, "dtqatten", drain=options.drain, prob_bits=options.prob_bits, prefetch=options.prefetch,
                   arrays=arrays or options.arrays, stall_pj=options.stall_pj, idle_pj=options.idle_pj,
                   dram_pj_per_byte=options.dram_pj_per_byte)


def layers_of(options, model, layers):
    """A model file with the model's attention and so many layers; what is beside attention does not matter here."""
    _, hidden, heads, _ = MODELS[model]
    causal = "false" if is_bert(model) else "true"
    return write(options.out / "models" / f"{model}-{layers}.yaml",
                 f"name: {model}\ntokens: 1024\ntransformer: {{layers: {layers}, hidden: {hidden}, heads: {heads}, "
                 f"ffn: 64, norm: pre, causal: {causal}, positions: 4096, vocabulary: 64}}\nweights: {{seed: 1}}\n")


def seq_of(options, model):
    return options.bert_seq if is_bert(model) else options.gpt2_seq


class Cost:
    """Time in us, energy in pJ and dense operations of a model's attention on a system."""

    def __init__(self, time, energy, ops):
        self.time, self.energy, self.ops = time, energy, ops

    @property
    def gops(self):
        return self.ops / self.time / 1000

    @property
    def gop_per_j(self):
        return self.ops / self.energy * 1000


def on_machine(options, model, seq, cluster):
    """A model on the variable-speed array. A layer costs what a third adds to two, so that loads run under the layer
    before; the first layer is another of these, or one of 8 bits throughout."""
    layers, _, _, policy = MODELS[model]
    extra = [] if cluster else ["--no-cluster"]

    def report_of(count, arrays):
        return run_dtqc(options, "analyze", layers_of(options, model, count), "--seq", seq, "--policy", policy,
                        "--target", machine(options, arrays), f"-O{options.optimise}", *extra)

    def totals(count):
        report = report_of(count, options.arrays)
        return report["total"], report["total"]["dense_gop_per_s"] * report["total"]["time_us"] * 1000 / count

    (two, ops), (three, _) = totals(2), totals(3)
    time, energy = (three[key] - two[key] for key in ("time_us", "energy_pj"))
    first = two["time_us"] - time
    if options.count == "arrays":
        first, time = ((layer["qk"]["cycles"] + layer["pv"]["cycles"]) / options.arrays / 1000
                       for layer in report_of(2, 1)["layers"])
    if options.first_layer == "8bit":
        return Cost(first + (layers - 1) * time, two["energy_pj"] + (layers - 2) * energy, layers * ops)
    return Cost(layers * time, layers * energy, layers * ops)


def on_system(options, model, seq, target):
    """A model on another system, all its layers."""
    layers = MODELS[model][0]
    table = run_dtqc(options, "analyze", layers_of(options, model, layers), "--seq", seq, "--target", machine(options),
                     "--compare", target)
    system = table["systems"][1]
    return Cost(system["time_us"], system["energy"]["total_pj"], table["dense_ops"])


def on_eyeriss(options, model, seq):
    keys = {"dram_pj_per_byte": options.dram_pj_per_byte, "register_pj": options.register_pj,
            "bytes": options.eyeriss_buffer}
    if options.networks == "chip":
        keys |= {"ifmap_words_per_cycle": 1, "filter_words_per_cycle": 4, "psum_words_per_cycle": 4}
    cost = on_system(options, model, seq, variant(options, "eyeriss", **keys))
    if options.eyeriss_utilisation > 0:
        cost.time = cost.ops / 2 / (224 * options.eyeriss_utilisation) / 1000
    return cost


# ---- results ---------------------------------------------------------------------------------------------------------


class Row:
    """A number of the paper, or None, beside ours."""

    def __init__(self, quantity, item, system, paper, ours):
        self.quantity, self.item, self.system, self.paper, self.ours = quantity, item, system, paper, ours

    @property
    def residual(self):
        return None if self.paper is None or self.ours is None else 100 * (self.ours / self.paper - 1)


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def percent(value):
    return "-" if value is None else f"{value:+.1f}"


def print_table(heads, rows):
    rows = [heads] + rows
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    for row in rows:
        cells = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip())


def show(title, rows):
    print(title + "\n")
    print_table(["", "", "", "paper", "ours", "residual %"],
                [[r.quantity, r.item, r.system, number(r.paper), number(r.ours), percent(r.residual)] for r in rows])
    print()


def write_csv(options, name, heads, rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heads] + rows)
    print(f"wrote {write(options.out / f'{name}.csv', text.getvalue())}")


def write_rows(options, name, rows):
    write_csv(options, name, ["quantity", "item", "system", "paper", "ours", "residual_percent"],
              [[r.quantity, r.item, r.system] + ["" if v is None else f"{v:.6g}" for v in (r.paper, r.ours, r.residual)]
               for r in rows])


def log_error(rows):
    """Root mean square of the logarithms of ours / paper, in per cent."""
    logs = [math.log(r.ours / r.paper) ** 2 for r in rows if r.paper and r.ours]
    return 100 * (math.exp(math.sqrt(sum(logs) / len(logs))) - 1) if logs else 0


def same(a, b):
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=1e-9)


def sweep(options, name, rows_of, label):
    """Prints and writes what each assumption alone moves; `rows_of(options)` computes the rows, `label(row)` is a short
    name for one."""
    base = rows_of(options)
    table, lines = [], []

    def add(what, value, rows):
        residuals = [r.residual for r in rows]
        table.append([what, value, "", f"{log_error(rows):.1f}"] + [percent(v) for v in residuals])
        lines.append([what, value, f"{log_error(rows):.4g}"] + ["" if v is None else f"{v:.4g}" for v in residuals])

    add("as given", "", base)
    seen = [base]
    for changes in SWEEP:
        rows = rows_of(changed(options, changes))
        if not any(all(same(a.ours, b.ours) for a, b in zip(rows, other)) for other in seen):
            seen.append(rows)
            add(" ".join(changes).replace("_", "-"), " ".join(map(str, changes.values())), rows)
    print("Residuals in per cent where one assumption is another; rms over all of them\n")
    print_table(["assumption", "value", "", "rms"] + [label(r) for r in base], table)
    print()
    write_csv(options, f"{name}-sweep", ["assumption", "value", "rms_percent"] + [label(r) for r in base], lines)


# ---- pictures --------------------------------------------------------------------------------------------------------

COLOURS = ["#a9c6de", "#2f6f9f", "#f2cfa8", "#c8721f"]  # pairs: light is the paper's


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bars(options, name, title, unit, series, groups):
    """Grouped bars, one picture: groups is [(label, [value or None, ...])], a value for each name of `series`."""
    bar, gap, left, top, height = 16, 22, 56, 60, 220
    most = max((v for _, values in groups for v in values if v is not None), default=1) or 1
    step = 10 ** math.floor(math.log10(most))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if most / s <= 6)
    scale = height / (math.ceil(most / step) * step)
    group = len(series) * bar + gap
    longest = max(len(label) for label, _ in groups)
    group = max(group, 6.4 * longest + 8)
    width = max(left + group * len(groups), 12 + sum(30 + 6.4 * len(label) for label in series)) + 20
    group = (width - left - 20) / len(groups)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{top + height + 44}" '
           f'font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="12" y="20" font-size="14" font-weight="bold">{escape(title)}, {escape(unit)}</text>']
    x = 12.0
    for colour, label in zip(COLOURS, series):
        out.append(f'<rect x="{x:.1f}" y="32" width="10" height="10" fill="{colour}"/>'
                   f'<text x="{x + 14:.1f}" y="41">{escape(label)}</text>')
        x += 30 + 6.4 * len(label)
    for i in range(int(round(height / scale / step)) + 1):
        y = top + height - i * step * scale
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - 12:.0f}" y2="{y:.1f}" stroke="#dddddd"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{i * step:.6g}</text>')
    for g, (label, values) in enumerate(groups):
        start = left + g * group + (group - len(series) * bar) / 2
        for s, value in enumerate(values):
            if value is None:
                continue
            h = value * scale
            out.append(f'<rect x="{start + s * bar:.1f}" y="{top + height - h:.1f}" width="{bar - 2}" '
                       f'height="{h:.1f}" fill="{COLOURS[s]}"><title>{escape(series[s])}: {number(value)}</title></rect>')
        out.append(f'<text x="{left + (g + 0.5) * group:.1f}" y="{top + height + 18}" '
                   f'text-anchor="middle">{escape(label)}</text>')
    out.append("</svg>")
    print(f"wrote {write(options.out / f'{name}.svg', chr(10).join(out) + chr(10))}")
