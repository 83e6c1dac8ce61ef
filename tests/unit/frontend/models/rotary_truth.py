#!/usr/bin/env python3
"""Writes rotary_truth.h: the frequencies that Hugging Face's own functions give for scaled rotary positions.

    pip install --no-deps transformers==5.24.0 && pip install numpy
    tests/unit/frontend/models/rotary_truth.py > tests/unit/frontend/models/rotary_truth.h

The functions need few calls of torch, which numpy answers here in float32, as torch does."""
import importlib.metadata
import json
import pathlib
import sys
import types

import numpy as np


class Tensor(np.ndarray):
    def to(self, device=None, dtype=None):
        return self if dtype is None else self.astype(dtype).view(Tensor)

    def float(self):
        return self.astype(np.float32).view(Tensor)


def number(array):
    return np.asarray(array).view(Tensor)


torch = types.SimpleNamespace(
    float=np.float32, float32=np.float32, int64=np.int64, Tensor=Tensor,
    arange=lambda *a, dtype=np.int64, device=None: number(np.arange(*a).astype(dtype)),
    tensor=lambda a, dtype=None, device=None: number(np.array(a, dtype)),
    clamp=lambda a, low, high: number(np.clip(a, np.float32(low), np.float32(high))),
    where=lambda c, a, b: number(np.where(c, a, b)))


class Config(types.SimpleNamespace):
    def standardize_rope_params(self):
        pass


def functions():
    """The table of functions of modeling_rope_utils.py, without its imports."""
    path = next(f for f in importlib.metadata.files("transformers") if f.name == "modeling_rope_utils.py")
    text = pathlib.Path(path.locate()).read_text()
    body = text[text.index("def _compute_linear_scaling"):text.index("class RopeParameters")]
    space = {"math": __import__("math"), "torch": torch, "Optional": __import__("typing").Optional,
             "Callable": __import__("typing").Callable}
    exec("from __future__ import annotations\n" + body, space)
    return space["ROPE_INIT_FUNCTIONS"]


D = 16
CASES = [
    ("linear", 10000.0, 8192, {"factor": 4.0}),
    ("llama3", 500000.0, 131072, {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                  "original_max_position_embeddings": 8192}),
    ("llama3", 10000.0, 2048, {"factor": 32.0, "low_freq_factor": 1.5, "high_freq_factor": 6.0,
                               "original_max_position_embeddings": 512}),
    ("yarn", 1000000.0, 131072, {"factor": 4.0, "original_max_position_embeddings": 32768}),
    ("yarn", 10000.0, 4096, {"factor": 16.0, "original_max_position_embeddings": 256, "beta_fast": 8.0, "beta_slow": 0.5,
                             "truncate": False, "mscale": 0.7, "mscale_all_dim": 1.3}),
    ("yarn", 10000.0, 4096, {"factor": 2.0, "original_max_position_embeddings": 2048, "attention_factor": 1.25}),
    ("longrope", 10000.0, 131072, {"original_max_position_embeddings": 4096,
                                   "short_factor": [1 + .05 * i for i in range(D // 2)],
                                   "long_factor": [1 + 7.5 * i for i in range(D // 2)]}),
]

print(f"""/* Written by rotary_truth.py: frequencies of transformers {importlib.metadata.version("transformers")}, heads of {D} channels. */
enum {{ TRUTH_COLUMNS = {D} }};
static const struct {{
    const char *scaling;
    double base, amplitude;
    unsigned positions;
    float frequencies[TRUTH_COLUMNS / 2];
}} truths[] = {{""")
for kind, base, positions, keys in CASES:
    parameters = {"rope_type": kind, "rope_theta": base} | keys
    config = Config(rope_parameters=parameters, head_dim=D, hidden_size=D, num_attention_heads=1,
                    max_position_embeddings=positions)
    values, amplitude = functions()[kind](config)
    text = json.dumps({"rope_type": kind} | keys).replace('"', '\\"')
    numbers = ", ".join(f"{float(v):.9g}f" if "." in f"{float(v):.9g}" or "e" in f"{float(v):.9g}" else f"{float(v):.9g}.0f"
                        for v in values)
    print(f'    {{"{text}",\n     {base}, {amplitude!r}, {positions},\n     {{{numbers}}}}},')
print("};")
