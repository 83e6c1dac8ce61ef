#!/usr/bin/env bash
# A search that is killed, torn in the middle of a line, or interrupted goes on with --resume to the same bytes; and the
# number of threads changes none.
set -euo pipefail
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export DTQC_CACHE=$TMP/cache
data=$ROOT/tests/cli/data
printf 'layers.1.ratios: {step: .1}\nvssa.rows: {from: 4, to: 18, step: 1}\n' >"$TMP/space.yaml"

# search DIRECTORY OPTION...: the same one each time. $run may be exec, for a process to send signals to.
run=""
search() {
    $run "$DTQC" explore "$data/tiny.yaml" --task similarity --data "$data/pairs.tsv" --space "$TMP/space.yaml" --trials 24 \
        --method=evolution --objective=loss,cycles --batch 3 -o "$TMP/$1" "${@:2}"
}
lines() { if [[ -f $TMP/$1/trials.jsonl ]]; then wc -l <"$TMP/$1/trials.jsonl"; else echo 0; fi; }
# A trial that failed is tried, and logged, once more by --resume.
log() { sed 's/"seconds": [0-9.]*//' "$TMP/$1/trials.jsonl" | awk '!seen[$0]++'; }
# same DIRECTORY: are its results those of the first search?
same() {
    local file
    for file in trials.csv front.csv explore.json policy.yaml target.yaml; do
        cmp "$TMP/whole/$file" "$TMP/$1/$file"
    done
    cmp <(log whole) <(log "$1")
}
# begun DIRECTORY: a search in the background, once its log has a few trials; $job is its process.
begun() {
    (run="exec" && search "$1") >"$TMP/$1.out" 2>&1 &
    job=$!
    while [[ $(lines "$1") -lt 5 ]] && kill -0 $job 2>/dev/null; do sleep 0.01; done
}

search whole >/dev/null
search one --threads 1 >/dev/null
same one

begun killed
kill -KILL $job 2>/dev/null || true
wait $job || true
head -c -20 "$TMP/killed/trials.jsonl" >"$TMP/torn" # the last line is half written
cp "$TMP/torn" "$TMP/killed/trials.jsonl"
search killed --resume >/dev/null
same killed

# Stopped by either signal, the search writes what it has and says how to go on.
for signal in INT TERM; do
    begun $signal
    code=0
    kill -$signal $job 2>/dev/null || true
    wait $job || code=$?
    if [[ $(lines $signal) -lt $(lines whole) ]]; then
        [[ $code -eq 1 ]]
        grep -q 'interrupted after [0-9]* of 24 trials; the same command with --resume goes on' "$TMP/$signal.out"
        [[ -f $TMP/$signal/trials.csv ]]
    fi
    search $signal --resume >/dev/null
    same $signal
done
