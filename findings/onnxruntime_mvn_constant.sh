#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU: MeanVarianceNormalization of a constant.
# Expected: 0: the operator is a function of the standard, which adds 1e-9 to the standard deviation before it divides; the
# reference evaluator gives 0, and LayerNormalization with its epsilon does.
# Seen: NaN. One channel without variance, such as padding, makes its whole plane NaN.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import warnings
import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

warnings.simplefilter("ignore")  # numpy's, about the very conversions that are shown

def run(engine, op, inputs, out, opset, **attributes):
    names = [f"i{k}" for k in range(len(inputs))]
    values = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
              for n, a in zip(names, inputs)]
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "g", values,
                              [helper.make_tensor_value_info("y", out, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    feed = dict(zip(names, inputs))
    if engine == "onnx":
        return ReferenceEvaluator(model).run(None, feed)[0]
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]

x = np.full((1, 1, 2, 2), 3, np.float32)
seen = {e: np.asarray(run(e, "MeanVarianceNormalization", [x], TensorProto.FLOAT, 13)).ravel().tolist() for e in ("onnx", "onnxruntime")}
print("MeanVarianceNormalization of 3, 3, 3, 3:", seen)
assert seen["onnx"] == [0, 0, 0, 0]
assert np.isnan(seen["onnxruntime"]).all()
PYTHON
