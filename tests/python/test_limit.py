"""The limit of a row: what a graph asks is counted again by hand and by the onnx package, the peaks
and the median come from the result file, and the share is their quotient."""
import csv
import json
import os
import subprocess

import pytest

from conftest import DATA, ROOT

numpy = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import small_models  # noqa: E402

SHORT = ["--sweeps", "2", "--restarts", "1", "--runs", "3", "--warmup", "1ms", "--warmup-runs", "2",
         "-q", "--no-ledger"]


def ledger_of(tare, path):
    done = tare("report", path, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["ledgers"][0]


@pytest.fixture(scope="module")
def small(tare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limit")
    model = small_models.convolution(folder / "small.onnx")
    done = tare("bench", model, "--batch", "2", "--threads", "1", *SHORT, "-o", folder / "run.db")
    assert done.returncode == 0, done.stderr
    return folder / "run.db"


def rates(peaks):
    return {(r["what"], r["all_threads"]): r for r in peaks["rates"]}


def test_counts_a_convolution_as_by_hand(tare, small):
    limit = ledger_of(tare, small)["cells"][0]["limit"]
    outputs = 2 * 8 * 16 * 16
    assert limit["operations"] == outputs * (2 * 3 * 3 * 3) + outputs + outputs  # Relu, mean
    floats = 8 * 3 * 3 * 3 + 2 * 3 * 16 * 16 + outputs + 2 * 8
    assert limit["bytes"] == 4 * floats


def test_share_is_the_limit_over_the_median(tare, small):
    ledger = ledger_of(tare, small)
    cell, = ledger["cells"]
    limit, peaks = cell["limit"], rates(ledger["peaks"])
    fp32, cache = peaks["fp32", False]["best"], peaks["cache", False]["best"]
    seconds = max(limit["operations"] / fp32, limit["bytes"] / cache)
    assert limit["limit_ns"] == pytest.approx(seconds * 1e9)
    assert limit["of_limit"] == pytest.approx(
        limit["limit_ns"] / cell["times"]["back_to_back"]["p50_ns"])
    assert limit["operations_per_byte"] == pytest.approx(limit["operations"] / limit["bytes"])


def test_peaks_are_ordered_and_possible(tare, small):
    for rate in ledger_of(tare, small)["peaks"]["rates"]:
        assert 1e6 < rate["worst"] <= rate["median"] <= rate["best"] < 1e16, rate


def test_text_and_csv_say_it(tare, small, tmp_path):
    done = tare("report", small, "--csv", tmp_path / "run.csv")
    assert "of limit" in done.stdout and "last cache" in done.stdout
    limit = ledger_of(tare, small)["cells"][0]["limit"]
    row = next(csv.DictReader(open(tmp_path / "run.csv", encoding="utf-8")))
    assert float(row["of_limit"]) == pytest.approx(limit["of_limit"])
    assert row["held_by"] == limit["held_by"]


def test_peaks_can_be_left_out(tare, tmp_path):
    model = small_models.convolution(tmp_path / "small.onnx")
    done = tare("bench", model, "--no-peaks", *SHORT, "-o", tmp_path / "run.db")
    assert done.returncode == 0, done.stderr
    ledger = ledger_of(tare, tmp_path / "run.db")
    assert ledger["peaks"] is None and ledger["cells"][0]["limit"] is None


def convolutions(path):
    """Operations of a model's convolutions, by the shapes that the onnx package infers."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in [*model.graph.value_info, *model.graph.output]}
    weights = {w.name: list(w.dims) for w in model.graph.initializer}
    return sum(2 * int(numpy.prod(weights[n.input[1]][1:])) * int(numpy.prod(shapes[n.output[0]]))
               for n in model.graph.node if n.op_type == "Conv")


def test_yolov8n_is_what_is_published(tare, tmp_path):
    """Ultralytics' table says 8.7 GFLOPs for yolov8n at 640."""
    done = tare("bench", DATA / "yolov8n.pt", *SHORT, "-o", tmp_path / "run.db")
    assert done.returncode == 0, done.stderr
    limit = ledger_of(tare, tmp_path / "run.db")["cells"][0]["limit"]
    exported, = (tmp_path / "models").glob("*.onnx")
    assert convolutions(exported) < limit["operations"] < 1.02 * convolutions(exported)
    assert limit["operations"] == pytest.approx(8.7e9, rel=0.02)
    model = onnx.load(exported)
    weights = sum(numpy.prod(w.dims) for w in model.graph.initializer if w.data_type == 1)
    edges = sum(numpy.prod([d.dim_value for d in v.type.tensor_type.shape.dim])
                for v in [*model.graph.input, *model.graph.output])
    assert limit["bytes"] == pytest.approx(4 * (weights + edges), rel=0.001)


def on_a_device(tare, folder, driver, **settings):
    """A bench of a cell on cuda:0, with the stand-ins of NVIDIA's driver and of cuBLASLt."""
    fixtures = ROOT / "build/fixtures"
    if not (fixtures / "cublaslt_standin.so").exists():
        subprocess.run(["make", "-s", "unit"], cwd=ROOT, check=True)
    env = dict(os.environ, TARE_CUDA_DRIVER=str(driver or fixtures / "cuda_standin.so"),
               TARE_CUBLASLT=str(fixtures / "cublaslt_standin.so"), **settings)
    model = small_models.convolution(folder / "small.onnx")
    done = tare("bench", model, "--runtime", "null", "--device", "cpu,cuda:0", *SHORT,
                "-o", folder / "run.db", env=env)
    assert done.returncode == 0, done.stderr
    return done


def test_a_device_is_held_against_its_own_peaks(tare, tmp_path):
    leaks = tmp_path / "leaks"
    on_a_device(tare, tmp_path, None, STANDIN_CUDA=f"memory_mb=1,leaks={leaks}")
    ledger = ledger_of(tare, tmp_path / "run.db")
    device, = ledger["peaks"]["devices"]
    assert device["stand_in"] and device["name"] == "Stand-in 0" and not device["why"]
    best = {r["what"]: r["best"] for r in device["rates"]}
    assert set(best) == {"fp32", "tf32", "fp16", "bf16", "int8", "device copy", "host to device",
                         "device to host"}
    cpu, cuda = (c["limit"] for c in ledger["cells"])
    seconds = max(cuda["operations"] / best["fp32"], cuda["bytes"] / best["device copy"])
    assert cuda["limit_ns"] == pytest.approx(seconds * 1e9)
    assert cuda["fits_l2"] and not cpu["fits_l2"]
    assert cuda["highest_operations_per_s"] != cpu["highest_operations_per_s"]
    assert set(leaks.read_text().split("\n")) == {"live 0", ""}  # and no context stays open
    page = tmp_path / "run.html"
    done = tare("report", tmp_path / "run.db", "-o", page)
    assert "a stand-in of a device" in done.stdout
    html = page.read_text(encoding="utf-8")
    assert "Roofline of cuda:0, Stand-in 0" in html and "Roofline of this machine" in html


def test_without_a_device_there_is_one_reason(tare, tmp_path):
    done = on_a_device(tare, tmp_path, "/nowhere/libcuda.so.1")
    why = "there is no '/nowhere/libcuda.so.1' (TARE_CUDA_DRIVER)"
    assert done.stderr.count(why) == 1
    ledger = ledger_of(tare, tmp_path / "run.db")
    device, = ledger["peaks"]["devices"]
    assert not device["known"] and device["why"] == why and not device["rates"]
    cpu, cuda = (c["limit"] for c in ledger["cells"])
    assert cpu and cuda is None
    text = " ".join(tare("report", tmp_path / "run.db").stdout.split())
    assert f"the peaks of cuda:0 were not measured: {why}" in text
