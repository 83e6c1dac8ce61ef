"""Random encoders and decoders on random tokens: every layer's counts and precisions follow from the policy and from
the importance that the layer before reports, and the engines agree."""
import numpy as np

from problems import (Failure, must, read_safetensors, scratch, seed_and_generator, story, write, write_safetensors,
                      write_target)

CASES = 60


def counts(ratios, tokens):
    """Tokens at 0, 4, 8 bits: what is dropped and what is high round half to even, of the original length."""
    kept = tokens - int(np.rint(ratios[0] * tokens))
    high = min(kept, int(np.rint(ratios[2] * tokens)))
    return kept, high


def choose(importance, alive, kept, high, pinned):
    """Precisions of the next layer: pinned first, then the most important, then the earliest."""
    ranked = sorted(np.flatnonzero(alive), key=lambda i: (i not in pinned, -int(importance[i]), i))
    bits = np.zeros(len(alive), np.uint8)
    bits[ranked[:high]] = 8
    bits[ranked[high:kept]] = 4
    return bits


def random_ratios(rng, layers):
    """Shares in thousandths; what is dropped never gets less."""
    dropped = np.sort(rng.integers(0, 700, size=layers)) / 1000
    high = [float(rng.integers(0, 1001 - round(1000 * d))) / 1000 for d in dropped]
    return [(float(d), round(1 - d - h, 3), h) for d, h in zip(dropped, high)]


def one(rng, case):
    layers, heads, head_dim = int(rng.integers(2, 5)), int(rng.integers(1, 4)), 4 * int(rng.integers(1, 5))
    tokens, causal = int(rng.integers(2, 70)), bool(rng.integers(2))
    if case == 0:
        tokens = 100
    ratios = random_ratios(rng, layers)
    kept_at_end = counts(ratios[-1], tokens)[0]
    pinned = sorted({int(i) for i in rng.integers(tokens, size=rng.integers(3))})[:kept_at_end]
    if case % 2:
        ratios = [ratios[0]] * layers
    prune = ("rows", "rows", "keys")[case % 3]
    probe = prune == "keys" and not causal
    what = f"case {case}: {layers} layers, {tokens} tokens, ratios {ratios}, pinned {pinned}, prune {prune}"
    rule = ("late" if case % 2 else "probe") if probe else "previous"
    policy = write("policy.yaml", f"prune: {prune}\nimportance: {rule}\nlayers:\n" + "".join(
        f"  - {{ratios: {{0: {a}, 4: {b}, 8: {c}}}, pinned: {pinned}}}\n" for a, b, c in ratios))
    model = write("model.yaml", f"transformer: {{layers: {layers}, hidden: {heads * head_dim}, heads: {heads}, "
                  f"vocabulary: 50, positions: 128, causal: {str(causal).lower()}, "
                  f"norm: {'pre' if causal else 'post'}}}\n"
                  f"weights: {{seed: {int(rng.integers(1000))}}}\n")
    write_safetensors(scratch("ids.safetensors"), {"tokens": rng.integers(50, size=tokens)})
    arguments = ["run", model, "--target", write_target(4, 3, "overlapped", arrays=2), "--policy", policy, "--input",
                 scratch("ids.safetensors"), "--output", scratch("out.safetensors")]
    results = []
    other_order = ["--no-cluster"] if prune == "rows" else ["--engine=host", "-O0"] # keys are pruned in clusters only
    for options in (["--check"], ["--engine=ref", "-O0"], other_order, ["-O0"]):
        must(*arguments, *options)
        results.append(read_safetensors(scratch("out.safetensors")))
    for other, name in ((results[2], other_order[0]), (results[3], "the simulator")):
        for tensor in ("output", "importance", "bits"):
            if other[tensor].tobytes() != results[1][tensor].tobytes():
                raise Failure(f"{what}: {name} and the reference differ in {tensor} without promotions")
    for result in results:
        bits, importance = result["bits"], result["importance"]
        if probe:
            for layer in range(layers):
                kept, high = counts(ratios[layer], tokens)
                wanted = choose(importance[layer], np.ones(tokens), kept, min(high, kept), pinned)
                if (wanted != bits[layer]).any() or (importance[layer].any() == (kept == tokens and high in (0, kept))):
                    raise Failure(f"{what}: layer {layer} has bits {bits[layer].tolist()}, expected {wanted.tolist()} by "
                                  f"its own rule {rule}, {importance[layer].tolist()}")
            continue
        if not (bits[0] == 8).all():
            raise Failure(f"{what}: layer 0 has no importance yet, but bits {bits[0].tolist()}")
        for layer in range(1, layers):
            kept, high = counts(ratios[layer], tokens)
            kept = min(kept, np.count_nonzero(bits[layer - 1]))
            wanted = choose(importance[layer - 1], bits[layer - 1] > 0, kept, min(high, kept), pinned)
            if (wanted != bits[layer]).any():
                raise Failure(f"{what}: layer {layer} has bits {bits[layer].tolist()}, expected {wanted.tolist()} by "
                              f"importance {importance[layer - 1].tolist()}")


