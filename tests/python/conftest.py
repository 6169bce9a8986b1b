"""What the Python tests share: where things are, and the program itself.

The tests run from anywhere: pytest tests/python. TARE_BIN names another build of the program
(build-asan/bin, say); TARE_DATA names the full data sets, without which their tests are skipped.
"""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
sys.path.insert(0, str(ROOT / "python"))


@pytest.fixture(scope="session")
def tare():
    """Runs the program: tare("export", "x.pt", ...) gives a CompletedProcess with text."""
    program = pathlib.Path(os.environ.get("TARE_BIN", ROOT / "bin")) / "tare"
    if not program.exists():
        pytest.fail(f"no {program}: run 'make' first")

    def run(*arguments, timeout=300, **options):
        command = [str(program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, errors="replace",
                              timeout=timeout, **options)

    run.program = program
    return run


@pytest.fixture(scope="session")
def full_data():
    """The folder of the full data sets."""
    folder = os.environ.get("TARE_DATA")
    if not folder:
        pytest.skip("TARE_DATA names no full data sets")
    return pathlib.Path(folder)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads of one operation wait for each other: on a busy machine most of the time."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_yolov8(tare, tmp_path_factory):
    """Exports the real detector for pictures of a size, with the raw head."""
    def export(size):
        path = tmp_path_factory.mktemp("yolov8n") / "n.onnx"
        done = tare("export", DATA / "yolov8n.pt", "--imgsz", size, "-o", path)
        assert done.returncode == 0, done.stderr
        return path

    return export
