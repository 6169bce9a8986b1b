"""The program under bad input and bad luck: one clear message or one failed row, the right exit
code, and nothing lost that was measured before.

The null backend does no work and misbehaves on request, so that a crash or a hang is a test's own.
"""
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import DATA

QUICK = ("--restarts", 1, "--runs", 2, "--warmup", "1ms", "--warmup-runs", 1, "--quiet")


def study(folder, cells, **settings):
    """A study of the null backend; a cell is a name and the options that make it misbehave."""
    (folder / "null.onnx").touch()
    path = folder / "study.json"
    path.write_text(json.dumps({
        "model": "null.onnx", "sweeps": 3, "restarts": 1, "visit_ms": 5, "warmup_runs": 1,
        "warmup_ms": 1, "defaults": {"runtime": "null"},
        "cells": [{"name": name, "options": options} for name, options in cells.items()],
        **settings}))
    return path


def rows(result):
    """Of each cell its state, the reason, and how many visits are kept."""
    with sqlite3.connect(result) as db:
        found = db.execute("SELECT options, state, reason, (SELECT count(*) FROM visit "
                           "WHERE cell = cell.id) FROM cell ORDER BY id").fetchall()
    return [(state, reason, visits) for _, state, reason, visits in found]


def one_line(done, *said):
    """Exit code 1, and one line that says these words."""
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("tare "), done.stderr
    for word in said:
        assert str(word) in done.stderr


def failed_row(tare, folder, model, *options, said=()):
    """Every cell fails: the row says why, and so does stderr."""
    result = folder / "failed.db"
    done = tare("bench", model, "-o", result, *QUICK, *options)
    assert done.returncode == 1, done.stderr
    (state, reason, visits), = rows(result)
    assert state == "failed" and visits == 0
    for word in said:
        assert word in reason and word in done.stderr
    result.unlink()


# --- runtimes that misbehave ----------------------------------------------------------------------

FAULTS = {
    "fails": ({"fail_at_run": "3"}, "run 3 fails"),
    "crashes": ({"crash_at_run": "3"}, "Segmentation fault"),
    "fails later": ({"fail_at_run": "40", "delay_ns": "100000"}, "run 40 fails"),
    "crashes later": ({"crash_at_run": "40", "delay_ns": "100000"}, "Segmentation fault"),
    "does not open": ({"open": "fail"}, "opening fails"),
    "crashes on opening": ({"open": "crash"}, "Segmentation fault"),
}


def test_a_plugin_that_fails_or_crashes_costs_its_own_row_only(tare, tmp_path):
    cells = {"good": {}, **{name: options for name, (options, _) in FAULTS.items()}, "last": {
        "seed": "2"}}
    done = tare("bench", study(tmp_path, cells), "-o", tmp_path / "r.db")
    assert done.returncode == 1
    first, *faulty, last = rows(tmp_path / "r.db")
    assert first == ("ok", "", 3) and last == ("ok", "", 3)
    for (state, reason, _), (name, (_, said)) in zip(faulty, FAULTS.items(), strict=True):
        assert state == "failed" and said in reason, name
        assert f"'{name}' failed: {reason}" in done.stderr


def test_a_plugin_that_hangs_costs_its_own_row_only(tare, tmp_path):
    cells = {"good": {}, "hangs": {"hang_at_run": "3"}}
    done = tare("bench", study(tmp_path, cells, timeout_ms=700), "-o", tmp_path / "r.db")
    assert done.returncode == 1
    good, bad = rows(tmp_path / "r.db")
    assert good == ("ok", "", 3)
    assert bad[0] == "failed" and "hangs" in bad[1]


# --- interruptions --------------------------------------------------------------------------------

