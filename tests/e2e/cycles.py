"""Random attention problems: the cycles that dtqc reports are those of a wavefront stepped PE by PE."""
import math
import time

import wavefront
from problems import (DRAINS, Failure, random_bits, report, seed_and_generator, story, write_attention, write_policy,
                      write_target)

CASES, SECONDS = 400, 20


def differences(mine, theirs):
    for matmul, figures in mine.items():
        for name, value in figures.items():
            if not math.isclose(value, theirs[matmul][name], rel_tol=1e-9, abs_tol=1e-12):
                yield f"{matmul}.{name}: {theirs[matmul][name]} reported, {value} by the wavefront"


def one(rng, case):
    tokens = int(rng.integers(1, 41))
    heads = int(rng.integers(1, 4))
    head_dim = int(rng.integers(1, 41))
    small = rng.random() < 0.6
    rows, cols = (int(x) for x in rng.integers(1, 8 if small else 25, size=2))
    bits = random_bits(rng, tokens)
    drain, prob_bits = DRAINS[case % 3], ("row", "8", "4")[int(rng.integers(3))]
    clustered = bool(rng.integers(2))
    prune = ("rows", "keys")[int(rng.random() < 0.3)]
    model = write_attention(tokens, heads, head_dim, causal=rng.random() < 0.3)
    arguments = ["analyze", model, "--target", write_target(rows, cols, drain, prob_bits), "--policy",
                 write_policy(bits, prune)]
    layer = report(*arguments, "-O0", *([] if clustered else ["--no-cluster"]))["layers"][0]
    mine = wavefront.attention(bits, heads, head_dim, rows, cols, drain, prob_bits, clustered, prune)
    what = (f"case {case}: {tokens} tokens, {heads} heads of {head_dim}, {rows}x{cols}, {drain}, prob_bits "
            f"{prob_bits}, prune {prune}, {'clustered' if clustered else 'unclustered'}, bits {bits.tolist()}")
    wrong = list(differences(mine, layer))
    if wrong:
        raise Failure(f"{what}\n  " + "\n  ".join(wrong))
    clustering_pays(arguments, what)


def clustering_pays(arguments, what):
    """With all optimisations both matmuls on one array together are never longer clustered; nothing beats its bound."""
    clustered, unclustered = (report(*arguments, *more) for more in ([], ["--no-cluster"]))
    both = [sum(one["layers"][0][matmul]["cycles"] for matmul in ("qk", "pv")) for one in (clustered, unclustered)]
    if both[0] > both[1]:
        raise Failure(f"{what}\n  {both[0]} cycles clustered, {both[1]} not")
    for matmul in ("qk", "pv"):
        a, b = (one["layers"][0][matmul] for one in (clustered, unclustered))
        if min(a["cycles"], b["cycles"]) < a["bound_cycles"] * (1 - 1e-12):
            raise Failure(f"{what}\n  {matmul}: fewer cycles than the bound, {a['bound_cycles']}")
    for one in (clustered["total"], unclustered["total"]):
        if not one["cycles"] >= one["tile_bound_cycles"] >= one["bound_cycles"]:
            raise Failure(f"{what}\n  total: {one['cycles']} cycles, at least {one['tile_bound_cycles']} in whole tiles, "
                          f"bound {one['bound_cycles']}")


def main():
    _, rng = seed_and_generator()
    begin, done = time.monotonic(), 0
    while done < CASES and (time.monotonic() - begin < SECONDS or done < 150):
        one(rng, done)
        done += 1
    print(f"{done} problems: all cycles as by the wavefront")


story(main)
