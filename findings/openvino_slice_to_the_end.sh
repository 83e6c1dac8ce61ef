#!/usr/bin/env bash
# openvino 2026.4.1, CPU: Slice to the end by the largest int64.
# Expected: what the operator's text recommends: INT64_MAX as the end stands for "to the end" (INT64_MIN where steps are
# negative). Exporters write it.
# Seen: where the end is a constant of the graph it is right. Where it is an input, or computed, the last element is missing:
# of 1, 2, 3, 4 from 1 on come 2, 3. The numbers 2^31 - 1 and -2^31 are right.
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

x = np.array([1, 2, 3, 4], np.float32)
I = lambda v: np.array([v], np.int64)
def ends(end, start, step, **keywords):
    return both(f"from {start} to {end} by {step} {keywords}", "Slice", [x, I(start), I(end), I(0), I(step)],
                [TensorProto.FLOAT], **keywords)
assert ends(2**63 - 1, 1, 1) == [[[2, 3, 4]], [[2, 3]]]
assert ends(-(2**63), 3, -1) == [[[4, 3, 2, 1]], [[4, 3, 2]]]
assert ends(2**63 - 1, 1, 1, constants=(1, 2, 3, 4)) == [[[2, 3, 4]], [[2, 3, 4]]]
assert ends(2**31 - 1, 1, 1) == [[[2, 3, 4]], [[2, 3, 4]]]
PYTHON
