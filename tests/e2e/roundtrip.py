"""The shipped models: every dump parses back, resuming from any gives the same program, and asm undoes disasm."""
import os
import re

from problems import ROOT, Failure, dtqc, must, scratch, story

LARGE = ("bert-large", "gpt2-medium")
SETTINGS = (("dtqatten", "bert-average", []), ("array32x32", "gpt2-average", ["-O0"]),
            ("array3x3", "uniform4", ["--no-cluster"]))
LOCATION = re.compile(rb' @ (\^|"[^"]*":[0-9]+:[0-9]+)(?=[,\]]|$)', re.MULTILINE)


def located(text):
    """Writes `@ ^` in full, and drops locations in the dump itself, which ops from no place in a model get."""
    last = b""

    def full(match):
        nonlocal last
        last = last if match[1] == b"^" else match[1]
        return b"" if b'/a.dtir":' in last else b" @ " + last

    return LOCATION.sub(full, text)


def shipped(kind):
    folder = os.path.join(ROOT, "examples", kind)
    return sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".yaml"))


def same(what, a, b):
    if a == b:
        return
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    raise Failure(f"{what}: {len(a)} and {len(b)} bytes, the first that differs is {at}:\n  {a[at - 60 : at + 60]!r}\n"
                  f"  {b[at - 60 : at + 60]!r}")


def read(name):
    with open(scratch(name), "rb") as file:
        return file.read()


def dumps_of(arguments):
    """Every pass that ran, in order, with the IR after it."""
    done = dtqc("compile", *arguments, "--print-after=all", "--report=json")
    if done.returncode:
        raise Failure(f"dtqc compile {' '.join(arguments)}: {done.stderr.decode()[-500:]}")
    parts = re.split(rb"^# --- ([a-z-]+) ---\n", done.stderr, flags=re.MULTILINE)
    return list(zip((name.decode() for name in parts[1::2]), parts[2::2]))


def analyses():
    return {line.split()[0] for line in must("opt", "--list").decode().splitlines() if line.endswith("(analysis)")}


def levels(arguments, level, dumps):
    """--dump-ir prints a level as the last pass in it left it."""
    text = dtqc("compile", *arguments, f"--dump-ir={level}", "--report=json").stderr
    last = [dump for _, dump in dumps if dump.startswith(b"dtir 1 " + level.encode())]
    if level == "stream":
        same(f"{level}: --dump-ir and the last --print-after", text.split(b"\n", 1)[1], last[-1])
    if not last:
        raise Failure(f"{arguments}: nothing at level {level}")


def one(model, target, policy, options, again):
    where = f"{model} on {target}, {policy} {' '.join(options)}"
    arguments = [model, "--target", target, "--policy", policy, *options]
    if model != "fig5":
        arguments += ["--seq", "9"]
    must("compile", *arguments, "-o", scratch("whole.dtq"))
    must("verify", scratch("whole.dtq"))
    whole = read("whole.dtq")

    text = must("disasm", scratch("whole.dtq"))
    with open(scratch("whole.dtasm"), "wb") as file:
        file.write(text)
    must("asm", scratch("whole.dtasm"), "-o", scratch("again.dtq"))
    same(f"{where}: asm(disasm(program))", whole, read("again.dtq"))
    same(f"{where}: --emit=asm and disasm", text, must("compile", *arguments, "--emit=asm"))

    dumps = dumps_of(arguments)
    for name in ("graph", "tile", "schedule", "stream"):
        levels(arguments, name, dumps)
    same(f"{where}: --emit=ir and the last dump", dumps[-1][1], must("compile", *arguments, "--emit=ir"))
    # in the large models, whose text is long, the last dump of each level
    places = [i for i in range(len(dumps))
              if model not in LARGE or i + 1 == len(dumps) or dumps[i][1][:12] != dumps[i + 1][1][:12]]
    for i in places:
        name, dump = dumps[i]
        with open(scratch("a.dtir"), "wb") as file:
            file.write(dump)
        if name in again:
            same(f"{where}: parsed and printed after {name}", dump,
                 must("opt", scratch("a.dtir"), f"--passes={name}"))
        if i + 1 < len(dumps):
            following, wanted = dumps[i + 1]
            text = must("opt", scratch("a.dtir"), f"--passes={following}")
            same(f"{where}: {following} on the dump after {name}", located(wanted), located(text))
        must("compile", scratch("a.dtir"), "-o", scratch("resumed.dtq"))
        same(f"{where}: the program resumed after {name}", whole, read("resumed.dtq"))


def main():
    again, done = analyses(), 0
    for model in shipped("models"):
        for target, policy, options in SETTINGS:
            if model == "fig5" and policy != "bert-average":
                policy = "fig5-policy"
            one(model, target, policy, options, again)
            done += 1
    print(f"{done} programs: text and IR of all levels read back, and compilation resumes from every dump")


story(main)
