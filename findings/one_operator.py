"""One ONNX operator, run by the reference evaluator and by OpenVINO's CPU plug-in: for the scripts beside it."""
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
