"""The template plugin: it builds with a compiler and include/tare alone, and works."""

import shutil
import subprocess

import numpy as np
import pytest

import tare_abi
from tare_abi import ROOT, Session, TareError

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@pytest.mark.skipif(not COMPILER, reason="no C compiler")
def test_builds_out_of_tree(tmp_path, monkeypatch):
    shutil.copy(ROOT / "plugins" / "skeleton" / "skeleton.c", tmp_path)
    shutil.copytree(ROOT / "include" / "tare", tmp_path / "include" / "tare")
    subprocess.run([COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-fvisibility=hidden", "-Iinclude", "skeleton.c", "-o", "skeleton.so"],
                   cwd=tmp_path, check=True)
    monkeypatch.setattr(tare_abi, "PLUGINS", tmp_path)
    with Session("skeleton", None, factor=3) as session:
        (y,) = session.run({"x": np.array([[1, 2, 3, 4]])}, {})
        assert y.tolist() == [[3, 6, 9, 12]]


def test_in_tree_one_refuses_other_devices():
    with pytest.raises(TareError, match="skeleton cannot use device 'cuda:0', need cpu"):
        Session("skeleton", None, device="cuda:0")
