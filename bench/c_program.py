"""Builds a benchmark's C program against the library, with the project's own flags."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "bin" / "plugins"
LIBRARIES = ["-lprotobuf-c", "-ljpeg", "-lsqlite3", "-lz", "-lm", "-ldl", "-pthread"]


def build(name, *sources):
    """The path of bench/NAME.c as a program, with further sources of the tree."""
    program = ROOT / "build" / "bench" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall",
               "-Iinclude", "-Isrc", "-Ibuild/gen", f"bench/{name}.c", *sources,
               "build/libtare.a", *LIBRARIES, "-o", str(program)]
    subprocess.run(command, cwd=ROOT, check=True)
    return str(program)