def zero_checkpoint(layers, width, ffn, vocabulary, positions):
    """A BERT whose weights are all zero: all tokens are equally important."""
    shapes = {"word_embeddings": (vocabulary, width), "position_embeddings": (positions, width)}
    tensors = {f"embeddings.{name}.weight": shape for name, shape in shapes.items()}
    matrices = {"attention.self.query": (width, width), "attention.self.key": (width, width),
                "attention.self.value": (width, width), "attention.output.dense": (width, width),
                "intermediate.dense": (ffn, width), "output.dense": (width, ffn)}
    norms = ["embeddings.LayerNorm"]
    for layer in range(layers):
        at = f"encoder.layer.{layer}."
        for name, shape in matrices.items():
            tensors[f"{at}{name}.weight"], tensors[f"{at}{name}.bias"] = shape, shape[:1]
        norms += [at + "attention.output.LayerNorm", at + "output.LayerNorm"]
    for name in norms:
        tensors[name + ".weight"] = tensors[name + ".bias"] = (width,)
    write_safetensors(scratch("zero.safetensors"), {n: np.zeros(shape, np.float32) for n, shape in tensors.items()})


def ties():
    """Among equally important tokens the first stay and get more bits."""
    zero_checkpoint(3, 8, 16, 5, 32)
    model = write("model.yaml", "transformer: {layers: 3, hidden: 8, heads: 2, ffn: 16, vocabulary: 5, positions: 32}\n"
                  "weights: {safetensors: zero.safetensors}\n")
    policy = write("policy.yaml", "layers:\n  - {ratios: {8: 1}}\n  - {counts: {0: 5, 4: 8, 8: 7}, pinned: [18]}\n"
                   "  - {counts: {0: 11, 4: 6, 8: 3}, pinned: [18]}\n")
    write_safetensors(scratch("ids.safetensors"), {"tokens": np.arange(20) % 5})
    for engine in ("sim", "ref"):
        must("run", model, "--policy", policy, "--input", scratch("ids.safetensors"), "--output",
             scratch("out.safetensors"), f"--engine={engine}")
        bits = read_safetensors(scratch("out.safetensors"))["bits"]
        wanted = [[8] * 20, [8] * 6 + [4] * 8 + [0] * 4 + [8, 0], [8] * 2 + [4] * 6 + [0] * 10 + [8, 0]]
        if bits.tolist() != wanted:
            raise Failure(f"{engine}: of equally important tokens {bits.tolist()}, expected {wanted}")


def main():
    _, rng = seed_and_generator()
    ties()
    for case in range(CASES):
        one(rng, case)
    print(f"{CASES} models: every selection as by the policy and the importance before it")


story(main)
