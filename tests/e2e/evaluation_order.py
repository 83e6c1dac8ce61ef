"""Code that is generated does not depend on the compiler that built dtqc. C leaves the order in which a function's arguments
are evaluated to the compiler, so no argument list of codegen/llvm holds two calls that write into the module or the text
being made."""
import glob
import os
import re
import subprocess
import sys

ROOT = os.environ["ROOT"]
CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
NO_CALLS = {"if", "for", "while", "switch", "return", "sizeof", "__attribute__", "_Alignof", "__builtin_offsetof"}
# What LLVM's API changes a module with, and C's library a file.
WRITES = re.compile(r"LLVM(Build|Add|Append|Position|Insert|GetIntrinsicDeclaration)|fprintf|fputs|fputc|fwrite")


def preprocessed(path):
    """The file's own text with macros expanded, and for each of its characters a line number."""
    command = ["cc", "-E", "-D_GNU_SOURCE", "-I", ROOT, "-isystem", "/usr/lib/llvm-19/include", path]
    text, lines, line, own = [], [], 0, False
    for row in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        marker = re.match(r'# (\d+) "([^"]*)"', row)
        if marker:
            line, own = int(marker[1]), marker[2].startswith(ROOT)
            continue
        if own:
            row = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'', '""', row) + "\n"
            text.append(row)
            lines += [line] * len(row)
        line += 1
    return "".join(text), lines


def closing(text, start):
    """Where the parenthesis or brace at `start` is closed."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth == 0:
            return at
    return len(text)


def arguments(text):
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def calls(text):
    return [m for m in CALL.finditer(text) if m[1] not in NO_CALLS]


def bodies_of(text):
    """Name and body of each function that is defined."""
    for m in re.finditer(r"(?m)^[A-Za-z_][\w *]*?\b(\w+)\(", text):
        end = closing(text, m.end() - 1)
        brace = re.compile(r"\s*\{").match(text, end + 1)
        if brace:
            yield m[1], text[brace.end() - 1:closing(text, brace.end() - 1)]


def writers_of(texts):
    """Functions that write, directly or by another; a call of what is no function's name, such as of a pointer, does."""
    bodies = {}
    for text in texts:
        for name, body in bodies_of(text):
            bodies[name] = bodies.get(name, "") + body
    pointer = re.compile(r"(\.|->|\])\s*(\w+\s*)?\(\s*&?(e|p)\b|\b(of|body|write|combine)\s*\(\s*e\b")
    writers = {name for name, body in bodies.items() if pointer.search(body)}
    before = -1
    while before != len(writers):
        before = len(writers)
        writers |= {name for name, body in bodies.items()
                    if any(WRITES.match(c[1]) or c[1] in writers for c in calls(body))}
    return writers


def faults(text, lines, writers):
    for m in calls(text):
        end = closing(text, m.end() - 1)
        writing = [" ".join(part.split()) for part in arguments(text[m.end():end])
                   if any(WRITES.match(c[1]) or c[1] in writers for c in calls(part))]
        if len(writing) > 1:
            yield lines[m.start()], m[1], writing


def main():
    given = sys.argv[1:] or sorted(glob.glob(os.path.join(ROOT, "codegen/llvm/*.c")) + glob.glob(os.path.join(ROOT, "codegen/c/*.c")))
    sources = {path: preprocessed(path) for path in given}
    writers = writers_of(text for text, _ in sources.values())
    found = 0
    for path, (text, lines) in sources.items():
        for line, name, parts in faults(text, lines, writers):
            found += 1
            print(f"{os.path.relpath(path, ROOT)}:{line}: arguments of {name} are evaluated in any order, and "
                  f"{len(parts)} of them write: {'; '.join(parts)}")
    print(f"{len(sources)} files, {len(writers)} functions that write, {found} argument lists with two of them")
    sys.exit(1 if found or len(writers) < 100 else 0)


main()
