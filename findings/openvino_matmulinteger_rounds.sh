#!/usr/bin/env bash
# openvino 2026.4.1, CPU: MatMulInteger, the product of quantised linear layers.
# Expected: exact sums in int32, as the operator says: the result is an int32 tensor.
# Seen: sums above 2^24 are rounded to float32: 33,388,681 becomes 33,388,680. 1,031 inputs of large codes suffice; with a
# zero point of A the same. MatMul of int32 rounds likewise. So "bit for bit" ends at a few hundred inputs.
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

a, b = np.full((1, 1031), 255, np.uint8), np.full((1031, 1), 127, np.int8)
a[0, -1] = 253
exact = int(a.astype(np.int64)[0] @ b.astype(np.int64)[:, 0])
seen = both("MatMulInteger of 1,031 inputs", "MatMulInteger", [a, b], [TensorProto.INT32])
assert seen == [[[[exact]]], [[[int(np.float32(exact))]]]] and exact != int(np.float32(exact))
square = np.array([[4097]], np.int32)
assert both("MatMul of 4097 and 4097 in int32", "MatMul", [square, square], [TensorProto.INT32]) == [
    [[[16785409]]], [[[16785408]]]]
PYTHON
