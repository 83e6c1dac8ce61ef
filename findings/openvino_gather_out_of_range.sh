#!/usr/bin/env bash
# openvino 2026.4.1, CPU: Gather with an index that is not there.
# Expected: an error, which the operator's text demands and which ONNX Runtime and the reference evaluator raise.
# Seen: zeros, without a word. A token id of another vocabulary is a zero embedding, and the sentence has a result.
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

table = np.array([1, 2, 3], np.float32)
for index in (3, 100, -4):
    ids = np.array([index], np.int64)
    seen = run("openvino", "Gather", [table, ids], [TensorProto.FLOAT])
    print(f"Gather {index} of three: OpenVINO {seen}")
    assert seen == [[0]]
    try:
        run("onnx", "Gather", [table, ids], [TensorProto.FLOAT])
        raise SystemExit("the reference evaluator gives a value, too")
    except IndexError as error:
        print("reference:", error)
PYTHON
