"""One operator of TFLite, as a model built in memory and run by LiteRT's interpreter: for the scripts beside it."""
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

TYPES = {np.dtype(np.float32): schema.TensorType.FLOAT32, np.dtype(np.int8): schema.TensorType.INT8,
         np.dtype(np.int32): schema.TensorType.INT32}
# The reference kernels, and what Interpreter() takes by default: XNNPACK where it has the operator.
KERNELS = {"reference": OpResolverType.BUILTIN_REF, "default": OpResolverType.AUTO}

class Model:
    def __init__(self):
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.buffers, self.model.subgraphs = 3, [schema.BufferT()], [self.graph]
        self.graph.tensors = []

    def tensor(self, kind, shape, scale, data=None):
        """A tensor with its scale, or None; of a pair (scale, zero point). Data makes it a constant."""
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name, tensor.buffer = list(shape), TYPES[np.dtype(kind)], b"t", 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        if scale is not None:
            scale, zero = scale if isinstance(scale, tuple) else (scale, 0)
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

def run(op, inputs, scales, out, out_scale, constants=(), options=None, version=2):
    """Runs an operator with each kind of kernel; `out` is the result's type and shape, `constants` the inputs, by number,
    that are constants of the model. Returns {kernels: list of the result's numbers}."""
    m = Model()
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    operator.opcodeIndex = 0
    operator.inputs = [m.tensor(a.dtype, a.shape, s, a if k in constants else None)
                       for k, (a, s) in enumerate(zip(inputs, scales))]
    operator.outputs = [m.tensor(*out, out_scale)]
    if options is not None:
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
    code.builtinCode = getattr(schema.BuiltinOperator, op)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
    m.model.operatorCodes, m.graph.operators, m.graph.outputs = [code], [operator], operator.outputs
    m.graph.inputs = [i for k, i in enumerate(operator.inputs) if k not in constants]
    builder = flatbuffers.Builder()
    builder.Finish(m.model.Pack(builder), b"TFL3")
    seen = {}
    for name, kernels in KERNELS.items():
        interpreter = Interpreter(model_content=bytes(builder.Output()), experimental_op_resolver_type=kernels, num_threads=1)
        interpreter.allocate_tensors()
        for detail, array in zip(interpreter.get_input_details(), [a for k, a in enumerate(inputs) if k not in constants]):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
        seen[name] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel().tolist()
    return seen
