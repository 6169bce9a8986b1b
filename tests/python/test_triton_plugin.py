"""The triton plugin: models of a repository, served by a tritonserver inside this process."""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

import small_models  # noqa: E402
import tare_abi  # noqa: E402
import triton_server  # noqa: E402
from conftest import DATA  # noqa: E402
from tare_abi import Session, TareError  # noqa: E402

tare_abi.build_plugins()
SIZE = 320  # of the detector that pipelines run
STRIDES = 8, 16, 32
PICTURES = sorted((DATA / "sample/images").glob("*.jpg"))
SHAPES = {"y": (1, 8, 16, 16), "mean": (1, 8, 1, 1)}
TRITON_TYPES = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "int8": "INT8",
                "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8",
                "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "bool": "BOOL"}


@pytest.fixture(autouse=True)
def needs_triton():
    triton_server.needs_triton()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


def tensors(side, rows):
    """config.pbtxt's text of (name, Triton's type, dims) rows."""
    return "".join(f'{side} [{{ name: "{name}" data_type: TYPE_{kind} dims: {list(dims)} }}]\n'
                   for name, kind, dims in rows)


def host(repository, name, inputs, outputs, model=None, max_batch=4, text="", **parameters):
    """A model of our backend; model: the file that it executes."""
    folder = triton_server.write_config(
        repository, name, f'backend: "tare"\nmax_batch_size: {max_batch}\n'
        + tensors("input", inputs) + tensors("output", outputs)
        + "instance_group [{ kind: KIND_CPU }]\n" + triton_server.parameters(**parameters) + text)
    if model:
        shutil.copy(model, folder / "model.onnx")


def host_null(repository, name="null", text="", **options):
    """One number in, one out, and nothing done in between but what options say."""
    host(repository, name, [("x", "FP32", [1])], [("y", "FP32", [1])], plugin="null", text=text,
         option__inputs="x:fp32:-1x1", option__outputs="y:fp32:-1x1",
         **{f"option__{key}": value for key, value in options.items()})


def host_convolution(repository, tmp_path, name="small", **parameters):
    model = small_models.convolution(str(tmp_path / "m.onnx"))
    host(repository, name, [("x", "FP32", [3, 16, 16])],
         [("y", "FP32", [8, 16, 16]), ("mean", "FP32", [8, 1, 1])], model, threads=1, **parameters)
    return model


