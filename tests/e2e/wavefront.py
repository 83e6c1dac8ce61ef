"""Cycles of Q.K^T and P.V on one array, PE by PE and step by step, written from the description of the machine alone.

An output-stationary array of R x C processing elements; PE(r,c) works on reduction index k at step k + r + c of its
tile. A MAC of a-bit and b-bit operands costs (a/4)(b/4) cycles, all PEs move in lockstep, so that a step lasts as long
as the costliest PE active in it, and one cycle if none is. Tiles are row-major; those at the edges use fewer PEs.
"""
import numpy as np


def tiles_of(costs, rows, cols):
    """costs [m][n][K] of a whole product -> the costs [R'][C'][K] of its tiles."""
    for top in range(0, costs.shape[0], rows):
        for left in range(0, costs.shape[1], cols):
            yield costs[top : top + rows, left : left + cols]


def run(tiles, entries):
    """Duration of all steps together: tile number m has its first operand in PE(0,0) at step entries[m]."""
    end = max(at + t.shape[2] + t.shape[0] + t.shape[1] - 2 for t, at in zip(tiles, entries))
    duration = np.ones(end, np.int64)
    for tile, entry in zip(tiles, entries):
        height, width, depth = tile.shape
        for r in range(height):
            for c in range(width):
                steps = slice(entry + r + c, entry + r + c + depth)
                duration[steps] = np.maximum(duration[steps], tile[r, c])
    return int(duration.sum())


def cycles_of(tiles, drain):
    if drain == "ideal":
        return sum(int(tile.max(axis=(0, 1)).sum()) for tile in tiles)
    if drain == "serial":
        return sum(run([tile], [0]) for tile in tiles)
    entries, at = [], 0
    for tile in tiles:
        entries.append(at)
        at += max(tile.shape[2], tile.shape[0])
    return run(tiles, entries)


def product(costs, rows, cols, drain, heads):
    """The figures of one matmul of a layer, over all heads. costs [m][n][K], the same in each head."""
    tiles = list(tiles_of(costs, rows, cols))
    ratios, step_cycles = [], 0.0
    for tile in tiles:
        slowest = tile.max(axis=(0, 1))
        pes = tile.shape[0] * tile.shape[1]
        ratios.append((pes * int(slowest.sum()) - int(tile.sum())) / (pes * int(slowest.sum())))
        step_cycles += slowest.mean()
    return {
        "iterations": heads * len(tiles),
        "stalled_iterations": heads * sum(ratio > 0 for ratio in ratios),
        "stall_ratio_mean": sum(ratios) / len(ratios),
        "step_cycles": heads * step_cycles,
        "cycles": heads * cycles_of(tiles, drain),
        "bound_cycles": heads * int(costs.sum()) / (rows * cols),
    }


def attention(bits, heads, head_dim, rows, cols, drain="ideal", prob_bits="row", clustered=True, prune="rows"):
    """bits: one of 0, 4, 8 for each token; with prune "keys" those of 0 are 4-bit queries in front. Returns {"qk": ..., "pv": ...} as in the JSON report."""
    active = [int(b) for b in bits if b]
    if clustered:
        active = [b for b in active if b == 4] + [b for b in active if b == 8]
    k = np.array(active) // 4
    q = np.concatenate([np.ones(len(bits) - len(k) if prune == "keys" else 0, k.dtype), k])
    p = q if prob_bits == "row" else np.full_like(q, int(prob_bits) // 4)
    n, keys = len(q), len(k)
    scores = np.broadcast_to((q[:, None] * k[None, :])[:, :, None], (n, keys, head_dim))
    outputs = np.broadcast_to((p[:, None] * k[None, :])[:, None, :], (n, head_dim, keys))
    return {"qk": product(scores, rows, cols, drain, heads), "pv": product(outputs, rows, cols, drain, heads)}
