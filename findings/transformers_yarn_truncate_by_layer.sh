#!/usr/bin/env bash
# transformers 5.24.0: YaRN's `truncate: false` where rope_parameters are given by the type of the layer.
# Expected: like factor, beta_fast and the other keys it holds for the layers whose mapping it stands in.
# Seen: it is looked for beside the mappings, not in them, and has no effect there; the pairs between which frequencies turn
# are rounded to whole ones. Outside of the mappings, where no other key is read, it does hold.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv --no-deps transformers==5.24.0 numpy==2.4.6
python - <<'PYTHON'
# The function needs five calls of torch, which numpy answers: torch itself has a gigabyte.
import importlib.metadata, math, pathlib, types, typing
import numpy as np

class Tensor(np.ndarray):
    def to(self, device=None, dtype=None):
        return self.astype(dtype).view(Tensor)

torch = types.SimpleNamespace(
    float=np.float32, float32=np.float32, Tensor=Tensor,
    arange=lambda *a, dtype=np.int64: np.arange(*a).astype(dtype).view(Tensor),
    clamp=lambda a, low, high: np.clip(a, np.float32(low), np.float32(high)))

path = next(f for f in importlib.metadata.files("transformers") if f.name == "modeling_rope_utils.py")
text = pathlib.Path(path.locate()).read_text()
space = {"math": math, "torch": torch, "Optional": typing.Optional}
exec("from __future__ import annotations\n" +
     text[text.index("def _compute_yarn_parameters"):text.index("def _compute_longrope_parameters")], space)

class Config(types.SimpleNamespace):
    def standardize_rope_params(self):
        pass

def frequencies(parameters, layer_type=None):
    config = Config(rope_parameters=parameters, head_dim=16, hidden_size=16, num_attention_heads=1,
                    max_position_embeddings=4096)
    if layer_type:
        config.per_layer_config = {layer_type: config}
    return [float(f"{x:.4g}") for x in space["_compute_yarn_parameters"](config, layer_type=layer_type)[0]]

yarn = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 16.0, "original_max_position_embeddings": 256}
whole, fine = yarn | {"truncate": True}, yarn | {"truncate": False}
print("one mapping, truncate true :", frequencies(whole))
print("one mapping, truncate false:", frequencies(fine))
print("by layer, truncate false   :", frequencies({"full_attention": fine}, "full_attention"))
print("by layer, false outside    :", frequencies({"full_attention": yarn, "truncate": False}, "full_attention"))
assert frequencies(whole) != frequencies(fine)
assert frequencies({"full_attention": fine}, "full_attention") == frequencies(whole)
assert frequencies({"full_attention": yarn, "truncate": False}, "full_attention") == frequencies(fine)
PYTHON
