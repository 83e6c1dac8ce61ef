"""Many lengths at once: what is said of each is what is said of it alone, whatever the number of threads, in memory that
does not grow with their number."""
import subprocess
import sys

from problems import DTQC, Failure, dtqc, must, scratch, seed_and_generator, story, write

CASES = 10
MODELS = (("minilm", ["--policy", "bert-average"]),
          ("bert-base", ["--policy", "bert-average", "--no-cluster"]),
          ("minilm", ["--policy", "bert-probe", "--set", "buffers.k=6000"]),
          ("bert-base", ["-O0", "--set", "drain=ideal"]))


def same(what, mine, theirs):
    if mine != theirs:
        at = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
        raise Failure(f"{what}\n  together {mine[at:at + 3]}\n  alone    {theirs[at:at + 3]}")


def rows(text):
    """The cells of the rows of a table, which begin with a length and a number of cycles; a line of words may begin with
    a number, too."""
    lines = [line.split() for line in text.decode().splitlines()]
    return {line[0]: line for line in lines
            if len(line) > 5 and line[0].isdigit() and line[1].lstrip("~").replace(",", "").isdigit()}


def of_each(arguments, lengths, threads, what):
    seq = f"{lengths[0]}..{lengths[-1]}"
    together = ["analyze", *arguments, "--remarks", "--seq", seq, "--threads", threads]
    alone = [["analyze", *arguments, "--remarks", "--seq", str(n)] for n in lengths]
    as_json = [must(*one, "--report=json").decode().strip() for one in alone]
    same(f"{what}, json", must(*together, "--report=json").decode().splitlines(),
         ("[\n" + "\n,\n".join(as_json) + "\n]").splitlines())
    csv = must(*together, "--report=csv").decode().splitlines()
    same(f"{what}, csv", [line for line in csv if line and not line.startswith("#")],
         [line for one in alone for line in must(*one, "--report=csv").decode().splitlines() if line])
    table = rows(must(*together))
    for n in (lengths[0], lengths[-1]): # a table needs two lengths
        pair = rows(must("analyze", *arguments, "--seq", f"{n},{n + 1}"))
        same(f"{what}, row {n}", table[str(n)], pair[str(n)])


def programs(arguments, lengths, what):
    seq = f"{lengths[0]}..{lengths[-1]}"
    files = [scratch(f"threads{n}.dtq") for n in (1, 3)]
    for n, path in zip((1, 3), files):
        must("compile", *arguments, "--seq", seq, "--threads", str(n), "-o", path)
    data = [open(path, "rb").read() for path in files]
    if data[0] != data[1]:
        raise Failure(f"{what}: programs depend on --threads")
    for n in lengths:
        must("compile", *arguments, "--seq", str(n), "-o", files[1])
        own = must("disasm", files[1]).decode().splitlines()
        whole = must("disasm", files[0]).decode().splitlines()
        begin = next(i for i, line in enumerate(own) if line.startswith(".stream"))
        first = whole.index(own[begin])
        same(f"{what}, stream of {n}", whole[first:first + len(own) - begin], own[begin:])


def errors():
    """The first length that does not fit is told of, once, as it is alone; nothing is printed."""
    machine = ["minilm", "--set", "buffers.importance=160"]
    for threads in ("1", "2", "5"):
        many = dtqc("analyze", *machine, "--seq", "10..40", "--threads", threads)
        one = dtqc("analyze", *machine, "--seq", "21")
        if many.returncode != 1 or many.stdout or many.stderr != one.stderr or dtqc(
                "analyze", *machine, "--seq", "10..20").returncode:
            raise Failure(f"lengths from 21 on do not fit: {threads} threads said\n{many.stderr.decode()}")


# A process without numpy: what a child had before it became dtqc counts as its own.
MEASURE = """import os, sys
null = os.open(os.devnull, os.O_WRONLY)
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, usage = os.wait4(child, 0)
print(status, usage.ru_maxrss)"""


def peak(*arguments):
    """KiB that a command had at most."""
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, DTQC, *arguments], capture_output=True, check=True)
    status, most = map(int, done.stdout.split())
    if status:
        raise Failure(f"dtqc {' '.join(arguments)} failed")
    return most


def memory():
    one = peak("analyze", "minilm", "--policy", "bert-average", "--seq", "255,256", "--threads=1")
    many = peak("analyze", "minilm", "--policy", "bert-average", "--seq", "129..256", "--threads=1")
    if many > one + 126 * 16 + 4096: # and huge pages of the arena that rows are in
        raise Failure(f"128 lengths take {many} KiB, two take {one} KiB")
    print(f"peak memory: {one} KiB of two lengths, {many} KiB of 128")


def main():
    _, rng = seed_and_generator()
    for case in range(CASES):
        model, arguments = MODELS[case % len(MODELS)]
        first, count = int(rng.integers(1, 90)), int(rng.integers(2, 7))
        lengths = list(range(first, first + count))
        threads = str(int(rng.integers(1, 6)))
        what = f"case {case}: {model} {' '.join(arguments)}, {first} to {lengths[-1]} tokens, {threads} threads"
        of_each([model, *arguments], lengths, threads, what)
        if case < 2:
            programs([model, *arguments], lengths, what)
    errors()
    memory()
    print(f"{CASES} ranges of lengths: each length as alone")


story(main)