def host_pipelines(repository, detector):
    """JPEG files to boxes, in one model and as an ensemble of three."""
    head = [(f"{kind}{stride}", "FP32", [count, SIZE // stride, SIZE // stride])
            for stride in STRIDES for kind, count in (("box", 64), ("cls", 80))]
    jpeg, images = ("jpeg", "STRING", [1]), ("images", "FP32", [3, SIZE, SIZE])
    placement, boxes = ("placement", "FP32", [5]), ("boxes", "FP32", [300, 6])
    count = ("count", "INT32", [1])
    host(repository, "fused", [jpeg], [boxes, count], detector, role="pipeline", threads=1)
    host(repository, "preprocess", [jpeg], [images, placement], role="preprocess", size=SIZE)
    host(repository, "detector", [images], head, detector, threads=1)
    host(repository, "boxes", [*head, placement], [boxes, count], role="boxes")
    steps = [("preprocess", [jpeg], [images, placement]), ("detector", [images], head),
             ("boxes", [*head, placement], [boxes, count])]

    def maps(side, rows):
        return "".join(f'{side}_map {{ key: "{row[0]}" value: "{row[0]}" }}\n' for row in rows)

    triton_server.write_config(
        repository, "parts", 'platform: "ensemble"\nmax_batch_size: 4\n'
        + tensors("input", [jpeg]) + tensors("output", [boxes, count]) + "ensemble_scheduling {\n"
        + "".join(f'step {{ model_name: "{name}" model_version: -1\n'
                  + maps("input", ins) + maps("output", outs) + "}\n" for name, ins, outs in steps)
        + "}\n")


@pytest.fixture(scope="module")
def detector(tare, tmp_path_factory):
    """YOLOv8n for small squares and any batch."""
    path = tmp_path_factory.mktemp("detector") / "model.onnx"
    done = tare("export", DATA / "yolov8n.pt", "--imgsz", SIZE, "--batch", "dynamic", "-o", path)
    assert done.returncode == 0, done.stderr
    return path


def reference(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def picture(batch=1, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 16, 16), np.float32)


def refused(status, match, repository, **options):
    with pytest.raises(TareError, match=match) as caught:
        Session("triton", str(repository), **options)
    assert caught.value.status == status


# --- results --------------------------------------------------------------------------------------

@pytest.mark.parametrize("batch", [1, 3, 4])
def test_equal_to_onnxruntime(repository, tmp_path, batch):
    model = host_convolution(repository, tmp_path)
    feeds = {"x": picture(batch)}
    with Session("triton", str(repository), model="small", batch=batch) as session:
        assert session.inputs[0][:3] == ("x", "float32", [-1, 3, 16, 16])
        ours = session.run(feeds, {"y": (batch, 8, 16, 16), "mean": (batch, 8, 1, 1)})
        assert session.report.runtime_version.startswith(b"tritonserver 2.")
        assert session.report.provider == b"tare"
        assert session.report.threads == 1
        assert session.report.load_ns > 0
    for mine, theirs in zip(ours, reference(model, feeds)):
        assert np.array_equal(mine, theirs)


def test_yolov8_equal_to_onnxruntime(repository, small_yolov8):
    """The very bits: it is the same library with the same number of threads."""
    model = small_yolov8(160)
    graph = onnx.load(model, load_external_data=False).graph

    def rows(values):
        return [(v.name, "FP32", [d.dim_value for d in v.type.tensor_type.shape.dim][1:])
                for v in values]

    host(repository, "yolov8", rows(graph.input), rows(graph.output), model, max_batch=1,
         threads=1)
    feeds = {"images": np.random.default_rng(1).random((1, 3, 160, 160), np.float32)}
    with Session("triton", str(repository), model="yolov8") as session:
        shapes = {name: (1, *shape[1:]) for name, _, shape, _ in session.outputs}
        ours = dict(zip(shapes, session.run(feeds, shapes)))
    theirs = dict(zip([o.name for o in graph.output], reference(model, feeds)))
    assert len(ours) == 6 and ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_every_type(repository, tmp_path):
    kinds = [k for k in TRITON_TYPES if k != "float32"]
    host(repository, "types", [(f"i_{k}", TRITON_TYPES[k], [3]) for k in kinds],
         [(f"o_{k}", TRITON_TYPES[k], [3]) for k in kinds],
         small_models.every_type(str(tmp_path / "m.onnx")), max_batch=2)
    with Session("triton", str(repository), model="types", batch=2) as session:
        feeds = {name: np.arange(6).reshape(2, 3).astype(dtype)
                 for name, dtype, _, _ in session.inputs}
        assert len(feeds) == len(kinds)
        ours = session.run(feeds, {f"o_{k}": (2, 3) for k in kinds})
        for (name, dtype, _, _), array in zip(session.outputs, ours):
            assert name == f"o_{dtype}"
            assert np.array_equal(array, feeds[f"i_{dtype}"])


def test_runs_see_new_input_in_place(repository, tmp_path):
    model = host_convolution(repository, tmp_path)
    with Session("triton", str(repository), model="small") as session:
        session.bind({"x": picture()}, SHAPES)
        for seed in range(3):
            session.arrays["x"][...] = picture(seed=seed)
            session.run_bound()
            theirs = reference(model, {"x": picture(seed=seed)})[0]
            assert np.array_equal(session.arrays["y"], theirs)


def test_bound_anew(repository, tmp_path):
    """A second binding forgets the first: its memory is neither read nor written."""
    model = host_convolution(repository, tmp_path)
    with Session("triton", str(repository), model="small") as session:
        session.bind({"x": picture()}, SHAPES)
        session.run_bound()
        old = session.arrays
        before = {name: array.copy() for name, array in old.items()}
        session.bind({"x": picture(2, seed=1)}, {"y": (2, 8, 16, 16), "mean": (2, 8, 1, 1)})
        session.run_bound()
        theirs = reference(model, {"x": picture(2, seed=1)})[0]
        assert np.array_equal(session.arrays["y"], theirs)
        assert all(np.array_equal(old[name], before[name]) for name in old)


def test_submitted_runs(repository, tmp_path):
    model = host_convolution(repository, tmp_path)
    with Session("triton", str(repository), model="small") as session:
        session.bind({"x": picture()}, SHAPES)
        with pytest.raises(TareError, match="no run is in flight"):
            session.wait()
        session.submit()
        with pytest.raises(TareError, match="a run is in flight"):
            session.submit()
        session.wait()
        assert np.array_equal(session.arrays["y"], reference(model, {"x": picture()})[0])
        session.submit()  # closing waits for it


def test_output_of_unknown_shape(repository, tmp_path):
    """As wide as the first number of the input says."""
    h = onnx.helper
    nodes = [h.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
             h.make_node("Cast", ["most"], ["end"], to=onnx.TensorProto.INT64),
             h.make_node("Reshape", ["end", "one"], ["ends"]),
             h.make_node("Slice", ["x", "zero", "ends", "one"], ["y"])]
    model = small_models._save(
        str(tmp_path / "m.onnx"), nodes, [small_models._value("x", ["n", 4])],
        [small_models._value("y", ["n", "wide"])],
        [("one", np.array([1])), ("zero", np.array([0]))])
    host(repository, "cut", [("x", "FP32", [4])], [("y", "FP32", [-1])], model)
    with Session("triton", str(repository), model="cut") as session:
        rows = np.full((3, 4), 2, np.float32)
        session.bind({"x": rows}, {"y": None})
        session.run_bound()
        assert session.bound_shape(0) == [3, 2]
        session.bind({"x": rows}, {"y": (3, 2)})
        session.run_bound()
        assert np.array_equal(session.arrays["y"], rows[:, :2])
        session.arrays["x"][...] = 3
        with pytest.raises(TareError, match="'y' came out as 36 bytes, bound are 24") as caught:
            session.run_bound()
        assert caught.value.status == tare_abi.LIMIT
        session.arrays["x"][...] = 1
        session.run_bound()
        assert session.bound_shape(0) == [3, 1]


def test_sequences(repository):
    """What a request says of its sequence reaches the server, which keeps account."""
    host_null(repository, text="sequence_batching { }\n")
    with Session("triton", str(repository), model="null") as session:
        session.bind({"x": np.ones((1, 1))}, {"y": (1, 1)})
        with pytest.raises(TareError, match="correlation ID"):
            session.run_bound()
        with pytest.raises(TareError, match="sequence 7 .*START"):
            session.run_bound(tare_abi.Request(7, False, False, 0))
        session.run_bound(tare_abi.Request(7, True, False, 0))
        session.run_bound(tare_abi.Request(7, False, False, 0))
        session.run_bound(tare_abi.Request(7, False, True, 0))
        with pytest.raises(TareError, match="sequence 7 .*START"):
            session.run_bound(tare_abi.Request(7, False, False, 0))


def strings(*values):
    return np.array([values], dtype=object)


@pytest.mark.parametrize("model", ["fused", "parts"])
def test_pipelines_take_files_of_any_length(tare, repository, detector, model):
    """One binding; a file that is no picture fails its run only."""
    host_pipelines(repository, detector)
    with Session("triton", str(repository), model=model) as session:
        assert session.inputs == [("jpeg", "object", [-1, 1], 14)]
        session.bind({"jpeg": strings(b"")}, {"boxes": (1, 300, 6), "count": (1, 1)})
        for path in PICTURES[:4]:
            done = tare("predict", path, "-m", detector, "--threads", 1, "--json")
            expected = json.loads(done.stdout)["boxes"]
            session.arrays["jpeg"][...] = [path.read_bytes()]
            session.run_bound()
            assert session.arrays["count"][0, 0] == len(expected) > 0
            found = session.arrays["boxes"][0, :len(expected), 4]
            assert np.allclose(found, [box["score"] for box in expected], atol=1e-4)
            session.arrays["jpeg"][...] = [path.read_bytes()[:500]]
            with pytest.raises(TareError, match="cannot run: .*JPEG"):
                session.run_bound()
        session.arrays["jpeg"].memory[:4] = 255
        with pytest.raises(TareError, match="'jpeg' holds a length that runs past its"):
            session.run_bound()


def test_strings_come_out(repository):
    host(repository, "strings", [("s", "STRING", [2])], [("t", "STRING", [1])], plugin="null",
         option__inputs="s:bytes:-1x2", option__outputs="t:bytes:-1x1")
    with Session("triton", str(repository), model="strings") as session:
        assert session.outputs == [("t", "object", [-1, 1], 14)]
        session.bind({"s": strings(b"some", b"words")}, {"t": (1, 1)})
        session.arrays["t"].memory[:] = 7
        session.run_bound()
        assert bytes(session.arrays["t"].memory[:5]) == b"\0\0\0\0\7"  # one string, empty
        session.bind({"s": strings(b"some", b"words")}, {"t": None})
        session.run_bound()
        assert session.bound_shape(0) == [1, 1]


# --- what is wrong is said ------------------------------------------------------------------------

def test_bad_repositories(repository, tmp_path):
    refused(tare_abi.ABSENT, "no model repository '/nowhere'", "/nowhere", model="m")
    refused(tare_abi.ABSENT, "is no model repository: it has no folders", repository, model="m")
    host_null(repository, "one")
    host_null(repository, "two")
    refused(tare_abi.INVALID, "set option model: one, two", repository)
    for name in "three", "../one", ".", "one/1":
        refused(tare_abi.ABSENT, "no model '.*' in '.*', which has one, two", repository,
                model=name)


@pytest.mark.parametrize("config,match", [
    ("this is no protobuf", "cannot load model 'bad': failed to read text proto from .*pbtxt"),
    ('backend: "tare"\nmax_batch_size: 2\n' 'input [{ name: "x" data_type: TYPE_FP32 }]',
     "cannot load model 'bad': model input 'x' must specify 'dims'"),
    ('backend: "nothing"', "unable to find backend library for backend 'nothing'"),
    ('backend: "tare"\nmax_batch_size: 2\n', "cannot load model 'bad': "),
])
def test_models_that_do_not_load(repository, config, match):
    triton_server.write_config(repository, "bad", config)
    host_null(repository)
    refused(tare_abi.FAILED, match, repository, model="bad")
    Session("triton", str(repository), model="null").close()


def test_a_folder_without_a_configuration(repository):
    (repository / "bare/1").mkdir(parents=True)
    refused(tare_abi.FAILED, "cannot load model 'bare': .*bare/config.pbtxt: No such file",
            repository, model="bare")


def test_it_logs_to_a_file(repository, tmp_path):
    host_null(repository)
    Session("triton", str(repository), model="null", log=tmp_path / "log").close()
    assert "successfully loaded 'null'" in (tmp_path / "log").read_text()
    Session("triton", str(repository), model="null").close()  # and no longer
    assert (tmp_path / "log").read_text().count("successfully loaded 'null'") == 1


def test_a_damaged_graph_is_named(repository, tmp_path):
    host_convolution(repository, tmp_path)
    (repository / "small/1/model.onnx").write_bytes(b"no graph")
    refused(tare_abi.FAILED, "cannot load model 'small': .*model.onnx", repository, model="small")


def test_an_ensemble_names_the_part_that_fails(repository, tmp_path):
    host_pipelines(repository, small_models.convolution(str(tmp_path / "m.onnx")))
    refused(tare_abi.FAILED, "cannot load model 'parts': model 'detector': ", repository,
            model="parts")


def test_claims_that_the_configuration_contradicts(repository, tmp_path):
    host_convolution(repository, tmp_path, precision="fp32")
    refused(tare_abi.UNSUPPORTED, "runs in fp32 by its configuration, not in fp16", repository,
            model="small", precision="fp16")
    refused(tare_abi.UNSUPPORTED, "runs on 1 threads by its configuration, not on 2", repository,
            model="small", threads=2)
    refused(tare_abi.UNSUPPORTED, "runs on the processor by its configuration, not on 'cuda:0'",
            repository, model="small", device="cuda:0")
    refused(tare_abi.INVALID, "takes batches of up to 4, not 5", repository, model="small",
            batch=5)


def test_bad_bindings(repository, tmp_path):
    host_convolution(repository, tmp_path)
    with Session("triton", str(repository), model="small") as session:
        with pytest.raises(TareError, match="nothing is bound"):
            session.run_bound()
        with pytest.raises(TareError, match=r"shape is \[3,16\], need \[-1,3,16,16\]"):
            session.bind({"x": np.zeros((3, 16))}, SHAPES)
        with pytest.raises(TareError, match=r"shape is \[1,3,16,15\]"):
            session.bind({"x": np.zeros((1, 3, 16, 15))}, SHAPES)
        with pytest.raises(TareError, match="takes batches of up to 4, not 5"):
            session.bind({"x": np.zeros((5, 3, 16, 16))}, SHAPES)
        with pytest.raises(TareError, match="nothing is bound"):
            session.run_bound()


def test_a_run_that_fails_is_followed_by_one_that_does_not(repository):
    host_null(repository, fail_at_run=2)
    with Session("triton", str(repository), model="null") as session:
        session.bind({"x": np.ones((1, 1))}, {"y": (1, 1)})
        session.run_bound()
        with pytest.raises(TareError, match="cannot run: .*run 2 fails, as planted"):
            session.run_bound()
        session.run_bound()


def fake_library(folder, source):
    (folder / "fake.c").write_text("#include <stdint.h>\n" + source)
    library = folder / "libfake.so"
    subprocess.run(["cc", "-shared", "-fPIC", folder / "fake.c", "-o", library], check=True)
    return str(library)


def test_other_libraries(repository, tmp_path):
    host_null(repository)
    version = ("void *TRITONSERVER_ApiVersion(uint32_t *major, uint32_t *minor)"
               "{ *major = %d; *minor = %d; return 0; }\n")

    def broken(match, library):
        refused(tare_abi.BROKEN, match, repository, model="null", server=library)

    refused(tare_abi.ABSENT, r"no tritonserver at '/nowhere.so' \(option server\)", repository,
            model="null", server="/nowhere.so")
    broken("is no tritonserver: it has no TRITONSERVER_ApiVersion",
           str(tare_abi.PLUGINS / "null.so"))
    for major, minor in (2, 0), (1, 3):
        folder = tmp_path / f"{major}"
        folder.mkdir()
        broken(rf"has Triton's API {major}\.{minor}, need 1\.\d+ or a later 1\.x",
               fake_library(folder, version % (major, minor)))
    (tmp_path / "lacking").mkdir()
    broken(r"has Triton's API 1\.99, but no TRITONSERVER_",
           fake_library(tmp_path / "lacking", version % (1, 99)))


def test_absent_says_how_to_get_it(tmp_path):
    """Where neither the wheel nor a system's library is."""
    program = ("import tare_abi, ctypes as c;"
               "library = c.CDLL(str(tare_abi.PLUGINS / 'triton.so'));"
               "library.tare_backend_entry.restype = c.POINTER(tare_abi.Backend);"
               "err = tare_abi.Err(); note = c.create_string_buffer(100);"
               "print(library.tare_backend_entry().contents.probe(note, 100, err), err.text)")
    env = dict(os.environ, TARE_HOME=str(tmp_path), PYTHONPATH=os.path.dirname(tare_abi.__file__))
    env.pop("TRITONSERVER_LIB", None)
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    if done.stdout.startswith("0 "):
        pytest.skip("this system has a tritonserver of its own")
    assert done.stdout.startswith(f"{tare_abi.ABSENT} ")
    assert "tools/setup triton" in done.stdout


# --- many of them ---------------------------------------------------------------------------------

def test_two_sessions_at_once(repository, tmp_path):
    """Each has its own server, and is used by its own thread."""
    model = host_convolution(repository, tmp_path)
    host_null(repository)
    with Session("triton", str(repository), model="small") as one, \
            Session("triton", str(repository), model="small") as two, \
            Session("triton", str(repository), model="null") as three:
        three.bind({"x": np.ones((1, 1))}, {"y": (1, 1)})
        failures = []

        def use(session, seed):
            for i in range(20):
                session.bind({"x": picture(seed=seed + i)}, SHAPES)
                session.run_bound()
                theirs = reference(model, {"x": picture(seed=seed + i)})[0]
                if not np.array_equal(session.arrays["y"], theirs):
                    failures.append((seed, i))

        threads = [threading.Thread(target=use, args=(s, seed))
                   for s, seed in ((one, 0), (two, 100))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        one.close()
        two.run_bound()
        three.run_bound()


@pytest.fixture
def freed_memory_returns():
    if "asan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("AddressSanitizer keeps what is freed")


def rss_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_runs_leave_no_memory(repository, freed_memory_returns):
    host_null(repository)
    with Session("triton", str(repository), model="null") as session:
        session.bind({"x": np.ones((1, 1))}, {"y": (1, 1)})
        for _ in range(1000):
            session.run_bound()
        before = rss_bytes()
        for _ in range(5000):
            session.run_bound()
        assert rss_bytes() - before < 1 << 20


def test_closing_leaves_nothing(repository, freed_memory_returns):
    """Neither threads nor much memory, and it ends at once."""
    host_null(repository)
    used = []
    for _ in range(12):
        with Session("triton", str(repository), model="null") as session:
            session.bind({"x": np.ones((1, 1))}, {"y": (1, 1)})
            session.run_bound()
        used.append((rss_bytes(), len(os.listdir("/proc/self/task"))))
    assert used[-1][1] <= used[1][1]
    assert used[-1][0] - used[3][0] < 8 << 20


# --- in a study -----------------------------------------------------------------------------------

def cells_of(path):
    with sqlite3.connect(path) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("SELECT name, state, reason, provider FROM cell")
        return {row["name"]: row for row in rows}


def test_a_study_measures_it_beside_the_direct_layer(tare, repository, tmp_path):
    model = host_convolution(repository, tmp_path)
    study = {"model": str(model), "sweeps": 2, "restarts": 1, "runs": 3, "warmup_ms": 1,
             "warmup_runs": 1, "cells": [
                 {"name": "direct", "runtime": "onnxruntime", "threads": 1},
                 {"name": "served", "runtime": "triton", "threads": 1, "model": str(repository),
                  "options": {"model": "small"}},
                 {"name": "nothing", "runtime": "triton", "model": str(repository),
                  "options": {"model": "none"}}]}
    (tmp_path / "study.json").write_text(json.dumps(study))
    done = tare("bench", tmp_path / "study.json", "-o", tmp_path / "run.db", "-q")
    cells = cells_of(tmp_path / "run.db")
    assert cells["served"]["state"] == "ok", (cells["served"]["reason"], done.stderr)
    assert cells["served"]["provider"] == "tare"
    assert "no model 'none' in" in cells["nothing"]["reason"]


def test_a_repository_on_the_command_line(tare, repository, tmp_path):
    host_convolution(repository, tmp_path)
    done = tare("bench", repository, "--runtime", "triton", "--option", "model=small",
                "--sweeps", 2, "--restarts", 1, "--runs", 3, "--warmup", "1ms", "--warmup-runs", 1,
                "-o", tmp_path / "run.db", "-q")
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in cells_of(tmp_path / "run.db").values()] == ["ok"]
