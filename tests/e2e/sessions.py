"""Between the marks `<!-- session -->` and `<!-- end -->` of a manual a line that begins with `    $ ` is a command, and the
indented lines behind it are what it prints. Each is run, in one shell for a manual. DTQ_UPDATE=1 rewrites what they print."""
import difflib
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.environ["ROOT"]
MANUALS = {"passes/SCHEDULE.md": 2, "codegen/report/REPORT.md": 1, "ir/IR.md": 20}  # how many commands there are at least
MARK = "\x01end of what command %d prints"


def commands_of(lines):
    """Of each command: its line, and where what it prints begins and ends."""
    found, inside = [], False
    for number, line in enumerate(lines):
        if line.startswith("<!-- "):
            inside = line.rstrip() == "<!-- session -->"
        elif inside and line.startswith("    $ "):
            end = number + 1
            while lines[end].startswith("    ") and not lines[end].startswith("    $ "):
                end += 1
            found.append((line[6:].rstrip("\n"), number + 1, end))
    return found


def run(commands):
    """What each command prints, all of them in one shell, in a directory of its own."""
    script = "".join(f"{command}\nprintf '\\1end of what command {i} prints\\n'\n" for i, command in enumerate(commands))
    environment = dict(os.environ, PATH=os.path.dirname(os.environ["DTQC"]) + ":" + os.environ["PATH"])
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["bash", "-c", script], cwd=directory, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
    rest, said = done.stdout, []
    for i in range(len(commands)):
        text, mark, rest = rest.partition(MARK % i + "\n")
        if not mark:
            sys.exit(f"{commands[i]}: it has not come to its end\n{done.stderr[-500:]}")
        said.append(text)
    return said


def dead_links():
    """Links of all manuals, as MANUAL: PATH, that lead to no file."""
    dead = []
    for top, directories, names in os.walk(ROOT):
        directories[:] = [d for d in directories if not d.startswith((".", "build"))]
        for name in (n for n in names if n.endswith(".md")):
            with open(os.path.join(top, name), encoding="utf-8") as file:
                links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", file.read())
            dead += [f"{os.path.relpath(os.path.join(top, name), ROOT)}: {link}" for link in links
                     if not link.startswith("http") and not os.path.exists(os.path.join(top, link))]
    return dead


def main():
    count = 0
    dead = dead_links()
    if dead:
        sys.exit("links to nothing:\n" + "\n".join(dead))
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        if len(file.readlines()) > 170:
            sys.exit("README.md is longer than 170 lines; what is of one room belongs into its manual")
    for manual, least in MANUALS.items():
        path = os.path.join(ROOT, manual)
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
        found = commands_of(lines)
        if len(found) < least:
            sys.exit(f"{manual}: {len(found)} commands between its marks, of {least} at least")
        said = run([command for command, _, _ in found])
        update = os.environ.get("DTQ_UPDATE") == "1"
        for (command, first, end), text in reversed(list(zip(found, said))):
            now = ["    " + line for line in text.splitlines(keepends=True)]
            if update:
                lines[first:end] = now
            elif lines[first:end] != now:
                sys.exit(f"{manual}:{first}: $ {command}\n" + "".join(difflib.unified_diff(lines[first:end], now, manual, "now")))
        if update:
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(lines)
        count += len(found)
    print(f"{count} commands in manuals print what is written there")


main()
