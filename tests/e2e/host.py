"""Generated host code against the other engines, bit for bit: {ref, sim, host in this process, object, C by gcc, by clang,
on aarch64} x {models, policies, lengths, causal or not, threads, levels of processors, floating-point modes of the caller}.
Every output, importance score and precision must be the same number."""
import functools
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from problems import DTQC, ROOT, Failure, must, read_safetensors, scratch, seed_and_generator, story, write, \
    write_safetensors

BUILD = os.path.dirname(DTQC)
C_FLAGS = ["-std=c11", "-I", ROOT]
AARCH64 = "aarch64-linux-gnu-gcc"
LEVELS = (2, 3, 4, 5)  # dtq_host_options.levels: up to x86-64-v2, v3, v4, v4 with VNNI
DEFAULT, FLUSHES, UPWARD, DOWNWARD, TOWARDS_ZERO, TRAPS = MODES = range(6)  # caller_mode


class Case:
    """A model, what its tokens run at, and lengths to run."""

    def __init__(self, name, model, policy, lengths, options=(), fixed=False):
        self.name, self.model, self.policy, self.lengths = name, model, policy, lengths
        self.options, self.fixed = list(options), fixed


def encoder(**changed):
    keys = dict(layers=2, hidden=48, heads=3, ffn=80, activation="gelu", norm="post", norm_epsilon="1e-12", positions=96,
                vocabulary=200, types=2, pooling="mean", normalize="true", causal="false")
    keys.update(changed)
    body = "".join(f"  {key}: {value}\n" for key, value in keys.items())
    return f"name: tiny\ntokens: 40\ntransformer:\n{body}weights: {{seed: {len(body)}}}\n"


def attention(tokens, heads, head_dim, causal, kv_heads=None, rule="mean"):
    more = f", kv_heads: {kv_heads}" if kv_heads else ""
    return (f"attention: {{tokens: {tokens}, heads: {heads}, head_dim: {head_dim}, causal: {str(causal).lower()}, "
            f"importance: {rule}{more}}}\n")


def llama(**changed):
    return encoder(**dict(dict(layers=3, norm="pre", norm_kind="rms", norm_epsilon="1e-5", causal="true", pooling="none",
                               normalize="false", types=0, position_kind="rotary", gated="true", activation="silu",
                               qkv_bias="false", linear_bias="false", head="tied"), **changed))


def subnormal(rng):
    """An encoder whose embeddings are subnormal numbers, all of which its first norm makes normal ones."""
    hidden, ffn = 32, 48
    tensors = {"embeddings.word": rng.standard_normal((200, hidden)) * 1e-39, "final.norm.weight": np.full(hidden, 1.0)}
    for layer in range(2):
        for name, shape in (("query", (hidden, hidden)), ("key", (hidden, hidden)), ("value", (hidden, hidden)),
                            ("attention.output", (hidden, hidden)), ("ffn.up", (ffn, hidden)), ("ffn.down", (hidden, ffn))):
            tensors[f"layer.{layer}.{name}.weight"] = rng.standard_normal(shape) * 0.2
        tensors[f"layer.{layer}.attention.norm.weight"] = np.full(hidden, 1e24 if layer == 0 else 1.0)
        tensors[f"layer.{layer}.ffn.norm.weight"] = np.full(hidden, 1.0)
    write_safetensors(scratch("subnormal.safetensors"), {name: x.astype(np.float32) for name, x in tensors.items()})
    text = encoder(hidden=hidden, heads=2, ffn=ffn, norm="pre", norm_kind="rms", norm_epsilon="1e-30", types=0,
                   position_kind="rotary", qkv_bias="false", linear_bias="false", pooling="none", normalize="false")
    return text[:text.index("weights:")] + "weights: {safetensors: subnormal.safetensors}\n"


BERT = "all: {ratios: {0: .28, 4: .414, 8: .306}}\n"
PINNED = "all: {ratios: {0: .4, 4: .3, 8: .3}, pinned: [0, 3]}\n"
FOUR = "all: {ratios: {0: 0, 4: 1, 8: 0}}\n"
KEYS = ("prune: keys\nlayers:\n  - ratios: {0: 0, 4: .5, 8: .5}\n  - ratios: {0: .5, 4: .25, 8: .25}\n"
        "  - ratios: {0: .7, 4: 0, 8: .3}\n")
