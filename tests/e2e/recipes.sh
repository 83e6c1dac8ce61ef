#!/usr/bin/env bash
# The recipes of ir/IR.md: the files that it lists for an op of the host are those that name it; a pass is a row and a file.
set -euo pipefail
cd "$ROOT"
trap 'rm -f "$listed" "$found"' EXIT
listed=$(mktemp) found=$(mktemp)

# shellcheck disable=SC2016
sed -n '/^<!-- affine -->$/,/^<!-- end -->$/s/^| `\([^`]*\)` .*/\1/p' ir/IR.md | sort >"$listed"
grep -rliE 'affine' --include='*.[ch]' --include='*.def' runtime ir passes codegen frontend | sort >"$found"
diff -u "$listed" "$found" || { echo "ir/IR.md does not list the files that name the op affine"; exit 1; }
files=$(wc -l <"$listed")
[[ $files -le 12 ]] || { echo "an op of the host touches $files files, more than 12"; exit 1; }

passes=0
while read -r function; do
    mapfile -t in < <(grep -rlw "pass_$function" --include='*.c' passes)
    [[ ${#in[@]} -eq 1 ]] || { echo "pass_$function is in ${in[*]:-no file}, not in one"; exit 1; }
    passes=$((passes + 1))
done < <(sed -n 's/^PASS(\([a-z_]*\),.*/\1/p' passes/passes.def)
[[ $passes -ge 15 ]] || { echo "only $passes passes in passes.def"; exit 1; }
echo "an op of the host is in $files files, a pass in 2 ($passes passes)"
