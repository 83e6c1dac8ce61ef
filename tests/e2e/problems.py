"""What the stories share: random attention problems as the files that dtqc reads, and running dtqc."""
import json
import os
import subprocess
import sys

import numpy as np

from oracle import read_safetensors, write_safetensors  # noqa: F401 (the stories import them from here)

DTQC = os.environ["DTQC"]
ROOT = os.environ["ROOT"]
SCRATCH = os.environ["TMP"]
DRAINS = ("ideal", "serial", "overlapped")


def scratch(name):
    return os.path.join(SCRATCH, name)


def write(name, text):
    """Writes a text file into the scratch directory and returns its path."""
    path = scratch(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def write_attention(tokens, heads, head_dim, causal=False, kv_heads=None, importance=None):
    more = f", kv_heads: {kv_heads}" if kv_heads else ""
    more += f", importance: {importance}" if importance else ""
    return write("model.yaml", f"attention: {{tokens: {tokens}, heads: {heads}, head_dim: {head_dim}, "
                               f"causal: {str(bool(causal)).lower()}{more}}}\n")


def write_target(rows, cols, drain="ideal", prob_bits="row", arrays=1, buffers=None):
    text = f"kind: vssa\nvssa: {{arrays: {arrays}, rows: {rows}, cols: {cols}}}\n"
    text += f"drain: {drain}\nprob_bits: {prob_bits}\n"
    if buffers:
        text += "buffers: {" + ", ".join(f"{name}: {size}" for name, size in buffers.items()) + "}\n"
    return write("target.yaml", text)


def write_policy(bits, prune="rows"):
    return write("policy.yaml", f"prune: {prune}\nlayers:\n  - token_bits: [{', '.join(str(b) for b in bits)}]\n")


def dtqc(*arguments, timeout=300):
    return subprocess.run([DTQC, *arguments], capture_output=True, timeout=timeout, check=False)


def must(*arguments, timeout=300):
    """Standard output of a dtqc command that has to succeed."""
    done = dtqc(*arguments, timeout=timeout)
    if done.returncode != 0:
        raise Failure(f"dtqc {' '.join(arguments)}\nexit code {done.returncode}: "
                      f"{done.stderr.decode(errors='replace').strip()[:2000]}")
    return done.stdout


def report(*arguments):
    return json.loads(must(*arguments, "--report=json"))


class Failure(Exception):
    """What a story found wrong."""


def random_bits(rng, tokens):
    """One precision a token: mixed, all alike, or with few of a kind; some token takes part."""
    kind = rng.integers(6)
    if kind == 0:
        bits = np.full(tokens, rng.choice((4, 8)))
    else:
        shares = ((0.3, 0.4, 0.3), (0, 0.5, 0.5), (0.05, 0.9, 0.05), (0.1, 0.1, 0.8), (0.6, 0.2, 0.2))[kind - 1]
        bits = rng.choice((0, 4, 8), size=tokens, p=shares)
    if not bits.any():
        bits[rng.integers(tokens)] = rng.choice((4, 8))
    return bits


def seed_and_generator():
    """A new seed every day unless $SEED names one: printed, so that a failure can be repeated."""
    seed = int(os.environ.get("SEED", "0")) or int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed} (SEED={seed} repeats it)")
    return seed, np.random.default_rng(seed)


def story(main):
    """Runs a story: exit 1 and what failed on a Failure."""
    try:
        main()
    except Failure as failure:
        print(f"failed: {failure}")
        sys.exit(1)