PROBE = "importance: probe\nprune: keys\nall: {ratios: {0: .28, 4: .414, 8: .306}}\n"
PROBES = ("importance: {rule: probe}\nprune: keys\nlayers:\n  - {ratios: {0: .5, 4: .5}, pinned: [0]}\n"
          "  - ratios: {0: 0, 4: 0, 8: 1}\n  - ratios: {0: .2, 4: .4, 8: .4}\n")
HEADS = PROBE.replace("importance: probe", "importance: {rule: probe, per: head}")
HEADS_PINNED = PROBES.replace("{rule: probe}", "{rule: probe, per: head}")
LATE, LATE_HEADS, LATE_PINNED = (p.replace("probe", "late") for p in (PROBE, HEADS, HEADS_PINNED))
LINEARS = "kind: vssa\nvssa: {arrays: 3, rows: 6, cols: 4}\nlinear: vssa\nbuffers: {q: 2048, k: 2048, out: 2048}\n"
LAYERS = "layers:\n  - ratios: {0: 0, 4: .5, 8: .5}\n  - ratios: {0: .5, 4: .25, 8: .25}\n  - ratios: {0: .7, 4: 0, 8: .3}\n"


def cases(rng):
    bits = rng.choice((0, 4, 8), size=37, p=(0.3, 0.4, 0.3)).tolist()
    few = [8] + [4] * 20
    linears, small = write("linears.yaml", LINEARS), subnormal(rng)
    return [
        Case("encoder, subnormal numbers", small, BERT, (3, 17)),
        Case("encoder, subnormal numbers, int8", small, BERT, (18,), ("--linear=int8",)),
        Case("encoder, int8", encoder(), BERT, (1, 2, 7, 16, 17, 40, 65), ("--linear=int8",)),
        Case("encoder, fp32", encoder(), BERT, (3, 33)),
        Case("encoder, all 8-bit", encoder(), None, (5, 31), ("--linear=int8",)),
        Case("encoder, all 4-bit", encoder(pooling="first", activation="relu"), FOUR, (19,), ("--linear=int8",)),
        Case("encoder, odd widths", encoder(hidden=30, heads=5, ffn=50, activation="tanh", normalize="false"), PINNED,
             (4, 15, 23), ("--linear=int8",)),
        Case("encoder, odd widths, fp32", encoder(hidden=36, heads=2, ffn=27, activation="silu", pooling="none",
                                                  normalize="false"), PINNED, (21,)),
        Case("decoder", encoder(layers=3, norm="pre", causal="true", pooling="none", normalize="false",
                                activation="gelu_tanh", types=0, kv_heads=1), LAYERS, (2, 18, 47), ("--linear=int8",)),
        Case("decoder, last token", encoder(layers=3, norm="pre", causal="true", pooling="last", kv_heads=3), LAYERS,
             (6, 34)),
        Case("decoder, keys", encoder(layers=3, norm="pre", causal="true", pooling="none", normalize="false", types=0,
                                      kv_heads=1), KEYS, (2, 18, 47), ("--linear=int8",)),
        Case("llama", llama(heads=6, kv_heads=2, rotary_pairs="adjacent"), KEYS, (2, 19, 40), ("--linear=int8",)),
        Case("llama, odd widths", llama(hidden=60, head_dim=20, kv_heads=1, ffn=50, rotary_base=500), LAYERS, (21,)),
        Case("encoder, keys", encoder(layers=3), KEYS, (3, 35), ("-O0",)),
        Case("encoder, probe", encoder(layers=3), PROBE, (1, 2, 7, 16, 33, 65), ("--linear=int8",)),
        Case("encoder, probe, odd widths", encoder(layers=3, hidden=36, heads=4, kv_heads=2, ffn=50, pooling="none",
                                                   normalize="false"), PROBES, (3, 19, 40), ("-O0",)),
        Case("attention, probe", attention(37, 6, 9, False, 2), PROBE, (37,), fixed=True),
        Case("encoder, probe by head", encoder(layers=3), HEADS, (1, 2, 7, 16, 33, 65), ("--linear=int8",)),
        Case("encoder, probe by head, odd widths", encoder(layers=3, hidden=36, heads=4, kv_heads=2, ffn=50,
                                                           pooling="none", normalize="false"), HEADS_PINNED,
             (3, 19, 40), ("-O0",)),
        Case("encoder, late", encoder(layers=3), LATE, (1, 2, 7, 33), ("--linear=int8",)),
        Case("encoder, late by head", encoder(layers=3), LATE_HEADS, (1, 2, 7, 16, 33, 65), ("--linear=int8",)),
        Case("encoder, late by head, odd widths", encoder(layers=3, hidden=36, heads=4, kv_heads=2, ffn=50,
                                                          pooling="none", normalize="false"), LATE_PINNED, (2, 17, 40)),
        Case("attention, late, causal", attention(37, 6, 9, True, 2), LATE, (37,), fixed=True),
        Case("attention, late by head, causal", attention(37, 6, 9, True, 2), LATE_HEADS, (37,), fixed=True),
        Case("attention, probe by head", attention(37, 6, 9, False, 2), HEADS, (37,), fixed=True),
        Case("encoder, mixed", encoder(layers=3), BERT, (1, 7, 20, 65), ("--linear=mixed",)),
        Case("encoder, mixed, odd widths", encoder(layers=3, hidden=30, heads=5, ffn=50, pooling="none",
                                                   normalize="false"), LAYERS, (3, 33),
             ("--linear=mixed", "--no-cluster")),
        Case("decoder, mixed", llama(heads=6, kv_heads=2), LAYERS, (2, 19, 40), ("--linear=mixed",)),
        Case("encoder, linear: vssa", encoder(layers=3), BERT, (2, 16, 35), ("--target", linears)),
        Case("decoder, linear: vssa", llama(hidden=60, head_dim=20, kv_heads=1, ffn=50), KEYS, (5, 38),
             ("--target", linears)),
        Case("original order", encoder(layers=3), LAYERS, (29,), ("--linear=int8", "--no-cluster")),
        Case("paper's method", encoder(layers=3), BERT, (50,), ("--linear=int8", "-O0")),
        Case("attention", attention(37, 4, 9, False), f"layers:\n  - token_bits: {bits}\n", (37,), fixed=True),
        Case("attention, causal", attention(37, 6, 33, True, 2), f"layers:\n  - token_bits: {bits}\n", (37,), fixed=True),
        Case("attention, keys", attention(37, 6, 33, True, 2), f"prune: keys\nlayers:\n  - token_bits: {bits}\n", (37,),
             fixed=True),
        Case("attention, keys, no mask", attention(37, 2, 20, False), f"prune: keys\nlayers:\n  - token_bits: {bits}\n",
             (37,), fixed=True),
        Case("attention, sums", attention(21, 1, 64, False, rule="sum"), f"layers:\n  - token_bits: {few}\n", (21,),
             fixed=True),
    ]


