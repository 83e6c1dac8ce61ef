"""Corrupted and truncated programs and tensor files: refused in one line, exit code 1, nothing written; no crash, no
hang. Programs whose checksum is right again but whose contents are not may be accepted, if they mean something."""
import os
import struct
import subprocess

import numpy as np

from problems import (Failure, dtqc, must, scratch, seed_and_generator, story, write, write_attention, write_policy,
                      write_safetensors, write_target)

CRAFTED, TENSOR_MUTANTS, LIMIT = 700, 200, 300


def read(name):
    with open(scratch(name), "rb") as file:
        return file.read()


def put(name, data):
    with open(scratch(name), "wb") as file:
        file.write(data)


def commands(kind):
    program, out = scratch("bad.dtq"), scratch("out")
    return {"verify": ["verify", program], "disasm": ["disasm", program, "-o", out],
            "run": ["run", program, "--input", scratch("qkv.safetensors"), "--output", out]}[kind]


def attempt(arguments, what, accept):
    """Runs a command that has to refuse its input, or may also succeed."""
    try:
        done = dtqc(*arguments, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise Failure(f"{what}: dtqc {arguments[0]} still runs after {LIMIT} seconds") from None
    told = done.stderr.decode(errors="replace")
    if done.returncode == 0 and accept:
        if os.path.exists(scratch("out")):
            os.unlink(scratch("out"))
        return True
    problem = None
    if done.returncode != 1:
        problem = f"exit code {done.returncode}"
    elif told.count("error: ") != 1 or any(not line.startswith(" ") for line in told.splitlines()[1:]):
        problem = "not one line with an error, perhaps with its place in the file below"
    elif not accept and done.stdout:
        problem = "something on standard output"
    elif os.path.exists(scratch("out")):
        problem = "an output file is there"
    if problem:
        raise Failure(f"{what}: dtqc {arguments[0]}: {problem}\n{told[:1500]}")
    return False


def checksummed(program):
    """The program with a checksum that is right, of everything from byte 24 on, as ISA.md describes it."""
    prime, start, ones = 0x100000001B3, 0xCBF29CE484222325, (1 << 64) - 1
    data, chains = program[24:], [start, start + 1, start + 2, start + 3]
    whole = len(data) // 32 * 32
    words = struct.unpack(f"<{whole // 8}Q", data[:whole])
    for i, word in enumerate(words):
        chains[i % 4] = (chains[i % 4] ^ word) * prime & ones
    for byte in data[whole:]:
        chains[0] = (chains[0] ^ byte) * prime & ones
    total = start
    for chain in chains:
        total = (total ^ chain) * prime & ones
    return program[:16] + struct.pack("<Q", total) + program[24:]


def programs(rng):
    """A small program with every byte changed in turn, cut at every length, and with words overwritten."""
    write_safetensors(scratch("qkv.safetensors"),
                      {name: rng.standard_normal((1, 2, 2)).astype(np.float32) for name in "qkv"})
    must("compile", write_attention(2, 1, 2), "--target", write_target(1, 2), "--policy", write_policy([4, 8]), "-o",
         scratch("good.dtq"))
    good = read("good.dtq")
    if checksummed(good) != good:
        raise Failure("the checksum of a program is not what its description says")
    kinds = ("verify", "disasm", "run")
    for at in range(len(good)):
        changed = bytearray(good)
        changed[at] ^= int(rng.integers(1, 256))
        put("bad.dtq", changed)
        attempt(commands(kinds[at % 3]), f"byte {at} changed from {good[at]} to {changed[at]}", accept=False)
        if at % 3 == 0 or at < 64:
            put("bad.dtq", good[:at])
            attempt(commands(kinds[at // 3 % 3]), f"cut to {at} of {len(good)} bytes", accept=False)
    return len(good), crafted(rng, good, kinds)


def crafted(rng, good, kinds, text=False):
    """How many of the programs with overwritten words and a right checksum are accepted."""
    accepted = 0
    for case in range(CRAFTED):
        changed = bytearray(good)
        if text and case % 2:  # a digit, most of which are of the scheme's parameters
            digits = [at for at in range(len(good)) if 48 <= good[at] < 58]
            changed[int(rng.choice(digits))] = int(rng.integers(45, 58))
        for _ in range(int(rng.integers(1, 3))):
            width = int(rng.choice((1, 2, 4, 8)))
            at = int(rng.integers(24, len(good) - width))
            value = int(rng.choice((0, 1, 2**8 - 1, 2**16, 2**31, 2**32 - 1, 2**63, 2**64 - 1, rng.integers(2**40))))
            changed[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
        put("bad.dtq", checksummed(bytes(changed)))
        accepted += attempt(commands(kinds[case % 3]), f"case {case}, words overwritten", accept=True)
    return accepted


def system_programs(rng):
    """The same of a program for a system, which the reference runs by the parameters in it."""
    must("compile", write_attention(2, 1, 2), "--target",
         write("system.yaml", "kind: spatten\ndram: {word_bits: 4, refetch_bits: 4}\nvalues: {kept: 0.5}\n"), "-o",
         scratch("system.dtq"))
    return crafted(rng, read("system.dtq"), ("verify", "run", "run"), text=True)


def tensors(rng):
    """A file of inputs, cut and changed."""
    good = read("qkv.safetensors")
    cuts = sorted({int(at) for at in np.linspace(0, len(good) - 1, 120)})
    command = ["run", scratch("good.dtq"), "--input", scratch("bad.safetensors"), "--output", scratch("out")]
    for at in cuts:
        put("bad.safetensors", good[:at])
        attempt(command, f"tensors cut to {at} of {len(good)} bytes", accept=False)
    header = len(good) - 48
    for case in range(TENSOR_MUTANTS):
        changed = bytearray(good)
        at = int(rng.integers(header))
        changed[at] = int(rng.choice((0, 10, 34, 45, 57, 91, 93, 123, 125, 255, rng.integers(256))))
        put("bad.safetensors", changed)
        attempt(command, f"case {case}: byte {at} of the tensors' header is {changed[at]}", accept=True)


def main():
    _, rng = seed_and_generator()
    size, accepted = programs(rng)
    of_system = system_programs(rng)
    tensors(rng)
    print(f"a program of {size} bytes, every byte changed; {CRAFTED} with a right checksum, {accepted} of them "
          f"accepted, and {of_system} of as many for a system; {TENSOR_MUTANTS} tensor files")


story(main)
