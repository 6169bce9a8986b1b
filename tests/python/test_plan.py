"""`tare plan`: engines built without a GPU by TensorRT for RTX, kept, used again and refused.

Nothing here runs an engine: that needs the GPU that it is for.
"""
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess

import onnx
import pytest

from conftest import DATA, ROOT

LIBRARIES = ROOT / ".deps/tensorrt/onnxruntime_ep_nv_tensorrt_rtx"
needs_rtx = pytest.mark.skipif(
    not any(LIBRARIES.glob("libtensorrt_rtx.so.1*")),
    reason=f"no TensorRT for RTX for {platform.machine()}: tools/setup tensorrt")


@pytest.fixture(scope="module")
def models(tare, tmp_path_factory):
    """{what: an ONNX file} of the real detector, whole."""
    folder = tmp_path_factory.mktemp("models")
    paths = {"fp32": folder / "n.onnx", "dynamic": folder / "dynamic.onnx",
             "fp16": folder / "n.fp16.onnx", "int8": folder / "n.int8.onnx",
             "cpu": folder / "n.cpu.onnx"}

    def run(*arguments):
        done = tare(*arguments)
        assert done.returncode == 0, done.stderr

    run("export", DATA / "yolov8n.pt", "-o", paths["fp32"])
    run("export", DATA / "yolov8n.pt", "--batch", "dynamic", "-o", paths["dynamic"])
    run("quantize", paths["fp32"], "--precision", "fp16", "-o", paths["fp16"])
    run("quantize", paths["fp32"], "--for", "tensorrt", "--images", DATA / "calibration",
        "--limit", 4, "-q", "-o", paths["int8"], "--cache", folder / "n.cache")
    run("quantize", paths["fp32"], "--for", "cpu", "--images", DATA / "calibration",
        "--limit", 4, "-q", "-o", paths["cpu"])
    paths["cache"] = folder / "n.cache"
    return paths


