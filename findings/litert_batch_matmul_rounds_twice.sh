#!/usr/bin/env bash
# LiteRT (TFLite) 2.3.0, CPU: BATCH_MATMUL of int8, the products of attention, by the reference kernels.
# Expected: the nearest code of the exact product, off by half a step at most, as FULLY_CONNECTED of the same kernels
# gives it for the same numbers.
# Seen: the product is rounded twice, first to a few bits behind the point, and can be off by two thirds of a step: with
# an output scale of 3 a product of 1 becomes code 1, 7 becomes 3 and -7 becomes -3, where FULLY_CONNECTED gives 0, 2
# and -2. The default kernels (XNNPACK) give the nearest code. A golden model that is tested with linear layers alone
# does not fit attention.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from one_tflite_operator import run, schema

products = [-7, -5, -1, 1, 5, 7]
x = np.array(products, np.int8)
one = np.ones((1, 1), np.int8)
batch, dense = schema.BatchMatMulOptionsT(), schema.FullyConnectedOptionsT()
matmul = run("BATCH_MATMUL", [x[None, :, None], one[None]], [1.0, 1.0], (np.int8, (1, 6, 1)), 3.0, options=batch)
linear = run("FULLY_CONNECTED", [x[:, None], one, np.zeros(1, np.int32)], [1.0, 1.0, 1.0], (np.int8, (6, 1)), 3.0,
             constants=(1, 2), options=dense, version=4)
nearest = [round(p / 3) for p in products]
print("LiteRT 2.3.0, products", products, "at scale 3, nearest", nearest)
print("BATCH_MATMUL   ", matmul)
print("FULLY_CONNECTED", linear)
assert matmul["default"] == linear["default"] == linear["reference"] == nearest == [-2, -2, 0, 0, 2, 2]
assert matmul["reference"] == [-3, -2, -1, 1, 2, 3]
PYTHON
