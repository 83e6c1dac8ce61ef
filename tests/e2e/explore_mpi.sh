#!/usr/bin/env bash
# The same bytes of explore, sweep and eval from one process, from mpirun -n 1 and from several; and a search whose
# processes were killed goes on with another number of them. Needs mpirun and a build with MPI.
set -euo pipefail
if ! command -v mpirun >/dev/null || [[ ! -f $(dirname "$DTQC")/libdtq_mpi.so ]]; then
    echo "skipped: there is no mpirun, or dtqc was built without MPI (tests/setup mpi)"
    exit 77
fi
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export DTQC_CACHE=$TMP/cache OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
data=$ROOT/tests/cli/data
printf 'layers.1.ratios: {step: .1}\nvssa.rows: {from: 4, to: 18, step: 1}\n' >"$TMP/space.yaml"
oversubscribe=()
if mpirun --version | grep -q 'Open MPI'; then oversubscribe=(--oversubscribe); fi

# ranks N COMMAND...: with N processes, 0: without mpirun.
ranks() {
    if [[ $1 -gt 0 ]]; then
        mpirun "${oversubscribe[@]}" -n "$1" "${@:2}"
    else
        "${@:2}"
    fi
}
command=("$DTQC" explore "$data/tiny.yaml" --task similarity --data "$data/pairs.tsv" --space "$TMP/space.yaml"
    --trials 15 '--objective=loss,cycles' --batch 4)
search() { ranks "$1" "${command[@]}" -o "$TMP/$2" "${@:3}" >"$TMP/$2.out" 2>"$TMP/$2.err"; }
# A trial that failed is tried, and logged, once more by --resume.
log() { sed 's/"seconds": [0-9.]*//' "$TMP/$1/trials.jsonl" | awk '!seen[$0]++'; }
same() {
    local file
    for file in trials.csv front.csv explore.json explore.html policy.yaml target.yaml; do
        cmp "$TMP/0/$file" "$TMP/$1/$file"
    done
    cmp <(log 0) <(log "$1")
}

for n in 0 1 4; do
    search $n $n
    ranks $n "$DTQC" sweep minilm --seq 32 --space "$TMP/space.yaml" --set prune=keys --report=csv >"$TMP/sweep$n"
    ranks $n "$DTQC" eval "$data/tiny.yaml" --task similarity --data "$data/pairs.tsv" --compare=a3 --json >"$TMP/eval$n"
    same $n
    cmp "$TMP/sweep0" "$TMP/sweep$n"
    cmp "$TMP/eval0" "$TMP/eval$n"
done

# As if all processes had been killed: the log ends in the middle of a line.
mkdir "$TMP/torn"
head -c 3000 "$TMP/0/trials.jsonl" >"$TMP/torn/trials.jsonl"
search 3 torn --resume
same torn

# A job all of whose processes are killed goes on with another number of them. While one of them lives it is refused: two
# writers would spoil the log.
lines() { if [[ -f $TMP/killed/trials.jsonl ]]; then wc -l <"$TMP/killed/trials.jsonl"; else echo 0; fi; }
mpirun "${oversubscribe[@]}" -n 3 "${command[@]}" -o "$TMP/killed" >/dev/null 2>&1 &
job=$!
while [[ $(lines) -lt 4 ]] && kill -0 $job 2>/dev/null; do sleep 0.01; done
mapfile -t ranks < <(pgrep -f -- "-o $TMP/killed") # mpirun, what it starts ranks by, and these
kill -STOP "${ranks[@]}" 2>/dev/null || true
if kill -0 "${ranks[@]}" 2>/dev/null && [[ $(lines) -lt $(wc -l <"$TMP/0/trials.jsonl") ]]; then
    if "${command[@]}" -o "$TMP/killed" --resume >/dev/null 2>"$TMP/locked"; then exit 1; fi
    grep -q 'is being written by another process' "$TMP/locked"
fi
kill -KILL "${ranks[@]}" 2>/dev/null || true
wait $job 2>/dev/null || true
search 2 killed --resume
same killed

# One mpirun that is interrupted lets the running trial end, and the search goes on later.
(exec mpirun "${oversubscribe[@]}" -n 2 "${command[@]}" -o "$TMP/stopped") >/dev/null 2>"$TMP/stopped.err" &
job=$!
while [[ ! -f $TMP/stopped/trials.jsonl || $(wc -l <"$TMP/stopped/trials.jsonl") -lt 3 ]] && kill -0 $job 2>/dev/null; do
    sleep 0.01
done
kill -INT $job 2>/dev/null || true
wait $job || true
if [[ $(wc -l <"$TMP/stopped/trials.jsonl") -lt $(wc -l <"$TMP/0/trials.jsonl") ]]; then
    grep -q 'interrupted after [0-9]* of 15 trials; the same command with --resume goes on' "$TMP/stopped.err"
    [[ -f $TMP/stopped/trials.csv ]]
fi
search 2 stopped --resume
same stopped

# An error is told once.
if ranks 3 "$DTQC" sweep minilm --space "$TMP/none.yaml" 2>"$TMP/error"; then exit 1; fi
[[ $(grep -c 'none.yaml: error: cannot be read' "$TMP/error") -eq 1 ]]
