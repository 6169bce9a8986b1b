"""A cell is named by what is executed: a runtime that runs a file as it is refuses other claims."""
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def model(path, kind):
    """A matrix product whose weight is of one precision."""
    weight = np.ones((4, 4), dtype=np.float32)
    nodes, weights = [], []
    if kind == "fp16":
        weights.append(numpy_helper.from_array(weight.astype(np.float16), "w"))
        nodes.append(helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16))
        nodes.append(helper.make_node("MatMul", ["h", "w"], ["p"]))
        nodes.append(helper.make_node("Cast", ["p"], ["y"], to=TensorProto.FLOAT))
    elif kind == "int8":
        weights.append(numpy_helper.from_array(weight.astype(np.int8), "q"))
        weights.append(numpy_helper.from_array(np.float32(0.1), "s"))
        nodes.append(helper.make_node("DequantizeLinear", ["q", "s"], ["w"]))
        nodes.append(helper.make_node("MatMul", ["x", "w"], ["y"]))
    else:
        weights.append(numpy_helper.from_array(weight, "w"))
        nodes.append(helper.make_node("MatMul", ["x", "w"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        weights,
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("layer", ["direct", "python"])
def test_only_what_is_executed_is_claimed(tare, tmp_path, kind, layer):
    path = tmp_path / "m.onnx"
    model(path, kind)
    study = ["--precision", "fp32,fp16,int8", "--layer", layer, "--sweeps", 2, "--restarts", 1]
    if (kind, layer) == ("fp16", "direct"):  # few processors have kernels for it
        study += ["--option", "casts=1"]
    quick = ["--runs", 5, "--warmup", "1ms", "--warmup-runs", 6, "-q", "--json"]
    run = tare("bench", path, *study, *quick, "-o", tmp_path / "run.db")
    assert run.returncode == 0, run.stderr
    cells = json.loads(run.stdout)["ledgers"][0]["cells"]
    states = {cell["precision"]: cell["state"] for cell in cells}
    assert states == {p: "ok" if p == kind else "skipped" for p in ("fp32", "fp16", "int8")}
    for cell in cells:
        if cell["state"] == "skipped":
            assert f"is an {kind} model" in cell["reason"]
