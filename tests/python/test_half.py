"""`tare quantize --precision fp16|bf16`: the rounding against NumPy's and ml_dtypes', the files
against onnx's checker, ONNX Runtime and OpenVINO."""
import json

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

import pipeline_reference
from conftest import DATA

KINDS = {"fp16": (TensorProto.FLOAT16, np.float16), "bf16": (TensorProto.BFLOAT16,
                                                            ml_dtypes.bfloat16)}
PICTURE = sorted((DATA / "sample/images").glob("*.jpg"))[0]


@pytest.fixture(scope="module", params=("raw", "full"))
def source(request, tare, tmp_path_factory):
    path = tmp_path_factory.mktemp("half") / f"{request.param}.onnx"
    assert tare("export", DATA / "yolov8n.pt", "-o", path, "--head", request.param).returncode == 0
    return path


def convert(tare, source, precision, *more):
    output = source.with_suffix(f".{precision}{len(more)}.onnx")
    done = tare("quantize", source, "-p", precision, "-o", output, "--json", *more)
    assert done.returncode == 0, done.stderr
    return output, json.loads(done.stdout)


def as_floats(path, data):
    """OpenVINO in FP32 on that file, whatever the type of its tensors."""
    core = openvino.Core()
    run = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32",
                                                "INFERENCE_NUM_THREADS": 1})
    return {out.any_name: value for out, value in run(data).items()}


@pytest.mark.parametrize("precision", KINDS)
def test_the_checker_passes_and_weights_are_rounded_to_nearest_even(tare, source, precision):
    output, report = convert(tare, source, precision)
    kind, rounded_type = KINDS[precision]
    before, after = onnx.load(source), onnx.load(output)
    onnx.checker.check_model(after, full_check=True)
    originals = {t.name: numpy_helper.to_array(t) for t in before.graph.initializer}
    weights = subnormals = flushed = 0
    largest = 0.0
    for tensor in after.graph.initializer:
        if tensor.data_type != kind:
            continue
        exact = originals[tensor.name.removesuffix(f"/{precision}")]
        bits = np.frombuffer(tensor.raw_data, np.uint16).reshape(exact.shape)
        wanted = exact.astype(rounded_type)
        np.testing.assert_array_equal(bits, wanted.view(np.uint16))
        weights += exact.size
        largest = max(largest, np.abs(exact.astype(np.float64) - wanted.astype(np.float64)).max())
        if precision == "fp16":
            small = (np.abs(exact) < 2.0 ** -14) & (exact != 0)
            subnormals += small.sum()
            flushed += (small & (wanted == 0)).sum()
    assert weights > 3e6, "nearly all of YOLOv8n's parameters"
    assert (report["weights"], report["subnormals"], report["flushed_to_zero"]) == (
        weights, subnormals, flushed)
    assert report["largest_weight_error"] == pytest.approx(largest)
    convolutions = [n for n in after.graph.node if n.op_type == "Conv"]
    halves = {t.name for t in after.graph.initializer if t.data_type == kind}
    kept = {row["node"] for row in report["kept_fp32"]}
    assert all(n.input[1] in halves or n.name in kept for n in convolutions)
    assert not kept if source.stem == "raw" else any("dfl" in name for name in kept)


@pytest.mark.parametrize("precision", KINDS)
def test_outputs_are_near_on_openvino(tare, source, precision):
    output, _ = convert(tare, source, precision)
    tensor, _ = pipeline_reference.letterbox(PICTURE)
    exact, half = as_floats(source, tensor), as_floats(output, tensor)
    for name, wanted in exact.items():
        assert half[name].dtype == np.float32
        noise = ((half[name] - wanted).astype(np.float64) ** 2).sum()
        decibels = 10 * np.log10((wanted.astype(np.float64) ** 2).sum() / noise)
        assert decibels > {"fp16": 45, "bf16": 25}[precision], (name, decibels)


def test_fp16_runs_on_onnxruntime(tare, source):
    output, _ = convert(tare, source, "fp16")
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    tensor, _ = pipeline_reference.letterbox(PICTURE)
    exact = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    for wanted, half in zip(exact.run(None, {"images": tensor}),
                            session.run(None, {"images": tensor})):
        assert np.abs(half - wanted).max() < 0.02 * np.abs(wanted).max()


def test_half_inputs_and_outputs(tare, source):
    output, _ = convert(tare, source, "fp16", "--io", "half")
    model = onnx.load(output)
    onnx.checker.check_model(model, full_check=True)
    edges = [*model.graph.input, *model.graph.output]
    assert {e.type.tensor_type.elem_type for e in edges} == {TensorProto.FLOAT16}
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    tensor, _ = pipeline_reference.letterbox(PICTURE)
    assert session.run(None, {"images": tensor.astype(np.float16)})[0].dtype == np.float16


