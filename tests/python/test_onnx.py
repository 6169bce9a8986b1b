"""The ONNX room against the onnx package: what export writes is valid, what is read is kept, and
shapes come out as onnx.shape_inference has them.
"""
import os
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import DATA, ROOT

OPTIONS = ((), ("--head", "full"), ("--batch", "4"), ("--head", "full", "--batch", "dynamic"),
           ("--head", "full", "--imgsz", "320"), ("--batch", "dynamic", "--imgsz", "96"))


@pytest.fixture(scope="session")
def dump(tmp_path_factory):
    """dump(model[, copy]): the lines that onnx_dump.c prints, split into words."""
    library = ROOT / "build/libtare.a"
    if not library.exists():
        pytest.fail(f"no {library}: run 'make' first")
    program = tmp_path_factory.mktemp("onnx") / "onnx_dump"
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", f"-I{ROOT}/include",
                    f"-I{ROOT}/src", f"-I{ROOT}/build/gen", ROOT / "tests/python/onnx_dump.c",
                    library, "-lprotobuf-c", "-lm", "-o", program], check=True)

    def run(*arguments, status=0):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                              check=False)
        assert done.returncode == status, done.stderr
        return done.stderr if status else [line.split(" ") for line in done.stdout.splitlines()]

    return run


@pytest.fixture(scope="session")
def exported(tare, tmp_path_factory):
    """One file for each of OPTIONS."""
    files = []
    for i, options in enumerate(OPTIONS):
        files.append(tmp_path_factory.mktemp("exported") / f"{i}.onnx")
        done = tare("export", DATA / "yolov8n.pt", "-o", files[-1], *options)
        assert done.returncode == 0, done.stderr
    return files


def shapes_of(model):
    """Name → (type, dims) by onnx.shape_inference; a symbol counts as -1."""
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True,
                                                 data_prop=True)
    found = {}
    for value in [*inferred.graph.value_info, *inferred.graph.output]:
        tensor = value.type.tensor_type
        if tensor.HasField("shape"):
            dims = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
            found[value.name] = (tensor.elem_type, dims)
    return found


def check_shapes(dump, path):
    ours = {name: (int(kind), [int(d) for d in dims])
            for what, name, kind, rank, *dims in dump(path) if what == "value" and int(rank) >= 0}
    theirs = shapes_of(onnx.load(path))
    assert theirs
    for name, value in theirs.items():
        assert ours.get(name) == value, name


@pytest.mark.parametrize("index", range(len(OPTIONS)), ids=map(" ".join, OPTIONS))
def test_an_export_is_valid_with_the_shapes_it_says(dump, exported, index):
    onnx.checker.check_model(str(exported[index]), full_check=True)
    check_shapes(dump, exported[index])


def test_an_export_declares_its_metadata(exported):
    model = onnx.load(exported[3])
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert model.opset_import[0].version == 17 and model.ir_version == 8
    assert model.producer_name == "tare"
    assert found["stride"] == "32" and found["imgsz"] == "[640, 640]" and found["head"] == "full"
    assert found["names"].startswith("{0: 'person', 1: 'bicycle', ")
    assert "'dynamic': True" in found["args"]


def test_reading_and_writing_changes_nothing(dump, exported, tmp_path):
    for path in exported[:2]:
        dump(path, tmp_path / "again.onnx")
        before, after = onnx.load(path), onnx.load(tmp_path / "again.onnx")
        # An absent text is written as an empty one, which says the same.
        for model in (before, after):
            for node in model.graph.node:
                if not node.domain:
                    node.ClearField("domain")
        assert before == after


def of(name, values, kind=np.int64):
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


def model_of(nodes, initializers, shape=("n", 3, 8, 10), outputs=("y",)):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


