"""tare serve with the real tritonserver: what is served, that the boxes are those of predict by
every way, why a model is not loaded, and that nothing is left when it ends."""
import json
import os
import signal
import subprocess

import numpy as np
import pytest

from conftest import DATA
from serving import FREE_PORTS, Serving, is_served, left_in, processes_of, shared_memory_of, until
from triton_server import needs_triton

PATHS = ["yolov8_ensemble", "yolov8_ensemble_python", "yolov8_fused"]
PICTURES = sorted((DATA / "sample/images").glob("*.jpg"))


@pytest.fixture(scope="module", autouse=True)
def triton():
    needs_triton()


@pytest.fixture(scope="module")
def cpu(tare, tmp_path_factory):
    """The whole repository of the target cpu, served."""
    with Serving(tare.program, tmp_path_factory.mktemp("cpu")) as serving:
        yield serving
        assert serving.stop() == (0, "")


def predicted(tare, picture, *arguments):
    done = tare("predict", picture, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return np.array([[box[key] for key in ("x1", "y1", "x2", "y2", "score", "class_id")]
                     for box in json.loads(done.stdout)["boxes"]], np.float64).reshape(-1, 6)


def same(ours, expected, pixels=0.02, score=1e-4):
    assert len(ours) == len(expected)
    assert np.array_equal(ours[:, 5], expected[:, 5])
    assert np.abs(ours[:, 4] - expected[:, 4]).max(initial=0) < score
    assert np.abs(ours[:, :4] - expected[:, :4]).max(initial=0) < pixels


def test_every_model_is_ready(cpu):
    assert len(cpu.models) == 7
    assert [m["name"] for m in cpu.models.values() if not m["ready"]] == []
    assert cpu.facts["running"] and cpu.facts["tritonserver"]


@pytest.mark.parametrize("path", PATHS)
def test_boxes_are_those_of_predict(cpu, tare, path):
    for picture in PICTURES[:3]:
        same(cpu.boxes(path, [picture])[0], predicted(tare, picture))


def test_boxes_are_the_same_by_every_path(cpu):
    """In batches: what is found in a picture does not depend on its company."""
    found = {path: [rows for first in range(0, len(PICTURES), 8)
                    for rows in cpu.boxes(path, PICTURES[first:first + 8])] for path in PATHS}
    assert sum(map(len, found["yolov8_fused"])) > len(PICTURES)
    for path in PATHS:
        assert len(found[path]) == len(PICTURES)
        for ours, fused in zip(found[path], found["yolov8_fused"]):
            same(ours, fused)


def test_the_request_of_the_readme(cpu, tare):
    """Its section 'Serve' as it stands, but for the server's port."""
    text = (DATA.parent / "README.md").read_text()
    section = text[text.index("## Serve"):].split("\n## ")[0]
    lines = [line[4:] for line in section.split("\n") if line.startswith("    ")]
    script = "\n".join(line for line in lines if not line.startswith("bin/tare"))
    assert "curl" in script
    script = script.replace("127.0.0.1:8000", cpu.facts["http"])
    done = subprocess.run(["sh", "-euc", script], cwd=DATA.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours = np.array([line.split() for line in done.stdout.split("\n")
                     if len(line.split()) == 6], float)
    same(ours[ours[:, 4] > 0], predicted(tare, DATA / "sample/images/000000000030.jpg"))


def test_the_request_of_the_docs(cpu):
    """With a JSON head: every answer can be asked for as text."""
    text = (DATA.parent / "docs/serving.md").read_text()
    section = text[text.index("## Asking"):].split("\n## ")[0]
    script = "\n".join(line[4:] for line in section.split("\n") if line.startswith("    "))
    script = script.replace("127.0.0.1:8000", cpu.facts["http"])
    done = subprocess.run(["sh", "-euc", script], cwd=DATA.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outputs = {output["name"]: output for output in json.loads(done.stdout)["outputs"]}
    assert outputs["count"]["data"] == [1] and len(outputs["boxes"]["data"]) == 1800


def test_two_in_parallel(cpu, tare, tmp_path):
    with Serving(tare.program, tmp_path / "other", "--models", "preprocess") as other:
        assert list(other.models) == ["preprocess"] and other.models["preprocess"]["ready"]
        assert not {other.facts[k] for k in ("http", "grpc", "metrics")} & set(
            str(value) for value in cpu.facts.values())
        assert other.stop() == (0, "")
    assert is_served(cpu.facts["http"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals(tare, tmp_path, number):
    with Serving(tare.program, tmp_path / "tmp", "--models", "nms_python") as serving:
        assert serving.models["nms_python"]["ready"]
        assert serving.stop(number) == (0, "")


def test_a_killed_parent_leaves_no_server(tare, tmp_path):
    with Serving(tare.program, tmp_path / "tmp", "--models", "nms_python") as serving:
        pid = serving.process.pid
        serving.process.kill()
        serving.process.wait()
        until(lambda: not processes_of(serving.folder))
        serving.assert_gone(pid)


def test_a_server_that_dies(tare, tmp_path):
    with Serving(tare.program, tmp_path / "tmp", "--models", "nms_python") as serving:
        os.kill(serving.facts["pid"], signal.SIGKILL)
        _, err = serving.process.communicate(timeout=30)
        assert serving.process.returncode == 1
        assert "tritonserver died: killed by signal 9" in err
        serving.assert_gone(serving.process.pid)


def test_why_models_are_not_loaded(tare, tmp_path):
    repository = tmp_path / "repository"
    assert tare("repo", "-o", repository).returncode == 0
    config = repository / "nms/config.pbtxt"
    config.write_text(config.read_text() + "\nfoo: 3\n")
    (repository / "yolov8/1/model.onnx").write_bytes(b"no model")
    (repository / "nms_python/1/model.py").write_text("import no_such_module\n")
    with Serving(tare.program, tmp_path / "tmp", "--repository", repository) as serving:
        reasons = {name: model["reason"] for name, model in serving.models.items()}
        assert 'no field named "foo"' in reasons["nms"]
        assert "model.onnx" in reasons["yolov8"]
        assert "no_such_module" in reasons["nms_python"]
        assert "nms" in reasons["yolov8_ensemble"]
        assert reasons["preprocess"] is None and serving.models["yolov8_fused"]["ready"]
        assert serving.stop() == (0, "")
    assert config.exists()  # a repository that was given stays


def test_int8(tare, tmp_path):
    """A quantised file is served in its own precision."""
    exported, quantised = tmp_path / "n.onnx", tmp_path / "n.int8.onnx"
    assert tare("export", DATA / "yolov8n.pt", "--imgsz", 320, "--batch", "dynamic", "-o",
                exported).returncode == 0
    done = tare("quantize", exported, "--images", DATA / "sample/images", "-o", quantised)
    assert done.returncode == 0, done.stderr
    with Serving(tare.program, tmp_path / "tmp", quantised, "--models", "yolov8_fused",
                 "--precision", "int8") as serving:
        assert serving.models["yolov8_fused"]["ready"], serving.models
        fixed = tmp_path / "fixed.onnx"
        assert tare("export", DATA / "yolov8n.pt", "--imgsz", 320, "-o", fixed).returncode == 0
        ours = serving.boxes("yolov8_fused", PICTURES[:1])[0]
        assert abs(len(ours) - len(predicted(tare, PICTURES[0], "--model", fixed))) <= 3
        assert serving.stop() == (0, "")


def test_a_port_that_is_taken(cpu, tare):
    done = tare("serve", "--models", "nms", "--http-port", cpu.facts["http"].rpartition(":")[2],
                "--grpc-port", "0", "--metrics-port", "0")
    assert done.returncode == 1
    assert "is in use" in done.stderr


def test_in_the_background(tare, tmp_path):
    env = dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path), TMPDIR=str(tmp_path))

    def serve(*arguments):
        return tare("serve", *arguments, env=env)

    done = serve("--detach", "--json", "--models", "nms_python", *FREE_PORTS)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    try:
        assert facts["models"] == [{"name": "nms_python", "ready": True, "reason": None}]
        assert is_served(facts["http"])
        state = tmp_path / "tare-serve.json"
        assert state.stat().st_mode & 0o777 == 0o600
        status = json.loads(serve("--status", "--json").stdout)
        assert [status[key] for key in ("pid", "http")] == [facts["pid"], facts["http"]]
        assert "READY" in serve("--status").stdout
        second = serve("--detach", *FREE_PORTS)
        assert second.returncode == 1 and "runs already" in second.stderr
    finally:
        done = serve("--stop")
    assert (done.returncode, done.stdout) == (0, f"stopped process {facts['pid']}\n")
    assert processes_of(tmp_path) == []
    assert not any(is_served(facts[name]) for name in ("http", "grpc", "metrics"))
    assert shared_memory_of(facts["pid"]) == [] and left_in(tmp_path) == []
    assert serve("--status").returncode == 1


def test_in_the_background_what_fails_is_said_in_front(tare, tmp_path):
    env = dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path), TMPDIR=str(tmp_path))
    done = tare("serve", "--detach", "--repository", tmp_path / "absent", env=env)
    assert done.returncode == 1 and "no model repository" in done.stderr
    assert left_in(tmp_path) == []
