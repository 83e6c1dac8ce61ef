"""Traces by the rules of Chrome's format as Perfetto reads it, which counts in whole nanoseconds: every instruction is
there, no slice crosses another on its thread, none has no length, no two instants stand on one another. Where Node and
Perfetto's trace processor are at hand (tests/fetch), that is asked for what it keeps."""
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT, DTQC = pathlib.Path(os.environ["ROOT"]), os.environ["DTQC"]
ENGINE = ROOT / "tests/.cache/perfetto"


def trace_of(folder, clock, model, *options):
    """The trace of a model on four arrays at this clock, and how many instructions it must have."""
    target, out, program = folder / "target.yaml", folder / "trace.json", folder / "program.dtq"
    target.write_text(f"kind: vssa\nclock_ghz: {clock}\nvssa: {{arrays: 4, rows: 18, cols: 11}}\ndram: {{gb_per_s: 500}}\n")
    arguments = [model, "--target", str(target), *options]
    subprocess.run([DTQC, "analyze", *arguments, f"--trace={out}"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([DTQC, "compile", *arguments, "-o", str(program)], check=True, stdout=subprocess.DEVNULL)
    listing = subprocess.run([DTQC, "disasm", str(program)], check=True, stdout=subprocess.PIPE, text=True).stdout
    queues = collections.Counter()
    for line in listing.splitlines():
        queue, _, rest = line.strip().partition(":")
        if rest and " " not in queue and rest.split()[0] not in ("wait", "signal"):
            queues[queue] += 1
    return out, queues


def whole(value):
    """Microseconds as the nanoseconds of which they are a whole number."""
    ns = round(value * 1000)
    assert abs(value * 1000 - ns) < 1e-6 * max(1, abs(ns)) and ns >= 0, f"{value} us is no whole number of nanoseconds"
    return ns


def check_rules(trace, queues):
    events = json.loads(trace.read_text())["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert all(e["tid"] not in (0, e["pid"]) for e in events), "a thread has the process's id, or 0"
    slices, instants, seen = collections.defaultdict(list), collections.defaultdict(list), collections.Counter()
    for e in events:
        if e["ph"] == "X":
            start = whole(e["ts"])
            slices[e["tid"]].append((start, start + whole(e["dur"]), e["name"]))
            seen[names[e["tid"]]] += 1
        elif e["ph"] == "i":
            instants[e["tid"]].append(whole(e["ts"]))
            seen[names[e["tid"]]] += e["args"]["instructions"]
    assert seen == queues, f"instructions of each queue: {queues}, in the trace: {seen}"
    for tid, list_of in slices.items():
        list_of.sort()
        for a, b in zip(list_of, list_of[1:]):
            assert a[1] <= b[0], f"{names[tid]}: {a} crosses {b}"
        assert all(a[0] < a[1] for a in list_of), f"{names[tid]}: a slice without length"
    for tid, list_of in instants.items():
        assert len(set(list_of)) == len(list_of), f"{names[tid]}: instants on one another"
    return {names[t]: len(slices[t]) + len(instants[t]) for t in names}


def ask_importer(trace, drawn):
    queries = ["select name, value from stats where value > 0 and severity != 'info'",
               "select t.name name, count(*) n, max(s.depth) depth from slice s join thread_track k on s.track_id = k.id "
               "join thread t using(utid) group by t.tid"]
    out = subprocess.run(["node", str(ROOT / "tests/e2e/perfetto.js"), str(ENGINE), str(trace), *queries], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()
    lost, threads = (json.loads(line) for line in out if line.startswith("["))
    assert lost == [], f"the importer complains: {lost}"
    assert {t["name"]: t["n"] for t in threads} == drawn, f"the importer keeps {threads} of {drawn}"
    assert all(t["depth"] == 0 for t in threads), f"slices are stacked: {threads}"


def main():
    importer = shutil.which("node") and (ENGINE / "engine_bundle.js").exists()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for clock in ("0.7", "1", "1.7", "3", "20"):
            trace, queues = trace_of(folder, clock, "minilm", "--policy", "bert-average", "--seq", "64")
            drawn = check_rules(trace, queues)
            print(f"{clock} GHz: {sum(queues.values())} instructions, {sum(drawn.values())} slices and instants")
            if importer and clock in ("1.7", "20"):
                ask_importer(trace, drawn)
    print("Perfetto's importer keeps all" if importer else "Perfetto's importer is not asked: tests/fetch gets it")


if __name__ == "__main__":
    sys.exit(main())
