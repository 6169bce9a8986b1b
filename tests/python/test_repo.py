"""tare repo: what is rendered for a machine with a GPU is read by Triton's own parser as far as a
server on a processor can load it, for any model; what is replaced is replaced at once."""
import json
import re

import pytest

from conftest import DATA
from serving import Serving
from triton_server import needs_triton

OURS = {"nms", "nms_python"}
# What a server on a processor may say of the rest, once it has read their configuration.
LACKING = {
    "a6000": {"preprocess": "backend 'dali'", "yolov8": "backend 'tensorrt'",
              "yolov8_fused": "gpu id 0", "yolov8_ensemble": "depends on",
              "yolov8_ensemble_python": "depends on"},
    "orin": {"yolov8": "backend 'tensorrt'", "yolov8_fused": "gpu id 0",
             "yolov8_ensemble": "depends on", "yolov8_ensemble_python": "depends on"},
}


@pytest.mark.parametrize("target", sorted(LACKING))
@pytest.mark.parametrize("batch", [1, 16])
def test_triton_reads_every_configuration(tare, tmp_path, target, batch):
    needs_triton()
    repository = tmp_path / "repository"
    done = tare("repo", "--target", target, "-o", repository, "--max-batch", batch, "--json")
    assert done.returncode == 0, done.stderr
    missing = [entry["path"] for entry in json.loads(done.stdout)["missing"]]
    assert missing == ["yolov8/1/model.plan"] + ["preprocess/1/model.dali"] * (target == "a6000")
    readme = (repository / "README.md").read_text()
    assert all(path in readme for path in missing) and "@" not in readme
    with Serving(tare.program, tmp_path / "tmp", "--repository", repository) as serving:
        reasons = {name: model["reason"] for name, model in serving.models.items()}
        ready = OURS | ({"preprocess"} if target == "orin" else set())
        assert {name for name, reason in reasons.items() if reason is None} == ready, reasons
        for name, said in LACKING[target].items():
            assert said in reasons[name], reasons[name]
        assert not re.search("text.proto|pbtxt|pars", " ".join(filter(None, reasons.values())))
        assert serving.stop() == (0, "")


def test_other_sizes_and_names(tare, tmp_path):
    """A model of 320 pixels whose input is called otherwise."""
    import onnx
    path, other = tmp_path / "n.onnx", tmp_path / "other.onnx"
    assert tare("export", DATA / "yolov8n.pt", "--imgsz", 320, "--batch", "dynamic", "-o",
                path).returncode == 0
    model = onnx.load(path)
    old = model.graph.input[0].name
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        node.input[:] = ["picture" if name == old else name for name in node.input]
    onnx.save(model, other)
    repository = tmp_path / "repository"
    assert tare("repo", other, "-o", repository).returncode == 0
    assert '"picture"' in (repository / "yolov8/config.pbtxt").read_text()
    assert 'key: "picture"' in (repository / "yolov8_ensemble/config.pbtxt").read_text()
    needs_triton()
    with Serving(tare.program, tmp_path / "tmp", "--repository", repository) as serving:
        assert [m for m in serving.models.values() if not m["ready"]] == []
        pictures = sorted((DATA / "sample/images").glob("*.jpg"))[:2]
        for a, b in zip(serving.boxes("yolov8_ensemble", pictures),
                        serving.boxes("yolov8_fused", pictures)):
            assert len(a) == len(b) > 0
        assert serving.stop() == (0, "")


def rename_output(model):
    model.graph.output[1].name = "scores"


def rename_input(model):
    model.graph.input[0].name = 'x" dims: [ 1 ]'


def drop_output(model):
    del model.graph.output[5]


def wrong_side(model):
    model.graph.output[2].type.tensor_type.shape.dim[2].dim_value = 7


def other_type(model):
    model.graph.output[0].type.tensor_type.elem_type = 10


def two_inputs(model):
    model.graph.input.append(model.graph.input[0])


@pytest.mark.parametrize("change", [rename_output, rename_input, drop_output, wrong_side,
                                    other_type, two_inputs], ids=lambda c: c.__name__)
def test_a_graph_that_is_none(tare, tmp_path, small_yolov8, change):
    import onnx
    path = tmp_path / "n.onnx"
    model = onnx.load(small_yolov8(64))
    change(model)
    onnx.save(model, path)
    done = tare("repo", path, "-o", tmp_path / "repository")
    assert done.returncode == 1
    assert "is not a YOLOv8 detector with the raw head" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["n.onnx"]
