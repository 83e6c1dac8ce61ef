"""What gcov counted, by room. Usage: coverage.py BUILD [--errors [ROOM]] [--lines FILE]"""
import collections
import json
import os
import re
import subprocess
import sys

ROOMS = ("frontend", "frontend/cli", "frontend/cli/eval", "frontend/cli/host", "frontend/cli/run", "frontend/explore", "frontend/files",
         "frontend/models", "frontend/onnx", "frontend/tokenizer", "ir", "ir/base", "passes", "codegen/stream", "codegen/host",
         "codegen/llvm", "codegen/c", "codegen/report", "codegen/report/html", "codegen/systems", "runtime", "runtime/base", "runtime/isa", "runtime/sim",
         "runtime/numerics", "runtime/kernels", "runtime/weights", "runtime/schemes", "runtime/systems", "runtime/host")
# Functions that tell an error of the input. What only a fault of ours can reach (diag_internal) is no such place.
TELLS = re.compile(r"\b(dtq_fail|dtq_no_memory|diag_error|usage_error|dtq_asm_fail|dtq_asm_expected|runtime_error|runtime_error_at"
                   r"|dtq_sim_no_memory|dtq_sim_not_ready|dtq_sim_no_bits|no_memory|\w*_error|\w*_wrong|fail|refuse\w*)\(")


def room_of(path):
    room = os.path.dirname(path)
    while room and room not in ROOMS:
        room = os.path.dirname(room)
    return room


def count(build):
    """lines[file][line] and branches[file][line] -> list of counts, the sums over all objects made of the file."""
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    branches = collections.defaultdict(lambda: collections.defaultdict(list))
    root = os.getcwd()
    notes = []
    for top, _, names in os.walk(build):
        notes += [os.path.join(root, top, name) for name in names if name.endswith(".gcno")]
    for first in range(0, len(notes), 50):
        out = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *notes[first:first + 50]],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
        for text in out.splitlines():
            if not text.startswith(b"{"):
                continue
            for file in json.loads(text)["files"]:
                path = os.path.relpath(os.path.join(root, build, file["file"]), root)
                if not path.endswith(".c") or not room_of(path):
                    continue
                for line in file["lines"]:
                    n = line["line_number"]
                    lines[path][n] += line["count"]
                    taken = [b["count"] for b in line["branches"]]
                    old = branches[path][n]
                    if len(old) == len(taken):
                        branches[path][n] = [a + b for a, b in zip(old, taken)]
                    elif len(old) < len(taken):
                        branches[path][n] = taken
    return lines, branches


def share(part, whole):
    return f"{100 * part / whole:6.1f}" if whole else "     -"


def main():
    build, options = sys.argv[1], sys.argv[2:]
    lines, branches = count(build)
    if "--lines" in options:
        path = options[options.index("--lines") + 1]
        source = open(path).read().split("\n")
        for n in sorted(branches[path]):
            if any(c == 0 for c in branches[path][n]) or lines[path][n] == 0:
                print(f"{n:5} {'' if lines[path][n] else 'never'} {branches[path][n]} {source[n - 1].strip()}")
        return
    tally = {room: collections.Counter() for room in ROOMS}
    silent = collections.defaultdict(list)
    for path in sorted(lines):
        t = tally[room_of(path)]
        source = open(path).read().split("\n")
        for n, c in lines[path].items():
            t["lines"] += 1
            t["lines run"] += c > 0
            told = TELLS.search(source[n - 1]) and re.match(r" ", source[n - 1])
            if told and not re.match(r"\s*(static|bool)\b.*\{$", source[n - 1]):
                t["errors"] += 1
                t["errors told"] += c > 0
                if not c:
                    silent[room_of(path)].append(f"{path}:{n}: {source[n - 1].strip()}")
        for taken in branches[path].values():
            t["branches"] += len(taken)
            t["branches run"] += sum(c > 0 for c in taken)
    if "--errors" in options:
        at = options.index("--errors") + 1
        for room in ([options[at]] if at < len(options) else ROOMS):
            print("\n".join(silent[room]))
        return
    print(f"{'room':20} {'lines':>7} {'%':>6} {'branches':>9} {'%':>6} {'errors':>7} {'%':>6}")
    for room, t in [*tally.items(), ("total", sum(tally.values(), collections.Counter()))]:
        if t["lines"]:
            print(f"{room:20} {t['lines']:7} {share(t['lines run'], t['lines'])} {t['branches']:9} "
                  f"{share(t['branches run'], t['branches'])} {t['errors']:7} {share(t['errors told'], t['errors'])}")


main()
