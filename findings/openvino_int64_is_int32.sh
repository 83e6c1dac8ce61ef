#!/usr/bin/env bash
# openvino 2026.4.1, CPU: int64 tensors.
# Expected: 64 bits. Token ids are small, but hashes, offsets, time stamps and byte counts in a graph are not.
# Seen: the plug-in computes int64 in int32, without a word. Identity gives 0 for 2^40; 2^31 - 1 + 1 is -2^31; 2^32 + 5 is
# not greater than 10; a float of 5e9 cast to int64 is -2^31, and the result is an int64 tensor all the same.
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

I = lambda *v: np.array(v, np.int64)
assert both("Identity of 2^40", "Identity", [I(2**40)], [TensorProto.INT64]) == [[[2**40]], [[0]]]
assert both("2^31 - 1 + 1", "Add", [I(2**31 - 1), I(1)], [TensorProto.INT64]) == [[[2**31]], [[-(2**31)]]]
assert both("2^32 + 5 > 10", "Greater", [I(2**32 + 5), I(10)], [TensorProto.BOOL]) == [[[True]], [[False]]]
assert both("Cast of 5e9", "Cast", [np.array([5e9], np.float32)], [TensorProto.INT64], to=TensorProto.INT64) == [
    [[5000000000]], [[-(2**31)]]]
PYTHON
