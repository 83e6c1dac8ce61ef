#!/usr/bin/env bash
# openvino 2026.4.1, CPU: TopK of equal numbers.
# Expected: the operator's text: of two equal elements the one with the lower index comes first.
# Seen: with k = 3 of 2, 1, 1, 2 the indices are 0, 3, 2, not 0, 3, 1; of twenty equal numbers the first five are 1, 2, 3, 4, 0.
# Which of equally important tokens or beams stays then differs from every other runtime.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

def run(engine, op, inputs, out, opset=21, constants=(), **attributes):
    """One operator; `constants` are the inputs, by number, that are initialisers of the graph."""
    names = [f"i{k}" for k in range(len(inputs))]
    values = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
              for k, (n, a) in enumerate(zip(names, inputs)) if k not in constants]
    outs = [f"y{k}" for k in range(len(out))]
    graph = helper.make_graph([helper.make_node(op, names, outs, **attributes)], "g", values,
                              [helper.make_tensor_value_info(n, t, None) for n, t in zip(outs, out)],
                              [numpy_helper.from_array(inputs[k], names[k]) for k in constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    feed = {n: a for k, (n, a) in enumerate(zip(names, inputs)) if k not in constants}
    if engine == "onnx":
        return [np.asarray(y).tolist() for y in ReferenceEvaluator(model).run(None, feed)]
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result = compiled(feed)
    return [result[k].tolist() for k in range(len(out))]

def both(title, *arguments, **keywords):
    seen = [run(engine, *arguments, **keywords) for engine in ("onnx", "openvino")]
    print(f"{title}: reference {seen[0]}, OpenVINO {seen[1]}")
    return seen

outs = [TensorProto.FLOAT, TensorProto.INT64]
top = lambda values, k: [s[1] for s in both(f"TopK {k} of {values}", "TopK", [np.array(values, np.float32), np.array([k], np.int64)], outs)]
assert top([2, 1, 1, 2], 3) == [[0, 3, 1], [0, 3, 2]]
assert top([1] * 20, 5) == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]]
PYTHON