def start(tare, *arguments):
    return subprocess.Popen([str(a) for a in (tare.program, *arguments)], stderr=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def wait_for_visits(result, count):
    for _ in range(1000):
        try:
            if sum(visits for *_, visits in rows(result)) >= count:
                return
        except sqlite3.OperationalError:  # not there yet, or being written
            pass
        time.sleep(0.02)
    pytest.fail("no visit was stored in 20 s")


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_an_interrupt_keeps_what_was_measured(tare, tmp_path, number):
    result = tmp_path / "r.db"
    run = start(tare, "bench", study(tmp_path, {"a": {}, "b": {"seed": "2"}}, sweeps=10000), "-o",
                result)
    wait_for_visits(result, 6)
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 1
    assert "stopped" in said and str(result) in said and "--resume" in said
    kept = rows(result)
    assert sum(visits for *_, visits in kept) >= 6 and {state for state, *_ in kept} == {"ok"}
    with sqlite3.connect(result) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT state FROM run").fetchone() != ("complete",)


def test_a_sudden_end_keeps_what_was_measured(tare, tmp_path):
    result = tmp_path / "r.db"
    run = start(tare, "bench", study(tmp_path, {"a": {}, "b": {"seed": "2"}}, sweeps=10000), "-o",
                result)
    wait_for_visits(result, 6)
    run.kill()
    run.communicate(timeout=20)
    assert sum(visits for *_, visits in rows(result)) >= 6
    with sqlite3.connect(result) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# --- full disks -----------------------------------------------------------------------------------

def small_files(limit):
    """Writes beyond `limit` bytes fail, as on a full disk, for this process."""
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return limited


def test_a_full_disk_during_an_export_leaves_nothing(tare, tmp_path):
    output = tmp_path / "x.onnx"
    done = tare("export", DATA / "yolov8n.pt", "-o", output, preexec_fn=small_files(1 << 20))
    one_line(done, "cannot write", output)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_file_that_was_there(tare, tmp_path):
    output = tmp_path / "x.onnx"
    output.write_text("before")
    done = tare("export", DATA / "yolov8n.pt", "-o", output, preexec_fn=small_files(1 << 20))
    one_line(done, "cannot write", output)
    assert output.read_text() == "before" and list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("size", ("8k", "100k", "160k"))
def test_a_full_disk_during_a_run_keeps_what_fitted(tare, tmp_path, size):
    """On a file system of that size, in a mount name space of its own; what is left is copied."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    inside = f"mount -t tmpfs -o size={size} tmpfs {disk} || exit 99; "
    inside += f'"$@"; code=$?; cp {disk}/* {kept} 2>/dev/null; exit $code'
    if subprocess.run(["unshare", "-rm", "sh", "-c", inside, "sh", "true"],
                      capture_output=True).returncode != 0:
        pytest.skip("this machine lets no test mount a file system")
    command = [tare.program, "bench", study(tmp_path, {"a": {}, "b": {"seed": "2"}}, sweeps=2000),
               "-o", disk / "r.db", "--quiet"]
    done = subprocess.run(["unshare", "-rm", "sh", "-c", inside, "sh", *command],
                          capture_output=True, text=True, timeout=100)
    one_line(done, "tare bench", disk / "r.db", "full")
    if size == "160k":
        with sqlite3.connect(kept / "r.db") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert sum(visits for *_, visits in rows(kept / "r.db")) > 0


@pytest.mark.parametrize("arguments", (
    ("--help",), ("export", "--help"), ("bench", "--help"), ("doctor",),
    ("export", DATA / "yolov8n.pt", "-o", "x.onnx")), ids=str)
def test_a_full_standard_output_is_an_error(tare, tmp_path, arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([tare.program, *arguments], stdout=full, stderr=subprocess.PIPE,
                              text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 1
    assert "cannot write standard output" in done.stderr


# --- models and pictures --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def detector(tare, tmp_path_factory):
    """YOLOv8n at 320 pixels."""
    path = tmp_path_factory.mktemp("detector") / "n.onnx"
    assert tare("export", DATA / "yolov8n.pt", "-o", path, "--imgsz", 320).returncode == 0
    return path


@pytest.fixture
def sample(tmp_path):
    """Three pictures of the sample and their annotations, to be spoilt."""
    whole = json.loads((DATA / "sample/instances.json").read_text())
    whole["images"] = whole["images"][:3]
    kept = {image["id"] for image in whole["images"]}
    whole["annotations"] = [a for a in whole["annotations"] if a["image_id"] in kept]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for image in whole["images"]:
        shutil.copy(DATA / "sample/images" / image["file_name"], folder)
    (tmp_path / "a.json").write_text(json.dumps(whole))
    return folder, tmp_path / "a.json", sorted(folder.iterdir())


def test_the_sample_is_measured_unspoilt(tare, tmp_path, detector, sample):
    """So that the failures below come from what each of them spoils."""
    folder, annotations, _ = sample
    done = tare("bench", detector, "-o", tmp_path / "r.db", *QUICK, "-s", 2, "-i", folder, "-a",
                annotations)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("spoil", (
    lambda data: data[:20000], lambda data: data[:2], lambda data: b"",
    lambda data: b"GIF89a" + data[6:]), ids=("half", "two bytes", "empty", "gif"))
def test_a_broken_picture_is_named(tare, tmp_path, detector, sample, spoil):
    folder, annotations, pictures = sample
    pictures[1].write_bytes(spoil(pictures[1].read_bytes()))
    failed_row(tare, tmp_path, detector, "-i", folder, "-a", annotations,
               said=(pictures[1].name,))


def test_annotations_of_missing_pictures_are_named(tare, tmp_path, detector, sample):
    folder, annotations, pictures = sample
    pictures[2].unlink()
    done = tare("bench", detector, "-o", tmp_path / "r.db", *QUICK, "-i", folder, "-a", annotations)
    one_line(done, pictures[2].name, "1 of 3")


def test_a_folder_or_a_file_that_is_missing_is_named(tare, tmp_path, detector, sample):
    folder, annotations, _ = sample
    for options, said in ((("-i", tmp_path / "none"), "none"),
                          (("-i", folder, "-a", tmp_path / "none.json"), "none.json"),
                          (("-i", tmp_path / "empty"), "empty")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        done = tare("bench", detector, "-o", tmp_path / "r.db", *QUICK, *options)
        one_line(done, said)


def graph(path, output_shape, weight_shape):
    """One convolution; whether its shapes agree is the caller's choice."""
    weight = numpy_helper.from_array(np.ones(weight_shape, np.float32), "w")
    node = helper.make_node("Conv", ["images", "w"], ["output0"])
    made = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, output_shape)], [weight])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_model_whose_shapes_disagree_is_a_failed_row(tare, tmp_path):
    good = graph(tmp_path / "good.onnx", [1, 4, 8, 8], (4, 3, 1, 1))
    assert tare("bench", good, "-o", tmp_path / "r.db", *QUICK, "-s", 2).returncode == 0
    failed_row(tare, tmp_path, graph(tmp_path / "wrong.onnx", [1, 4, 8, 8], (4, 5, 1, 1)),
               said=("channels",))