def test_pictures_tell_how_far_outputs_moved(tare, source, tmp_path):
    (tmp_path / PICTURE.name).write_bytes(PICTURE.read_bytes())
    _, report = convert(tare, source, "fp16", "--images", tmp_path, "--threads", 1, "-q")
    heads = report["agreement"]["heads"]
    assert heads and all(h["largest_difference"] > 0 and h["sqnr_db"]["value"] > 40 for h in heads)
    assert report["agreement"]["pictures"] == 1


def small(path, nodes, initializers=(), opset=17, kind=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("x", kind, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", kind, [1, 4, 8, 8])],
        [numpy_helper.from_array(a, n) for n, a in initializers])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                                ir_version=8), path)
    return path


WEIGHT = np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4, 1, 1)


def test_what_half_cannot_hold_stays(tare, tmp_path):
    """A constant over 65504, a Softmax, the scales of a Resize, a constant that both sides use."""
    path = small(tmp_path / "kept.onnx", [
        helper.make_node("Mul", ["x", "big"], ["a"], "times"),
        helper.make_node("Conv", ["a", "w"], ["b"], "first"),
        helper.make_node("Softmax", ["b"], ["c"], "soft", axis=1),
        helper.make_node("Resize", ["c", "", "scales"], ["d"], "up", mode="nearest"),
        helper.make_node("Mul", ["d", "half"], ["e"], "down"),
        helper.make_node("Exp", ["half"], ["h"], "exp"),
        helper.make_node("Add", ["e", "h"], ["f"], "add"),
        helper.make_node("Conv", ["f", "w"], ["y"], "last", strides=[2, 2]),
    ], [("big", np.array(70000, np.float32)), ("w", WEIGHT),
        ("scales", np.array([1, 1, 2, 2], np.float32)), ("half", np.array(0.5, np.float32))])
    output, report = convert(tare, path, "fp16")
    model = onnx.load(output)
    onnx.checker.check_model(model, full_check=True)
    assert {(r["node"], r["reason"]) for r in report["kept_fp32"]} == {
        ("times", "range"), ("soft", "operator"), ("exp", "operator")}
    types = {t.name: t.data_type for t in model.graph.initializer}
    assert types["big"] == types["scales"] == types["half"] == TensorProto.FLOAT
    assert types["half/fp16"] == types["w"] == TensorProto.FLOAT16
    data = np.random.default_rng(0).standard_normal((1, 4, 8, 8), np.float32) / 70000
    results = [onnxruntime.InferenceSession(p, providers=["CPUExecutionProvider"]).run(
        None, {"x": data})[0] for p in (path, output)]
    np.testing.assert_allclose(*results, atol=5e-3)


def test_bf16_takes_the_same_constant(tare, tmp_path):
    path = small(tmp_path / "big.onnx", [
        helper.make_node("Mul", ["x", "big"], ["a"], "times"),
        helper.make_node("Conv", ["a", "w"], ["y"], "conv")],
        [("big", np.array(70000, np.float32)), ("w", WEIGHT)])
    output, report = convert(tare, path, "bf16")
    assert not report["kept_fp32"]
    assert onnx.load(output).opset_import[0].version == 22
    onnx.checker.check_model(onnx.load(output), full_check=True)


@pytest.mark.parametrize("what, says", [
    ("half", "the model is fp16 already, need fp32"),
    ("old", "operator set 10, need 11 or newer"),
    ("changed", "'ReduceSum' is not known to mean the same there as in set 17"),
    ("none", "No such file"),
])
def test_what_cannot_be_converted_is_said(tare, tmp_path, what, says):
    path, precision = tmp_path / f"{what}.onnx", "fp16"
    if what == "half":
        small(path, [helper.make_node("Conv", ["x", "w"], ["y"])],
              [("w", WEIGHT.astype(np.float16))], kind=TensorProto.FLOAT16)
    elif what == "old":
        small(path, [helper.make_node("Conv", ["x", "w"], ["y"])], [("w", WEIGHT)], opset=10)
    elif what == "changed":
        precision = "bf16"
        small(path, [helper.make_node("ReduceSum", ["x", "axes"], ["s"]),
                     helper.make_node("Mul", ["x", "s"], ["y"])],
              [("axes", np.array([1], np.int64)), ("w", WEIGHT)])
    done = tare("quantize", path, "-p", precision, "-o", tmp_path / "out.onnx")
    assert done.returncode == 1 and says in done.stderr, done.stderr
    assert not (tmp_path / "out.onnx").exists()