node = helper.make_node
WEIGHT = of("w", np.ones((4, 3, 3, 3)), np.float32)
CASES = {
    "conv": ([node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], strides=[2, 3])], [WEIGHT]),
    "conv same": ([node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[3, 2])],
                  [WEIGHT]),
    "conv dilated": ([node("Conv", ["x", "w"], ["y"], dilations=[2, 3])], [WEIGHT]),
    "conv grouped": ([node("Conv", ["x", "v"], ["y"], group=3)],
                     [of("v", np.ones((6, 1, 1, 1)), np.float32)]),
    "pool ceil": ([node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1,
                        pads=[1, 1, 1, 1])], []),
    "pool average": ([node("AveragePool", ["x"], ["y"], kernel_shape=[2, 3])], []),
    "pool global": ([node("GlobalAveragePool", ["x"], ["y"])], []),
    "resize scales": ([node("Resize", ["x", "", "s"], ["y"], mode="nearest")],
                      [of("s", [1, 1, 2, 1.5], np.float32)]),
    "resize sizes": ([node("Resize", ["x", "", "", "s"], ["y"], mode="linear")],
                     [of("s", [2, 3, 5, 7])]),
    "broadcast": ([node("Add", ["x", "b"], ["y"])],
                  [of("b", np.ones((5, 1, 1, 8, 1)), np.float32)]),
    "compare": ([node("Greater", ["x", "b"], ["y"])], [of("b", 1, np.float32)]),
    "where": ([node("Greater", ["x", "b"], ["c"]), node("Where", ["c", "x", "b"], ["y"])],
              [of("b", 1, np.float32)]),
    "concat": ([node("Concat", ["x", "b"], ["y"], axis=-1)],
               [of("b", np.ones((2, 3, 8, 4)), np.float32)]),
    "transpose": ([node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2])], []),
    "transpose all": ([node("Transpose", ["x"], ["y"])], []),
    "flatten": ([node("Flatten", ["x"], ["y"], axis=2)], []),
    "slice": ([node("Slice", ["x", "a", "b", "i", "s"], ["y"])],
              [of("a", [-1, 1]), of("b", [-100, 9]), of("i", [3, -2]), of("s", [-3, 2])]),
    "reduce": ([node("ReduceMean", ["x"], ["y"], axes=[1, -1], keepdims=0)], []),
    "reduce sum": ([node("ReduceSum", ["x", "a"], ["y"])], [of("a", [2])]),
    "unsqueeze": ([node("Unsqueeze", ["x", "a"], ["y"])], [of("a", [0, -1])]),
    "squeeze": ([node("Unsqueeze", ["x", "a"], ["b"]), node("Squeeze", ["b", "a"], ["y"])],
                [of("a", [1])]),
    "expand": ([node("ReduceMean", ["x"], ["m"], axes=[2]), node("Expand", ["m", "s"], ["y"])],
               [of("s", [1, 3, 6, 1])]),
    "matmul": ([node("MatMul", ["x", "b"], ["y"])], [of("b", np.ones((10, 7)), np.float32)]),
    "gemm": ([node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "b"], ["y"], transB=1)],
             [of("b", np.ones((7, 240)), np.float32)]),
    "split": ([node("Split", ["x", "s"], ["y", "z"], axis=3)], [of("s", [4, 6])]),
    "split even": ([node("Split", ["x"], ["y", "z"], axis=2)], []),
    "reshape": ([node("Reshape", ["x", "s"], ["y"])], [of("s", [0, -1, 4])]),
    "reshape computed": (
        [node("Shape", ["x"], ["d"]), node("Gather", ["d", "i"], ["h"]),
         node("Mul", ["h", "two"], ["t"]), node("Concat", ["t", "rest"], ["r"], axis=0),
         node("Reshape", ["x", "r"], ["y"])],
        [of("i", [1, 2]), of("two", [2]), of("rest", [-1])]),
    "shape sliced": (
        [node("Shape", ["x"], ["d"]), node("Slice", ["d", "a", "b"], ["h"]),
         node("Resize", ["x", "", "", "h4"], ["y"]), node("Concat", ["h", "h"], ["h4"], axis=0)],
        [of("a", [2]), of("b", [4])]),
    "constant": ([node("Constant", [], ["c"], value=of("k", [[1, 2]], np.float32)),
                  node("Identity", ["c"], ["y"])], []),
    "cast": ([node("Cast", ["x"], ["y"], to=TensorProto.INT64)], []),
    "quantize": ([node("QuantizeLinear", ["x", "s", "z"], ["q"]),
                  node("DequantizeLinear", ["q", "s", "z"], ["y"])],
                 [of("s", 0.1, np.float32), of("z", 3, np.int8)]),
    "softmax": ([node("Softmax", ["x"], ["y"], axis=1)], []),
}


@pytest.mark.parametrize("case", CASES)
def test_shapes_are_those_of_the_onnx_package(dump, tmp_path, case):
    nodes, initializers = CASES[case]
    if case == "shape sliced":  # in an order that can be run
        nodes = [nodes[0], nodes[1], nodes[3], nodes[2]]
    fixed = case in ("reshape computed", "shape sliced", "gemm", "concat")
    shape = (2, 3, 8, 10) if fixed else ("n", 3, 8, 10)
    outputs = ("y", "z") if case.startswith("split") else ("y",)
    path = tmp_path / "case.onnx"
    onnx.save(model_of(nodes, initializers, shape, outputs), path)
    check_shapes(dump, path)


WRONG = {
    "conv channels": ([node("Conv", ["x", "w"], ["y"])],
                      [of("w", np.ones((4, 2, 1, 1)), np.float32)]),
    "window too large": ([node("Conv", ["x", "w"], ["y"])],
                         [of("w", np.ones((1, 3, 9, 1)), np.float32)]),
    "broadcast": ([node("Add", ["x", "b"], ["y"])], [of("b", np.ones(7), np.float32)]),
    "concat": ([node("Concat", ["x", "b"], ["y"], axis=1)],
               [of("b", np.ones((2, 3, 8, 4)), np.float32)]),
    "matmul": ([node("MatMul", ["x", "b"], ["y"])], [of("b", np.ones((9, 7)), np.float32)]),
    "reshape": ([node("Reshape", ["x", "s"], ["y"])], [of("s", [7, 7])]),
    "split": ([node("Split", ["x", "s"], ["y", "z"], axis=3)], [of("s", [4, 5])]),
    "undefined": ([node("Relu", ["nowhere"], ["y"])], []),
    "twice": ([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])], []),
}


@pytest.mark.parametrize("case", WRONG)
def test_shapes_that_contradict_each_other_are_refused(dump, tmp_path, case):
    nodes, initializers = WRONG[case]
    path = tmp_path / "wrong.onnx"
    onnx.save(model_of(nodes, initializers, (2, 3, 8, 10)), path)
    assert dump(path, status=1).count("\n") == 1


def test_operations_of_the_whole_network(dump, exported):
    """ultralytics publishes 8.7 billion for YOLOv8n at 640, after fusing."""
    rows = [row for row in dump(exported[1]) if row[0] == "cost"]
    assert all(row[-1] == "1" for row in rows)
    convolutions = sum(int(row[3]) for row in rows if row[2] == "Conv")
    assert abs(convolutions / 8.7e9 - 1) < 0.02
    weights = sum(int(row[5]) for row in rows if row[2] == "Conv")
    tensors = onnx.load(exported[1]).graph.initializer
    assert weights == sum(4 * np.prod(tensor.dims) for tensor in tensors
                          if tensor.name.endswith(("weight", "bias")))
