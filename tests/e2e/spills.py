"""Finds vector registers that are spilled inside inner loops of generated kernels.

usage: spills.py FILE.s PATTERN...: looks at functions whose names match one of the patterns, in loops that multiply and
have no loop inside; a loop is a label up to a jump back to it. Exit 1 names each instruction found; 2 if there was no
loop."""
import re
import sys
from fnmatch import fnmatchcase

VECTOR = re.compile(r"%[xyz]mm\d")
BYTES, FLOATS = re.compile(r"pdpbusd|pmaddwd"), re.compile(r"mulps")
JUMP = re.compile(r"\s+j\w+\s+(\.L\w+)")


def functions(lines):
    name, body = None, []
    for line in lines:
        label = re.match(r"([A-Za-z_][\w.]*):", line)
        if label:
            name, body = label.group(1), []
        elif line.startswith(".Lfunc_end") and name:
            yield name, body
            name = None
        elif name:
            body.append(line.split("#")[0].rstrip())


def inner_loops(body):
    """Ranges [first, last) of lines that a backward jump closes and that hold no smaller such range."""
    at, loops = {}, []
    for i, line in enumerate(body):
        label = re.match(r"(\.L\w+):", line)
        if label:
            at[label.group(1)] = i
        jump = JUMP.match(line)
        if jump and jump.group(1) in at:
            loops.append((at[jump.group(1)], i + 1))
    return [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]


def main():
    lines = open(sys.argv[1]).read().split("\n")
    patterns, found, loops = sys.argv[2:], 0, 0
    for name, body in functions(lines):
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        product = FLOATS if name.startswith("gemm_float") else BYTES
        # %rbp is a register like others unless the function keeps its frame there
        framed = any(re.match(r"\s+movq\s+%rsp, %rbp", line) for line in body)
        stack = re.compile(r"\(%r[sb]p\b" if framed else r"\(%rsp\b")
        for first, last in inner_loops(body):
            if not any(product.search(line) for line in body[first:last]):
                continue
            loops += 1
            for line in body[first:last]:
                if stack.search(line) and VECTOR.search(line):
                    found += 1
                    print(f"{name}: {line.strip()}")
    print(f"{loops} inner loops, {found} spills")
    return 2 if loops == 0 else 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
