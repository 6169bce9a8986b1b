"""tare serve for a test: started with ports of its own, spoken to, stopped, and looked after:
nothing may be left."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import numpy

from triton_server import decode_response, encode_request

FREE_PORTS = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0")


def port_of(address):
    return int(address.rpartition(":")[2])


def is_served(address):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port_of(address))) == 0


def processes_of(folder):
    """Those that have TMPDIR in their environment set to a test's own folder."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"TMPDIR={folder}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def shared_memory_of(pid):
    return [entry.name for entry in pathlib.Path("/dev/shm").glob(f"tare_{pid}_*")]


def left_in(folder):
    """What is in a temporary folder, but for what ONNX Runtime's own wheel puts there."""
    return [entry.name for entry in pathlib.Path(folder).iterdir() if entry.name != ".ses"]


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)


def heed_hangups():
    """Whoever runs the tests may ignore them, as nohup does, and a program leaves that as it is."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Serving:
    """`tare serve ... --json` in the foreground. facts: what it printed once it was ready."""

    def __init__(self, program, folder, *arguments):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        env = dict(os.environ, TMPDIR=str(self.folder), XDG_RUNTIME_DIR=str(self.folder))
        self.process = subprocess.Popen(
            [program, "serve", "--json", *FREE_PORTS, *map(str, arguments)], env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=heed_hangups)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise AssertionError(self.process.stderr.read())
        self.facts = json.loads(line)
        self.models = {model["name"]: model for model in self.facts["models"]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, number=signal.SIGTERM):
        """(exit status, stderr) after a signal; asserts that nothing is left."""
        pid = self.process.pid
        self.process.send_signal(number)
        rest, err = self.process.communicate(timeout=60)
        assert rest == ""
        self.assert_gone(pid)
        assert left_in(self.folder) == []
        return self.process.returncode, err

    def assert_gone(self, pid):
        assert processes_of(self.folder) == []
        assert not any(is_served(self.facts[name]) for name in ("http", "grpc", "metrics"))
        assert shared_memory_of(pid) == []

    def infer(self, model, inputs):
        import http.client
        body, headers = encode_request(inputs)
        connection = http.client.HTTPConnection(self.facts["http"], timeout=120)
        try:
            connection.request("POST", f"/v2/models/{model}/infer", body, headers)
            response = connection.getresponse()
            answer = response.read()
            assert response.status == 200, answer
            return decode_response(response.headers, answer)
        finally:
            connection.close()

    def boxes(self, model, pictures):
        """Rows x1 y1 x2 y2 score class of each picture, in one request."""
        files = [pathlib.Path(picture).read_bytes() for picture in pictures]
        data = b"".join(len(file).to_bytes(4, "little") + file for file in files)
        outputs = self.infer(model, {"jpeg": ("BYTES", (len(files), 1), data)})
        assert outputs["boxes"].dtype == numpy.float32
        return [rows[:count[0]] for rows, count in zip(outputs["boxes"], outputs["count"])]