def plan(tare, *arguments, **options):
    """Builds; the summary as JSON."""
    done = tare("plan", *arguments, "--json", **options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def refusal(tare, *arguments, **options):
    done = tare("plan", *arguments, **options)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr.startswith("tare plan: ")
    return done.stderr


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@needs_rtx
@pytest.mark.parametrize("model, precision, types", (
    ("fp32", None, {"fp32": 63}), ("fp32", "fp16", {"fp16": 63}), ("fp16", None, {"fp16": 63}),
    ("int8", "int8", {"fp32": 3, "int8": 60})))
def test_builds_for_an_a6000_without_a_gpu(tare, models, tmp_path, model, precision, types):
    made = plan(tare, models[model], "--for", "sm_86", "-o", tmp_path,
                *(["--precision", precision] if precision else []))
    engine = pathlib.Path(made["path"])
    sidecar = json.loads((engine.parent / f"{engine.name}.json").read_text())

    wanted = precision or model
    assert engine.name == f"n.sm86.rtx1.7.1.{wanted}-{sha256(models[model])[:12]}.plan"
    assert made["architecture"] == "sm_86" and made["library"] == "TensorRT for RTX 1.7.1"
    assert made["convolutions"] == 63
    for name in ("fp32", "fp16", "int8"):
        assert made[f"convolutions_{name}"] == types.get(name, 0)
    assert made["built_on"] == "" and not made["reused"]
    assert made["converted"] == ("FP16 by tare" if (model, precision) == ("fp32", "fp16") else "")
    assert sidecar["engine_sha256"] == sha256(engine) == made["engine_sha256"]
    assert sidecar["engine_bytes"] == engine.stat().st_size > 1e6
    assert sidecar["model_sha256"] == sha256(models[model])
    assert sorted(path.name for path in tmp_path.iterdir()) == [engine.name, f"{engine.name}.json"]


@needs_rtx
def test_says_that_it_was_not_run(tare, models, tmp_path):
    done = tare("plan", models["fp32"], "--for", "sm_86", "-o", tmp_path / "n.plan")
    assert "without a GPU: built for it, not run\n" in done.stdout


@needs_rtx
def test_uses_again_what_is_there(tare, models, tmp_path):
    first = plan(tare, models["fp32"], "--for", "sm_86", "-o", tmp_path)
    again = plan(tare, models["fp32"], "--for", "sm_86", "-o", tmp_path)
    assert again == first | {"reused": True}
    other = plan(tare, models["fp32"], "--for", "sm_89", "-o", tmp_path)
    assert other["path"] != first["path"] and not other["reused"]
    rebuilt = plan(tare, models["fp32"], "--for", "sm_86", "-o", tmp_path, "--rebuild")
    assert rebuilt["path"] == first["path"] and not rebuilt["reused"]


@needs_rtx
def test_a_dynamic_batch_gets_a_range(tare, models, tmp_path):
    made = plan(tare, models["dynamic"], "--for", "sm_86", "--max-batch", 8, "-o", tmp_path)
    assert made["max_batch"] == 8 and ".b8-" in made["path"]
    commands = made["trtexec"]["TensorRT 10"]
    assert "--minShapes=images:1x3x640x640" in commands
    assert "--maxShapes=images:8x3x640x640" in commands
    error = refusal(tare, models["fp32"], "--for", "sm_86", "--max-batch", 8, "-o", tmp_path)
    assert "has a fixed batch of 1, not one up to 8: 'tare export --batch dynamic'" in error


@needs_rtx
def test_refuses_an_engine_that_is_for_another(tare, models, tmp_path):
    engine = tmp_path / "n.plan"
    made = plan(tare, models["fp32"], "--for", "sm_86", "-o", engine)
    for arguments, says in (
            ((models["fp32"], "--for", "sm_89"), "is for sm_86, not sm_89"),
            ((models["fp32"], "--for", "sm_86", "-p", "fp16"), "is in fp32, not fp16"),
            ((models["dynamic"], "--for", "sm_86"),
             f"was built from a model {sha256(models['fp32'])[:12]}..., "
             f"not {sha256(models['dynamic'])[:12]}..."),
            ((models["fp32"], "--for", "sm_86", "--level", 1), "was built with --level -1, not 1"),
            ((models["fp32"], "--for", "sm_86", "--workspace", 64),
             "was built with --workspace 0, not 64")):
        error = refusal(tare, *arguments, "-o", engine)
        assert f"'{engine}' is there and {says}: name another file, or --rebuild" in error
    assert sha256(engine) == made["engine_sha256"]


@needs_rtx
def test_refuses_what_was_changed_since(tare, models, tmp_path):
    engine, sidecar = tmp_path / "n.plan", tmp_path / "n.plan.json"
    arguments = (models["fp32"], "--for", "sm_86", "-o", engine)
    plan(tare, *arguments)
    whole, text = engine.read_bytes(), sidecar.read_text()

    engine.write_bytes(whole[:1000])
    assert f"was cut or changed: it has 1000 bytes, built were {len(whole)}" in refusal(
        tare, *arguments)
    engine.write_bytes(whole[:1000] + b"\x00\x01" + whole[1002:])
    assert "was changed since it was built" in refusal(tare, *arguments)
    engine.write_bytes(whole)
    sidecar.write_text(text.replace("sm_86", "sm_86\\u001b[31m"))
    assert "\x1b" not in refusal(tare, *arguments)
    sidecar.write_text(text[:200])
    assert "n.plan.json' is damaged: " in refusal(tare, *arguments)
    sidecar.unlink()
    assert "it is not known what the engine is for; --rebuild" in refusal(tare, *arguments)
    assert plan(tare, *arguments, "--rebuild")["engine_bytes"] > 1e6


@needs_rtx
def test_a_precision_that_the_file_has_not_is_refused(tare, models, tmp_path):
    def error(model, precision, *more):
        text = refusal(tare, models[model], "--for", "sm_86", "-p", precision, "-o", tmp_path,
                       *more)
        assert not list(tmp_path.iterdir())
        return text

    assert "is int8, asked for is fp32" in error("int8", "fp32")
    assert "is int8, asked for is fp16" in error("int8", "fp16")
    assert "is fp16, asked for is fp32" in error("fp16", "fp32")
    assert "is fp32 without Q/DQ, asked for is int8: 'tare quantize" in error("fp32", "int8")
    assert "and it knows no calibration cache" in error(
        "fp32", "int8", "--calibration", models["cache"])
    assert "and it knows no DLA" in error("fp32", "fp16", "--dla", 0)


@needs_rtx
def test_says_what_the_library_says(tare, models, tmp_path):
    """Asymmetric 8 bits: what tare makes for a processor, and TensorRT refuses."""
    error = refusal(tare, models["cpu"], "--for", "sm_86", "-o", tmp_path)
    assert "TensorRT for RTX 1.7.1 cannot read " in error
    assert "(QuantizeLinear): " in error and "Non-zero zero point is not supported" in error


@needs_rtx
def test_an_operator_that_nobody_knows(tare, models, tmp_path):
    model = onnx.load(models["fp32"])
    node = next(n for n in model.graph.node if n.op_type == "Sigmoid")
    node.op_type, node.domain, name = "Frobnicate", "com.example", node.name
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    onnx.save(model, tmp_path / "odd.onnx")
    error = refusal(tare, tmp_path / "odd.onnx", "--for", "sm_86", "-o", tmp_path)
    assert "cannot read" in error and f"'{name}' (Frobnicate): " in error
    assert not list(tmp_path.glob("*.plan*"))


@needs_rtx
def test_an_architecture_that_it_has_not(tare, models, tmp_path):
    error = refusal(tare, models["fp32"], "--for", "sm_87", "-o", tmp_path)
    assert "builds for sm_75, sm_80, sm_86, sm_89, sm_120 and sm_121, not for sm_87" in error


def test_a_damaged_model(tare, models, tmp_path):
    whole = models["fp32"].read_bytes()
    for name, data in (("cut.onnx", whole[:100000]), ("empty.onnx", b""), ("text.onnx", b"hello")):
        (tmp_path / name).write_bytes(data)
        error = refusal(tare, tmp_path / name, "--for", "sm_86", "-o", tmp_path)
        assert name in error
    assert "no such" in refusal(tare, tmp_path / "none.onnx").lower()


def test_no_library_says_how_to_get_one(tare, models, tmp_path):
    environment = os.environ | {"TARE_TENSORRT": str(tmp_path / "libnvinfer.so.10")}
    error = refusal(tare, models["fp32"], "--for", "sm_86", "-o", tmp_path, env=environment)
    assert f"no TensorRT at '{tmp_path}/libnvinfer.so.10' (TARE_TENSORRT)" in error
    (tmp_path / "libnvinfer.so.10").write_bytes(b"\x7fELF nonsense")
    error = refusal(tare, models["fp32"], "--for", "sm_86", "-o", tmp_path, env=environment)
    assert "cannot load TensorRT: " in error


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU")
def test_no_gpu_says_what_can_be_built_for(tare, models):
    assert "no GPU here to build for" in refusal(tare, models["fp32"])


def test_commands_need_no_library(tare, models, tmp_path):
    environment = os.environ | {"TARE_TENSORRT": str(tmp_path / "nothing")}
    commands = plan(tare, models["fp32"], "-p", "fp16", "--commands", env=environment)["trtexec"]
    assert " --fp16 " in commands["TensorRT 8.6"] and " --fp16 " in commands["TensorRT 10"]
    assert "--fp16" not in commands["TensorRT 11"]
    assert commands["TensorRT 11"].startswith("tare quantize ")
    jetson = commands["Jetson's DLA (TensorRT 8.6, 10)"]
    assert " --useDLACore=0 --allowGPUFallback " in jetson

    commands = plan(tare, models["fp32"], "-p", "int8", "--calibration", models["cache"],
                    "--commands", "--dla", 1, env=environment)["trtexec"]
    assert f" --fp16 --int8 --calib={models['cache']} --useDLACore=1 --allowGPUFallback " in (
        commands["TensorRT 8.6"])
    assert commands["TensorRT 11"].startswith("(")


# --- the libraries that no machine without a GPU can run: a stand-in, which builds a text that says
# with what it was called (tests/fixtures/trt_builder.c)

FIXTURES = ROOT / "build/fixtures"


def standin(architecture=87, **settings):
    return os.environ | {
        "TARE_TENSORRT": str(FIXTURES / "trt_builder.so"),
        "TARE_CUDA_DRIVER": str(FIXTURES / "cuda_standin.so"),
        "STANDIN_CUDA": f"sm={architecture},devices=1",
        "STANDIN_BUILDER": ",".join(f"{name}={value}" for name, value in settings.items())}


def engine_text(made):
    return pathlib.Path(made["path"]).read_text()


FP16, INT8, FALLBACK, TF32 = 1 << 0, 1 << 1, 1 << 3, 1 << 6


@pytest.mark.parametrize("version, name, tf32", (
    (8601, "trt8.6.1", 1 << 7), (100300, "trt10.3.0", TF32), (101601, "trt10.16.1", TF32)))
def test_flags_choose_types_until_10(tare, models, tmp_path, version, name, tf32):
    def flags(precision, *more):
        made = plan(tare, models["fp32"], "-p", precision, "-o", tmp_path, "--rebuild", *more,
                    env=standin(version=version))
        assert f".sm87.{name}." in made["path"] and made["converted"] == ""
        return int(engine_text(made).split(" flags ")[1].split()[0], 16)

    assert flags("fp32") == tf32
    assert flags("fp32", "--no-tf32") == 0
    assert flags("fp16") == tf32 | FP16
    made = plan(tare, models["int8"], "-o", tmp_path, env=standin(version=version, file="int8"))
    assert f"flags {tf32 | FP16 | INT8:#x} " in engine_text(made)


@pytest.mark.parametrize("version", (110000, 110100, 10701))
def test_the_file_chooses_types_from_11_on(tare, models, tmp_path, version):
    made = plan(tare, models["fp32"], "-p", "fp16", "-o", tmp_path,
                env=standin(version=version, file="fp16"))
    assert made["converted"] == "FP16 by tare" and made["convolutions_fp16"] == 1
    assert f" flags {TF32:#x} network 0 " in engine_text(made)
    error = refusal(tare, models["fp32"], "-p", "fp16", "-o", tmp_path, "--rebuild",
                    env=standin(version=version, file="fp32"))
    assert "is fp32, asked for is fp16: of its 1 convolutions 1 are in FP32" in error
    assert "takes types from the file" in error


def test_a_half_file_is_strongly_typed_in_10(tare, models, tmp_path):
    made = plan(tare, models["fp16"], "-o", tmp_path, env=standin(version=100300, file="fp16"))
    assert f" flags {TF32:#x} network 0x2 " in engine_text(made)


@pytest.mark.parametrize("version", (8601, 101601, 110100))
def test_options_reach_the_builder(tare, models, tmp_path, version):
    made = plan(tare, models["dynamic"], "--max-batch", 8, "--workspace", 64, "--level", 2,
                "-o", tmp_path, env=standin(version=version))
    text = engine_text(made)
    assert f" network {'0x1' if version == 8601 else '0'} level 2 verbosity 2 " in text
    assert f" pool {64 << 20} " in text and " profiles 1 1-8-8 " in text
    assert made["built_on"].startswith("Stand-in")


@pytest.mark.parametrize("version, compatible", ((8601, True), (100300, True), (110100, False)))
def test_a_dla_takes_a_calibration_cache(tare, models, tmp_path, version, compatible):
    cache = tmp_path / "n.cache"
    cache.write_text(models["cache"].read_text().replace("TRT-8601-", f"TRT-{version}-"))
    arguments = (models["fp32"], "-p", "int8", "--calibration", cache, "--dla", 1, "-o", tmp_path)
    environment = standin(version=version, dla=2)
    if not compatible:
        assert "takes INT8 from a Q/DQ file alone, not from a calibration cache" in refusal(
            tare, *arguments, env=environment)
        return
    made = plan(tare, *arguments, env=environment)
    text = engine_text(made)
    assert ".int8.dla1-" in made["path"] and (made["dla_layers"], made["gpu_layers"]) == (1, 2)
    flags = (1 << 7 if version == 8601 else TF32) | FP16 | INT8 | FALLBACK
    assert f" flags {flags:#x} " in text and " dla 1/1 " in text
    assert f" calibration {cache.stat().st_size} 'TRT-{version}-" in text
    done = tare("plan", *arguments, env=environment)
    assert "  DLA      core 1 can run 1 layers, 2 fall back to the GPU\n" in done.stdout


def test_what_a_dla_refuses(tare, models, tmp_path):
    def error(*arguments, **settings):
        return refusal(tare, *arguments, "-o", tmp_path, env=standin(**settings))

    settings = {"version": 100300, "dla": 2}
    assert "no DLA core 2 on this machine, it has 2" in error(
        models["fp32"], "-p", "fp16", "--dla", 2, **settings)
    assert "a DLA computes in fp16 or int8, not in fp32" in error(
        models["fp32"], "--dla", 0, **settings)
    assert "a DLA takes INT8 by a calibration cache, not by the Q/DQ of" in error(
        models["int8"], "--dla", 0, file="int8", **settings)
    assert "n.cache' is for TensorRT 8601, the library is 100300: " in error(
        models["fp32"], "-p", "int8", "--calibration", models["cache"], **settings)
    assert "is no calibration cache" in error(
        models["fp32"], "-p", "int8", "--calibration", models["fp32"], **settings)


def test_a_timing_cache_is_kept_and_used(tare, models, tmp_path):
    environment = standin(version=100300)
    cache = tmp_path / "timing.sm87.trt10.3.0.cache"

    def build(*more):
        return engine_text(plan(tare, models["fp32"], "-o", tmp_path, "--rebuild", *more,
                                env=environment))

    assert build().endswith(" timing 1 0") and cache.read_text() == "timings of kernels"
    assert build().endswith(" timing 1 18")
    cache.write_text("of another library")
    assert build().endswith(" timing 1 0") and cache.read_text() == "timings of kernels"
    assert build("--timing-cache", "none").endswith(" timing 0 0")
    made = plan(tare, models["fp32"], "-o", tmp_path / "n.plan", env=environment)
    assert engine_text(made).endswith(" timing 0 0")  # beside a named file nothing else is put


def test_two_that_build_the_same_file_at_once(tare, models, tmp_path):
    path = tmp_path / "one of two.plan"
    environment = standin(version=100300)
    for _ in range(8):
        both = [subprocess.Popen([ROOT / "bin/tare", "plan", models["fp32"], "-p", precision, "-q",
                                  "--rebuild", "-o", path],
                                 env=environment, stdout=subprocess.DEVNULL)
                for precision in ("fp32", "fp16")]
        assert [one.wait() for one in both] == [0, 0]
        sidecar = json.loads(pathlib.Path(f"{path}.json").read_text())
        assert sidecar["engine_sha256"] == sha256(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, path.name + ".json"]


def test_a_name_as_long_as_names_get(tare, models, tmp_path):
    name = "é" * 125 + ".onnx"
    (tmp_path / name).write_bytes(models["fp32"].read_bytes())
    arguments = (tmp_path / name, "-o", tmp_path / "x.plan")
    plan(tare, *arguments, env=standin(version=100300))
    assert plan(tare, *arguments, env=standin(version=100300))["reused"]


def test_a_library_builds_for_its_own_gpu_alone(tare, models, tmp_path):
    error = refusal(tare, models["fp32"], "--for", "sm_86", "-o", tmp_path,
                    env=standin(87, version=100300))
    assert "TensorRT 10.3.0 builds for the GPU of its machine (Stand-in" in error
    assert "not for sm_86: TensorRT for RTX alone builds for another" in error


@pytest.mark.parametrize("version, says", (
    (9300, "TensorRT 9.3.0"), (101700, "TensorRT 10.17.0"), (10800, "TensorRT for RTX 1.8.0")))
def test_a_version_without_a_table_is_refused(tare, models, version, says):
    error = refusal(tare, models["fp32"], env=standin(version=version))
    assert f"cannot use 'trt_builder.so': {says}, need TensorRT 8.6, 10.0 to 10.16, " in error


@pytest.mark.parametrize("fail, says", (
    ("crash", "TensorRT took its process with it: killed by signal 6"),
    ("build", "cannot build an engine: could not find any implementation for node conv"),
    ("config", "cannot make a configuration: no configuration today"),
    ("parse", "cannot read ")))
@pytest.mark.parametrize("version", (8601, 110100))
def test_what_fails_leaves_nothing_behind(tare, models, tmp_path, fail, says, version):
    error = refusal(tare, models["fp32"], "-o", tmp_path, env=standin(version=version, fail=fail))
    assert says in error and len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target, architecture", (("a6000", 86), ("orin", 87)))
def test_builds_what_a_repository_misses(tare, models, tmp_path, target, architecture):
    """The command that `tare repo` names, as it stands, in the repository."""
    done = tare("repo", "--target", target, "-o", tmp_path / "repo", "--models", "yolov8", "--json")
    assert done.returncode == 0, done.stderr
    missing, = (m for m in json.loads(done.stdout)["missing"] if m["path"].endswith(".plan"))
    assert missing["command"].startswith("tare plan ")
    made = plan(tare, *missing["command"].split()[2:], cwd=tmp_path / "repo",
                env=standin(architecture, version=100300))
    assert made["architecture"] == f"sm_{architecture}"
    assert (tmp_path / "repo" / missing["path"]).exists()


@pytest.mark.skipif(not (ROOT / "bin/plugins/tensorrt.so").exists(), reason="no plugin tensorrt")
def test_bench_builds_engines(tare, tmp_path):
    cells = [{"name": p, "runtime": "tensorrt", "device": "cuda:0", "precision": p}
             for p in ("fp32", "fp16")]
    study = tmp_path / "s.json"
    study.write_text(json.dumps({"name": "s", "model": str(DATA / "yolov8n.pt"), "sweeps": 1,
                                 "images": str(DATA / "sample/images"), "restarts": 1,
                                 "budget_ms": 1000, "cells": cells}))
    done = tare("bench", study, "-o", tmp_path / "o.db", env=standin(version=100300, fail="build"))
    for precision in ("fp32", "fp16"):
        assert f"cell '{precision}' skipped: no engine: TensorRT 10.3.0 cannot build an engine: " \
               "could not find any implementation" in done.stderr
    assert not list((tmp_path / "models").glob("*.plan*"))
    tare("bench", study, "-o", tmp_path / "o.db", env=standin(version=100300))
    # FP32 as the other runtimes have it: not rounded to TF32.
    for name, flags in (("fp32.notf32", 0), ("fp16", TF32 | FP16)):
        made = list((tmp_path / "models").glob(f"yolov8n-raw-640-b1.sm87.trt10.3.0.{name}-*.plan"))
        assert len(made) == 1 and f" flags {flags:#x} ".replace("0x0", "0") in made[0].read_text()
