#!/usr/bin/env bash
# examples/paper/fig6 and fig7 on stories260K with few samples: what the search found gives the printed accuracy again, shares
# are whole, two steps keep that accuracy and one more step of either does not.
set -euo pipefail
if [[ ! -f ${DTQ_DATA:-}/models/stories260K/stories260K.bin ]]; then
    echo "skipped: stories260K.bin is not there (DTQ_DATA)"
    exit 77
fi
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export DTQC_CACHE=$TMP/cache
mkdir -p "$TMP/data/text"
ln -s "$DTQ_DATA/models" "$TMP/data/models"
head -c 12000 "$DTQ_DATA/text/tinystories_val_a.txt" >"$TMP/data/text/tinystories_val_a.txt"
for figure in fig6 fig7; do
    "$ROOT/examples/paper/$figure" "$TMP/data" --dtqc "$DTQC" --out "$TMP/out" --case stories260K --samples .1 --trials 6 \
        --within .3 >"$TMP/$figure.log"
done
DTQ_DATA=$TMP/data /usr/bin/python3 -B "$ROOT/tests/e2e/paper_search.py" "$TMP/out" "$ROOT/examples/paper"

# What is not there is left out by name, and nothing at all is an error.
if "$ROOT/examples/paper/fig6" "$TMP/none" --dtqc "$DTQC" --out "$TMP/none" --case stories >"$TMP/none.log" 2>&1; then exit 1; fi
grep -q 'left out: stories260K, TinyStories, as there is no .*stories260K.bin' "$TMP/none.log"
grep -q 'there is nothing to measure' "$TMP/none.log"
