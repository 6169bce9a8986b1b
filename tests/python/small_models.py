"""Small ONNX models for the runtimes' tests, each with what is special about it."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _save(path, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "small", inputs, outputs,
                              [numpy_helper.from_array(a, n) for n, a in initializers])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def _value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def convolution(path, batch="batch"):
    """Convolution, Relu, mean: two outputs, a dynamic batch."""
    random = np.random.default_rng(1)
    weight = random.standard_normal((8, 3, 3, 3), np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["c"], ["y"]),
             helper.make_node("GlobalAveragePool", ["y"], ["mean"])]
    return _save(path, nodes, [_value("x", [batch, 3, 16, 16])],
                 [_value("y", [batch, 8, 16, 16]), _value("mean", [batch, 8, 1, 1])],
                 [("w", weight)])


def any_size(path):
    """Convolution of pictures of any size: height and width are dynamic too."""
    weight = np.random.default_rng(2).standard_normal((8, 3, 3, 3), np.float32)
    return _save(path, [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
                 [_value("x", ["batch", 3, "height", "width"])],
                 [_value("y", ["batch", 8, "height", "width"])], [("w", weight)])


def half(path):
    """The same in FP16, inputs, weights and outputs."""
    convolution(path, 1)
    model = onnx.load(path)
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    weight = model.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(
        numpy_helper.to_array(weight).astype(np.float16), weight.name))
    onnx.save(model, path)
    return path


def every_type(path):
    """One Identity for each element type that a plugin must carry."""
    kinds = {"float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE,
             "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32,
             "int64": TensorProto.INT64, "uint8": TensorProto.UINT8,
             "uint16": TensorProto.UINT16, "uint32": TensorProto.UINT32,
             "uint64": TensorProto.UINT64, "bool": TensorProto.BOOL}
    nodes = [helper.make_node("Identity", [f"i_{k}"], [f"o_{k}"]) for k in kinds]
    return _save(path, nodes, [_value(f"i_{k}", [2, 3], v) for k, v in kinds.items()],
                 [_value(f"o_{k}", [2, 3], v) for k, v in kinds.items()])


def data_dependent(path):
    """NonZero: the shape of the output depends on the values of the input."""
    return _save(path, [helper.make_node("NonZero", ["x"], ["where"])], [_value("x", [4, 4])],
                 [_value("where", [2, "count"], TensorProto.INT64)])


def fails_at_run(path):
    """Reshape to a size that the input has not: loads, and cannot run."""
    return _save(path, [helper.make_node("Reshape", ["x", "shape"], ["y"])],
                 [_value("x", ["n", 4]), _value("shape", [2], TensorProto.INT64)],
                 [_value("y", ["a", "b"])])


def strings(path):
    return _save(path, [helper.make_node("Identity", ["s"], ["t"])],
                 [_value("s", [1], TensorProto.STRING)], [_value("t", [1], TensorProto.STRING)])


def wrong_shapes(path):
    """A matrix product whose sides do not fit."""
    weight = np.ones((5, 2), np.float32)
    return _save(path, [helper.make_node("MatMul", ["x", "w"], ["y"])], [_value("x", [1, 4])],
                 [_value("y", [1, 2])], [("w", weight)])
