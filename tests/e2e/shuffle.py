"""The order in which the simulator visits ready queues changes neither a bit nor a cycle, and static cycles are the
simulated ones."""
import json

import numpy as np

from problems import (DRAINS, Failure, must, random_bits, report, scratch, seed_and_generator, story, write_attention,
                      write_policy, write_safetensors, write_target)

PROBLEMS, SHUFFLES, CHECKS = 6, 20, 60


def random_problem(rng, case):
    tokens, heads, head_dim = int(rng.integers(8, 60)), int(rng.integers(1, 5)), int(rng.integers(4, 33))
    rows, cols, arrays = (int(x) for x in rng.integers(1, 9, size=3))
    causal = bool(case % 2)
    buffers = {"scores": 8 * rows * tokens + 512, "probs": 4 * rows * (tokens + 16)} if case % 3 == 0 else None
    model = write_attention(tokens, heads, head_dim, causal)
    target = write_target(rows, cols, DRAINS[case % 3], "row", arrays, buffers)
    arguments = [model, "--target", target, "--policy", write_policy(random_bits(rng, tokens))]
    return arguments, (heads, tokens, head_dim)


def contents(name):
    with open(scratch(name), "rb") as file:
        return file.read()


def shuffles(rng, case):
    arguments, shape = random_problem(rng, case)
    write_safetensors(scratch("qkv.safetensors"),
                      {name: rng.standard_normal(shape).astype(np.float32) for name in "qkv"})
    options = [] if case % 4 else ["--no-cluster"]
    static = report("analyze", *arguments, *options)["total"]["cycles"]
    run = ["run", *arguments, *options, "--input", scratch("qkv.safetensors")]
    must(*run, "--engine=ref", "--output", scratch("ref.safetensors"))
    for seed in [None, *range(SHUFFLES)]:
        order = [f"--shuffle={seed}"] if seed is not None else []
        told = json.loads(must(*run, *order, "--report=json", "--output", scratch("sim.safetensors")))
        if not told["measured"] or told["total"]["cycles"] != static:
            raise Failure(f"case {case}, {order}: {told['total']['cycles']} cycles, {static} without data")
        if contents("sim.safetensors") != contents("ref.safetensors"):
            raise Failure(f"case {case}, {order}: the simulator's output is not the reference's")


def main():
    _, rng = seed_and_generator()
    for case in range(PROBLEMS):
        shuffles(rng, case)
    for case in range(CHECKS):
        arguments, _ = random_problem(rng, case)
        must("analyze", *arguments, "--check", *([], ["-O0"], ["--no-cluster"])[int(rng.integers(3))])
    print(f"{PROBLEMS} problems in {SHUFFLES} orders, {CHECKS} with static cycles equal to simulated ones")


story(main)
