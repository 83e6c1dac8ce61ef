#!/usr/bin/env bash
# LiteRT (TFLite) 2.3.0, CPU: SOFTMAX of int8 over many equal scores, as an attention row without a favourite has them.
# Expected: weights that sum to about 1, off by a few steps of 1/256: what a softmax is for.
# Seen: the output's scale must be 1/256 (the quantisation spec), and each weight is rounded by itself, so all errors
# have one sign. 384 equal scores, a common sequence length, have 1/256 each and sum to 1.5; 500 sum to 1.95; 300 to
# 1.17. The product with the values is as much too large. float32 gives 1.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from one_tflite_operator import run, schema

def total(scores):
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    seen = run("SOFTMAX", [np.zeros((1, scores), np.int8)], [0.1], (np.int8, (1, scores)), (1 / 256, -128), options=options)
    sums = {kernels: float((np.array(codes) + 128).sum() / 256) for kernels, codes in seen.items()}
    print(f"LiteRT 2.3.0, softmax of {scores} equal scores, sum of the weights: {sums}")
    return sums

for scores, right in ((128, 1.0), (300, 300 / 256), (384, 1.5), (500, 500 / 256)):
    assert total(scores) == {"reference": right, "default": right}
PYTHON
