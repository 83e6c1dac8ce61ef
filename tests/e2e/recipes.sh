#!/usr/bin/env bash
# The recipes of .github/CONTRIBUTING.md and ir/IR.md: the files that they list for an op of the host, a compared system and
# a model family are those that name it; a pass is a row and a file, and so is a sub-command; all files that they name exist.
set -euo pipefail
cd "$ROOT"
trap 'rm -f "$listed" "$found"' EXIT
listed=$(mktemp) found=$(mktemp)
recipes=.github/CONTRIBUTING.md

# lists PAGE NAME MOST PATTERN: the table of NAME in PAGE has the source files that match PATTERN, MOST at most.
lists() {
    # shellcheck disable=SC2016
    sed -n '/^<!-- '"$2"' -->$/,/^<!-- end -->$/s/^| `\([^`]*\.\(c\|h\|def\)\)` .*/\1/p' "$1" | sort >"$listed"
    grep -rliE "$4" --include='*.[ch]' --include='*.def' runtime ir passes codegen frontend | sort >"$found"
    diff -u "$listed" "$found" || { echo "$1 does not list the files that name $2"; exit 1; }
    files=$(wc -l <"$listed")
    [[ $files -le $3 && $files -gt 0 ]] || { echo "$2 touches $files files, more than $3"; exit 1; }
}
lists ir/IR.md affine 12 affine
ops=$files
lists "$recipes" mnnfast 11 mnnfast
systems=$files
lists "$recipes" distilbert 8 '(family|models)_distilbert|config, distilbert,|roberta, distilbert\)'

named=0
# shellcheck disable=SC2016
while read -r path; do
    [[ -e "$path" ]] || { echo "$recipes names $path, which is not there"; exit 1; }
    named=$((named + 1))
done < <(grep -oE '`[a-z0-9_./-]+/[a-z0-9_./-]+`' "$recipes" | tr -d '`' | sort -u)
[[ $named -ge 30 ]] || { echo "only $named files are named in $recipes"; exit 1; }

while read -r command; do
    mapfile -t in < <(grep -rl "^bool command_$command(session" --include='*.c' frontend)
    [[ ${#in[@]} -eq 1 ]] || { echo "command_$command is in ${in[*]:-no file}, not in one"; exit 1; }
done < <(sed -n 's/^COMMAND(\([a-z_]*\),.*/\1/p' frontend/cli/options.def)

passes=0
while read -r function; do
    mapfile -t in < <(grep -rlw "pass_$function" --include='*.c' passes)
    [[ ${#in[@]} -eq 1 ]] || { echo "pass_$function is in ${in[*]:-no file}, not in one"; exit 1; }
    passes=$((passes + 1))
done < <(sed -n 's/^PASS(\([a-z_]*\),.*/\1/p' passes/passes.def)
[[ $passes -ge 15 ]] || { echo "only $passes passes in passes.def"; exit 1; }
echo "an op of the host is in $ops files, a compared system in $systems, a model family in $files, a pass in 2 ($passes passes)"
