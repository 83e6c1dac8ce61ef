#!/usr/bin/env bash
# openvino 2026.4.1, CPU: NaN in activations.
# Expected: a NaN stays one, so that a broken row is seen in the output, as in the reference evaluator.
# Seen: Relu makes it 0, Max(NaN, 1) is 1 while Max(1, NaN) is NaN, Exp gives infinity, ReduceMax skips it wherever it stands,
# and Softmax of a row with one NaN is 0, NaN, 0: the other weights look like numbers.
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

nan = float("nan")
F = lambda *v: np.array(v, np.float32)
f32 = [TensorProto.FLOAT]
def seen(*arguments, **keywords):
    reference, openvino = both(arguments[0], *arguments, **keywords)
    assert np.isnan(np.array(reference)).all(), reference
    return np.ravel(openvino).tolist()
assert seen("Relu", [F(nan)], f32) == [0]
pair = seen("Max", [F(nan, 1), F(1, nan)], f32)
assert pair[0] == 1 and np.isnan(pair[1])
assert seen("Exp", [F(nan)], f32) == [float("inf")]
assert seen("ReduceMax", [F(nan, 1, 2)], f32, opset=20, keepdims=0) == [2]
row = seen("Softmax", [F(1, nan, 2)[None]], f32)
assert row[0] == 0 and np.isnan(row[1]) and row[2] == 0
PYTHON