# ---- inputs --------------------------------------------------------------------------------------------------------------


def shape_of(model):
    words = dict(part.split(": ") for part in model[model.index("{") + 1:model.index("}")].split(", "))
    heads = int(words["heads"])
    return heads, int(words.get("kv_heads", heads)), int(words["head_dim"])


def make_input(rng, case, length):
    """The same numbers as safetensors, for dtqc, and as words, for host_main.c."""
    name = scratch(f"in{length}")
    if case.model.startswith("attention"):
        heads, kv_heads, dim = shape_of(case.model)
        tensors = {"q": rng.standard_normal((heads, length, dim)).astype(np.float32)}
        for key in "kv":
            tensors[key] = rng.standard_normal((kv_heads, length, dim)).astype(np.float32)
        words = np.array([length, 1, heads, kv_heads, dim], np.uint32).tobytes()
        words += b"".join(tensors[key].tobytes() for key in "qkv")
    else:
        types = 2 if "types: 2" in case.model else 1
        tensors = {"tokens": rng.integers(0, 200, length).astype(np.uint32),
                   "segments": rng.integers(0, types, length).astype(np.uint32)}
        words = np.array([length, 0], np.uint32).tobytes() + tensors["tokens"].tobytes() + tensors["segments"].tobytes()
    write_safetensors(name + ".safetensors", tensors)
    with open(name + ".words", "wb") as file:
        file.write(words)
    return name


