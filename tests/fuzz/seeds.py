"""Small good files for the fuzzers: a Llama as GGUF, and as a checkpoint of llama2.c. Usage: seeds.py DIRECTORY"""
import struct
import sys


def text(string):
    raw = string.encode()
    return struct.pack("<Q", len(raw)) + raw


def array(kind, items):
    return struct.pack("<IIQ", 9, kind, len(items)) + b"".join(items)


def gguf():
    sizes = {"block_count": 1, "embedding_length": 32, "attention.head_count": 4, "attention.head_count_kv": 2,
             "feed_forward_length": 32, "context_length": 64}
    values = [text("general.architecture") + struct.pack("<I", 8) + text("llama"),
              text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5),
              text("llama.rope.freq_base") + struct.pack("<If", 6, 10000),
              text("tokenizer.ggml.model") + struct.pack("<I", 8) + text("gpt2"),
              text("tokenizer.ggml.tokens") + array(8, [text(t) for t in ("a", "b", "c", "ab", "<e>")]),
              text("tokenizer.ggml.token_type") + array(5, [struct.pack("<i", t) for t in (1, 1, 1, 1, 3)]),
              text("tokenizer.ggml.merges") + array(8, [text("a b")])]
    values += [text("llama." + key) + struct.pack("<II", 4, value) for key, value in sizes.items()]
    shapes = [("token_embd", 5, 8), ("output_norm", 0, 0), ("blk.0.attn_norm", 0, 0), ("blk.0.ffn_norm", 0, 0),
              ("blk.0.attn_q", 32, 2), ("blk.0.attn_k", 16, 3), ("blk.0.attn_v", 16, 6), ("blk.0.attn_output", 32, 7),
              ("blk.0.ffn_gate", 32, 8), ("blk.0.ffn_up", 32, 1), ("blk.0.ffn_down", 32, 30)]
    bytes_of = {0: 128, 1: 64, 2: 18, 3: 20, 6: 22, 7: 24, 8: 34, 30: 64}  # of 32 elements
    head, offset = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(values)) + b"".join(values), 0
    for name, rows, kind in shapes:
        dims = (32, rows) if rows else (32,)
        head += text(name + ".weight") + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
        head += struct.pack("<IQ", kind, offset)
        offset += -(-(rows or 1) * bytes_of[kind] // 32) * 32
    return head + bytes(-len(head) % 32 + offset)


def llama2c():
    dim, ffn, layers, heads, kv_heads, vocabulary, positions = header = (4, 4, 2, 2, 1, 6, 3)
    floats = vocabulary * dim + layers * (2 * dim + 2 * dim * dim + dim * dim + 3 * dim * ffn) + dim
    floats += positions * dim // heads
    assert kv_heads * 2 == heads  # keys and values together are one matrix of dim by dim
    return struct.pack("<7i", *header) + bytes(4 * floats)


for name, data in (("gguf", gguf()), ("llama2c", llama2c())):
    with open(f"{sys.argv[1]}/{name}/good", "wb") as file:
        file.write(data)
