"""One ONNX operator, run by the reference evaluator, ONNX Runtime or OpenVINO's CPU plug-in: for the scripts beside it."""
import warnings
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

warnings.simplefilter("ignore")  # numpy's, about the very conversions that are shown

def run(engine, op, inputs, out, opset=21, constants=(), **attributes):
    """One operator; `constants` are the inputs, by number, that are initialisers. Returns a list for each output."""
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
    if engine == "onnxruntime":
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [np.asarray(y).tolist() for y in session.run(None, feed)]
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result = compiled(feed)
    return [result[k].tolist() for k in range(len(out))]

def both(title, *arguments, engine="openvino", **keywords):
    """The reference evaluator's result and another engine's, printed."""
    seen = [run(e, *arguments, **keywords) for e in ("onnx", engine)]
    print(f"{title}: reference {seen[0]}, {dict(openvino='OpenVINO', onnxruntime='ONNX Runtime')[engine]} {seen[1]}")
    return seen