def flat(path):
    """What host_main.c writes, from what dtqc writes: the output's floats and the importance."""
    tensors = read_safetensors(path)
    out = tensors["out"] if "out" in tensors else tensors["output"]
    bits = tensors["bits"].tobytes() if "bits" in tensors else b""
    return out.tobytes() + tensors["importance"].tobytes(), bits


def same(case, length, who, got, want):
    data, bits = want
    if got[:len(data)] != data or (bits and got[len(data):] != bits):
        at = next((i for i in range(min(len(got), len(data))) if got[i] != data[i]), min(len(got), len(data)))
        raise Failure(f"{case.name}, {length} tokens: {who} differs from ref at byte {at} of {len(data)}")


# ---- engines -------------------------------------------------------------------------------------------------------------


def run(command):
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}\nexit code {done.returncode}: "
                      f"{done.stderr.decode(errors='replace').strip()[:2000]}")
    return done.stdout


def dtqc_run(case, name, engine, *more):
    out = scratch("out.safetensors")
    must("run", scratch("model.yaml"), "--input", name + ".safetensors", "--output", out, f"--engine={engine}",
         *policy_of(case), *case.options, *more, timeout=300)
    return flat(out)


def policy_of(case):
    return ("--policy", write("policy.yaml", case.policy)) if case.policy else ()


def emit(case, form, path, *more):
    lengths = () if case.fixed else ("--seq", str(max(case.lengths)))
    must("compile", scratch("model.yaml"), f"--emit={form}", "-o", path, "--name=the_model", *lengths, *policy_of(case),
         *case.options, *more, timeout=300)


@functools.cache
def main_object(compiler):
    """host_main.c, which is the same for every model."""
    out = scratch(f"main.{compiler}.o")
    run([compiler, "-std=c17", "-D_GNU_SOURCE", "-O1", "-DMODEL=the_model", "-I", ROOT, "-c",
         os.path.join(ROOT, "tests/e2e/host_main.c"), "-o", out])
    return out


def build(compiler, flags, source, library, out):
    if source.endswith(".c"):
        run([compiler, *C_FLAGS, *flags, "-c", source, "-o", out + ".model.o"])
        source = out + ".model.o"
    static = ["-static"] if compiler == AARCH64 else []
    sanitized = ["-fsanitize=address,undefined"] if "asan" in BUILD and compiler == "gcc" else []
    run([compiler, *static, *sanitized, main_object(compiler), source, library, "-lm", "-lpthread", "-o", out])


def aarch64_library():
    """libdtqrt for the other kind of processor."""
    sources = run(["find", os.path.join(ROOT, "runtime"), "-name", "*.c"]).decode().split()
    os.makedirs(scratch("aarch64"), exist_ok=True)
    flags = ["-std=c17", "-D_GNU_SOURCE", "-O1", "-ffp-contract=off", "-fno-math-errno", "-I", ROOT, "-c"]
    objects = []
    running = []
    for source in sources:
        objects.append(scratch("aarch64/" + os.path.relpath(source, ROOT).replace("/", "_") + ".o"))
        running.append(subprocess.Popen([AARCH64, *flags, source, "-o", objects[-1]]))
        if len(running) == os.cpu_count():
            finish(running)
    finish(running)
    run(["aarch64-linux-gnu-ar", "rcs", scratch("libdtqrt_aarch64.a"), *objects])
    return scratch("libdtqrt_aarch64.a")


def finish(running):
    for process in running:
        if process.wait() != 0:
            raise Failure("libdtqrt does not compile for aarch64")
    running.clear()


def host_main(case, prefix, program, threads, level, mode, names, wants, who):
    outs = [f"{program}.{length}.out" for length in names]
    pairs = [part for (length, name), out in zip(names.items(), outs) for part in (name + ".words", out)]
    run([*prefix, program, scratch(""), str(threads), str(level), str(mode), *pairs])
    for length, out in zip(names, outs):
        with open(out, "rb") as file:
            same(case, length, f"{who}, mode {mode} of the caller", file.read(), wants[length])


