#!/usr/bin/env python3
"""Times ONNX Runtime on a model of onnx_encoder.py, for tests/bench/host.

usage: onnx_run.py MODEL.onnx TOKENS THREADS RUNS
       onnx_run.py --version

Prints the least and the median time of a run in milliseconds.
"""
import sys
import time

import numpy as np
import onnxruntime

WARM_UP = 3


def measure(path, tokens, threads, runs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    ids = {"ids": 1000 + np.arange(tokens, dtype=np.int64)[None] * 97 % 20000}
    times = []
    for _ in range(WARM_UP + runs):
        start = time.perf_counter()
        session.run(None, ids)
        times.append(1e3 * (time.perf_counter() - start))
    return times[WARM_UP:]


if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        print(onnxruntime.__version__)
    elif len(sys.argv) == 5:
        taken = measure(sys.argv[1], *map(int, sys.argv[2:]))
        print(f"{min(taken):.3f} {np.median(taken):.3f}")
    else:
        sys.exit(__doc__)
