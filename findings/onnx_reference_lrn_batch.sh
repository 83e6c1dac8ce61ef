#!/usr/bin/env bash
# onnx 1.23.2, its reference evaluator, beside onnxruntime 1.32.0: LRN, local response normalisation.
# Expected: every channel is divided by the power of the sum of squares of the channels around it.
# Seen: the reference normalises as many channels as there are images in the batch and leaves the others as they are: of one
# image channel 0 alone. The size of the batch and the number of channels are confused there.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import run

for images in (1, 2, 3):
    x = np.ones((images, 3, 1, 2), np.float32)
    seen = {e: np.array(run(e, "LRN", [x], [TensorProto.FLOAT], opset=13, size=3, alpha=3.0)[0])[0, :, 0, 0].round(3)
            for e in ("onnx", "onnxruntime")}
    print(images, "images; channels 0, 1, 2 of ones: reference", seen["onnx"], "ONNX Runtime", seen["onnxruntime"])
    assert (seen["onnxruntime"] < 1).all() and (seen["onnx"] == 1).sum() == 3 - images
PYTHON
