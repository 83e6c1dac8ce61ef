# tests/run by name: one command line, a name that is none, the list.
set -euo pipefail
: "${ROOT:?}" "${DTQC:?}"
if [[ "$(dirname "$(realpath "$DTQC")")" != "$ROOT/build" ]]; then
    echo "skipped: names are run with build/dtqc"
    exit 77
fi
said=$("$ROOT/tests/run" help)
[[ "$(tail -n 1 <<<"$said")" == "1 passed, 0 failed, 0 skipped" ]]
code=0
said=$("$ROOT/tests/run" names 2>&1) || code=$?
[[ $code -eq 2 ]]
grep -qx '  perhaps ir/test_names' <<<"$said"
said=$("$ROOT/tests/run" --list)
for name in 'ir/test_names' help by_name; do
    grep -qx "  $name" <<<"$said"
done
echo "tests are run by name"