@pytest.mark.parametrize("spoil", (
    lambda data: data[:len(data) // 2], lambda data: b"", lambda data: b"not a model\n" * 100),
    ids=("half", "empty", "text"))
def test_a_broken_model_is_a_failed_row(tare, tmp_path, detector, spoil):
    path = tmp_path / "broken.onnx"
    path.write_bytes(spoil(detector.read_bytes()))
    failed_row(tare, tmp_path, path, said=("broken.onnx",))


def test_a_detector_of_other_shapes_gets_no_boxes(tare, tmp_path, detector, sample):
    """Outputs with a detector's names whose shapes are no detector's: measured without accuracy, or
    refused in a row that says why; never read beyond their end."""
    folder, annotations, _ = sample
    model = onnx.load(detector)
    for value in list(model.graph.output):
        if value.name == "cls32":
            model.graph.output.remove(value)
    path = tmp_path / "five.onnx"
    onnx.save(model, path)
    done = tare("bench", path, "-o", tmp_path / "r.db", *QUICK, "-s", 2, "-i", folder, "-a",
                annotations)
    assert done.returncode in (0, 1)
    with sqlite3.connect(tmp_path / "r.db") as db:
        assert db.execute("SELECT count(*) FROM accuracy").fetchone() == (0,)


@pytest.mark.parametrize("text, said", (
    ("", "study.json"), ("[]", "study.json"), ('{"model": 3}', "model"),
    ('{"model": "null.onnx", "sweps": 3}', "sweps"),
    ('{"model": "null.onnx", "sweeps": -1, "cells": [{"runtime": "null"}]}', "sweeps"),
    ('{"model": "null.onnx", "cells": [{"runtime": "no-such"}]}', "no-such"),
    ('{"model": "null.onnx", "cells": [{"runtime": "null", "options": {"delay": "1"}}]}', "delay"),
    ('{"model": "null.onnx", "cells": [' + ", ".join(['{"runtime": "null"}'] * 300) + "]}", "cell"),
    ("[" * 100000, "study.json")), ids=lambda value: str(value)[:24])
def test_a_study_that_is_wrong_says_where(tare, tmp_path, text, said):
    (tmp_path / "null.onnx").touch()
    path = tmp_path / "study.json"
    path.write_text(text)
    done = tare("bench", path, "-o", tmp_path / "r.db", *QUICK)
    assert done.returncode in (1, 2), done.stderr
    assert said in done.stderr and len(done.stderr) < 2000


def test_a_result_file_that_is_none_is_left_alone(tare, tmp_path):
    result = tmp_path / "r.db"
    result.write_text("my diary\n" * 1000)
    done = tare("bench", study(tmp_path, {"a": {}}), "-o", result, "--quiet")
    one_line(done, result)
    assert result.read_text() == "my diary\n" * 1000


def test_options_that_could_do_nothing_are_refused(tare, tmp_path):
    path = study(tmp_path, {"a": {}})
    for arguments, said in (((path, "--threads", 2), "'--threads' is for a model"),
                            (("--resume", tmp_path / "r.db", "-s", 2), "'--sweeps' can't change")):
        done = tare("bench", *arguments)
        assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "r.db").exists()


def test_no_empty_result_file_is_left_behind(tare, tmp_path):
    result = tmp_path / "r.db"
    (tmp_path / "empty").mkdir()
    one_line(tare("bench", study(tmp_path, {"a": {}}), "-o", result, "-i", tmp_path / "empty"),
             "empty")
    assert not result.exists()


def test_two_checkpoints_of_one_name_are_not_mixed_up(tare, tmp_path):
    for name in "a", "b":
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.pt").write_bytes((DATA / "yolov8n.pt").read_bytes())
    path = tmp_path / "study.json"
    path.write_text(json.dumps({"cells": [{"name": "a", "model": "a/m.pt"},
                                          {"name": "b", "model": "b/m.pt", "threads": 2}]}))
    done = tare("bench", path, "-o", tmp_path / "r.db")
    assert done.returncode == 2 and "rename one" in done.stderr, done.stderr


def test_no_worker_is_left_behind(tare, tmp_path):
    """Whatever ends the program, its workers end too."""
    mark = f"left-behind-{os.getpid()}"
    folder = tmp_path / mark
    folder.mkdir()
    result = folder / "r.db"
    run = start(tare, "bench", study(folder, {"a": {}, "b": {"seed": "2"}}, sweeps=10000), "-o",
                result)
    wait_for_visits(result, 2)
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(run.pid)], capture_output=True,
                              text=True).stdout.split()
    assert children
    run.kill()
    run.communicate(timeout=20)
    for _ in range(100):
        if not any(os.path.exists(f"/proc/{child}") for child in children):
            return
        time.sleep(0.05)
    pytest.fail(f"workers {children} outlived the program")