def refuse_fast_math(source):
    """A compiler that may take operations on floats apart is told to stop."""
    for flags in ("-ffast-math", "-ffinite-math-only", "-freciprocal-math", "-fno-signed-zeros",
                  "-fassociative-math -fno-signed-zeros -fno-trapping-math"):
        done = subprocess.run(["gcc", *C_FLAGS, *flags.split(), "-fsyntax-only", source], capture_output=True, check=False)
        if done.returncode == 0 or b"every operation on floats is meant" not in done.stderr:
            raise Failure(f"emitted C compiles with {flags}")


def vectors_fit_frames(source):
    """In the frames of its address sanitizer gcc misaligns locals of more than 32 bytes."""
    for flags, widest in (([], b"64"), (["-fsanitize=address"], b"32")):
        macros = run(["gcc", *C_FLAGS, "-march=x86-64-v4", *flags, "-dM", "-E", source])
        if b"#define DTQ_NATIVE " + widest not in macros:
            raise Failure(f"emitted C has no vectors of {widest.decode()} bytes with {flags}")


def run_c(case, number, compiler, threads, mode, names, wants):
    name, command, flags, library, prefix = compiler
    if name == "gcc" and number % 3:
        flags = [*flags, "-march=native"]  # a third of the time that vectors take which the processor must not have
    program = scratch(name.replace(" ", "_").replace(",", ""))
    build(command, flags, scratch("model.c"), library, program)
    host_main(case, prefix, program, threads, 0, mode, names, wants, f"C by {name}")


def modes(case, number):
    """Each in turn; the one that subnormal numbers are for everywhere."""
    return FLUSHES if "subnormal" in case.name else number % len(MODES)


def main():
    seed, rng = seed_and_generator()
    library = os.path.join(BUILD, "libdtqrt.a")
    # name, compiler, flags, libdtqrt, what runs it
    compilers = [("gcc", "gcc", ["-O1"], library, []), ("gcc, plain C", "gcc", ["-DDTQ_PLAIN_C"], library, [])]
    if shutil.which("clang-19"):
        compilers.append(("clang", "clang-19", ["-O1", "-march=native"], library, []))
    else:
        print("without clang: it is not installed")
    if shutil.which(AARCH64) and shutil.which("qemu-aarch64"):
        compilers.append(("gcc for aarch64", AARCH64, ["-O1"], aarch64_library(), ["qemu-aarch64"]))
    else:
        print("without aarch64: its compiler or qemu-user is not installed")
    runs = models = 0
    for number, case in enumerate(cases(rng)):
        if os.environ.get("ONLY", case.name) not in case.name:
            continue
        write("model.yaml", case.model)
        names = {length: make_input(rng, case, length) for length in case.lengths}
        wants = {length: dtqc_run(case, name, "ref") for length, name in names.items()}
        for length, name in names.items():
            for engine, more in (("sim", ()), ("host", ("--threads", "1")), ("host", ("--threads", "2"))):
                data, bits = dtqc_run(case, name, engine, *more)
                same(case, length, " ".join((engine, *more)), data + bits, wants[length])
                runs += 1
        emit(case, "obj", scratch("model.o"), "--host-cpu=dispatch")
        build("gcc", [], scratch("model.o"), library, scratch("object"))
        for level in LEVELS:
            mode = modes(case, level)
            host_main(case, [], scratch("object"), 1 + level % 2, level, mode, names, wants, f"object, level {level}")
            runs += len(names)
        emit(case, "c", scratch("model.c"))
        if number == 0:
            refuse_fast_math(scratch("model.c"))
            vectors_fit_frames(scratch("model.c"))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in [pool.submit(run_c, case, number, c, 1 + number % 2, modes(case, number + at), names, wants)
                         for at, c in enumerate(compilers)]:
                done.result()
                runs += len(names)
        models += 1
    print(f"{runs} runs of {models} models: the same bits")


story(main)
