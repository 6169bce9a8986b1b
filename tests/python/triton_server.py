"""A real tritonserver for a test: started on free ports of the loopback address, spoken to in plain
HTTP (KServe v2, JSON with the binary extension), stopped, and looked after: nothing may be left.

    with Server(repository) as server:
        outputs = server.infer("yolov8", {"images": array})

TARE_BIN names another build of the backend (build/asan/bin, say). If it was built with
AddressSanitizer, its runtime is loaded before the server.
"""
import contextlib
import ctypes
import http.client
import itertools
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import time

import numpy
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / ".deps/triton"
PROGRAM = HOME / "pytriton/tritonserver/bin/tritonserver"
BIN = pathlib.Path(os.environ.get("TARE_BIN", ROOT / "bin"))

DTYPES = {"FP64": numpy.float64, "FP32": numpy.float32, "FP16": numpy.float16,
          "INT8": numpy.int8, "INT16": numpy.int16, "INT32": numpy.int32, "INT64": numpy.int64,
          "UINT8": numpy.uint8, "UINT16": numpy.uint16, "UINT32": numpy.uint32,
          "UINT64": numpy.uint64, "BOOL": numpy.bool_}
NAMES = {numpy.dtype(kind): name for name, kind in DTYPES.items()}

_serial = itertools.count(1)


class InferError(Exception):
    """What the server answered instead of a result."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


def needs_triton():
    """Skips the test where there is no tritonserver."""
    if not PROGRAM.exists():
        pytest.skip("no tritonserver: run 'tools/setup triton'")


def write_config(repository, model, text, version=1):
    """Makes the folder of a model with this config.pbtxt; returns the folder of its version."""
    folder = pathlib.Path(repository) / model / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "config.pbtxt").write_text(f'name: "{model}"\n{text}')
    return folder


def parameters(**values):
    """config.pbtxt's text of parameters; option__NAME stands for option.NAME."""
    return "".join(
        f'parameters {{ key: "{key.replace("__", ".")}" value {{ string_value: "{value}" }} }}\n'
        for key, value in values.items())


def free_ports(count):
    """Ports of the loopback address that nobody has, outside of what the kernel gives away."""
    found = []
    for port in random.sample(range(15000, 32000), 2000):
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports")


def encode_strings(values):
    """Strings of bytes as KServe's BYTES: each after its length."""
    return b"".join(len(value).to_bytes(4, "little") + value for value in values)


def decode_strings(data, count):
    values = []
    for _ in range(count):
        length = int.from_bytes(data[:4], "little")
        values.append(data[4:4 + length])
        data = data[4 + length:]
    return values


def encode_request(inputs, outputs=None, binary=True):
    """(body, headers) of a request: inputs by name, each a NumPy array or (dtype, shape, bytes);
    outputs: the names that are wanted, None for all."""
    header, blobs = {"inputs": []}, []
    for name, value in inputs.items():
        if isinstance(value, tuple):
            dtype, shape, data = value
        else:
            dtype, shape = NAMES[value.dtype], value.shape
            data = numpy.ascontiguousarray(value).tobytes()
        header["inputs"].append({"name": name, "datatype": dtype, "shape": list(shape),
                                 "parameters": {"binary_data_size": len(data)}})
        blobs.append(data)
    if outputs is None:
        header["parameters"] = {"binary_data_output": binary}
    else:
        header["outputs"] = [{"name": name, "parameters": {"binary_data": binary}}
                             for name in outputs]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that tensors lie where the backend can use them in place
    return b"".join([text, *blobs]), {"Inference-Header-Content-Length": str(len(text)),
                                      "Content-Type": "application/octet-stream"}


def decode_response(headers, body):
    """The outputs of a response by name: arrays, or lists of bytes."""
    length = int(headers.get("Inference-Header-Content-Length", len(body)))
    answer, rest = json.loads(body[:length]), body[length:]
    outputs = {}
    for output in answer["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        shape, dtype = output["shape"], output["datatype"]
        if size is None:
            outputs[output["name"]] = numpy.array(output["data"], DTYPES[dtype]).reshape(shape)
            continue
        data, rest = rest[:size], rest[size:]
        if dtype == "BYTES":
            outputs[output["name"]] = decode_strings(data, int(numpy.prod(shape)))
        else:
            outputs[output["name"]] = numpy.frombuffer(data, DTYPES[dtype]).reshape(shape)
    return outputs


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def _sanitizer():
    """The runtime that a build with AddressSanitizer needs, or None."""
    backend = BIN / "triton/tare/libtriton_tare.so"
    needed = subprocess.run(["readelf", "-d", backend], capture_output=True, text=True).stdout
    names = [word.split("[")[1].split("]")[0] for word in needed.splitlines() if "NEEDED" in word]
    wanted = [name for name in names if name.startswith("libasan")]
    if not wanted:
        return None
    return subprocess.run(["cc", f"-print-file-name={wanted[0]}"], capture_output=True,
                          text=True, check=True).stdout.strip()


class Server:
    """One tritonserver. explicit: no model is loaded but those that load() names.

    It belongs to the thread that starts it, and dies with it; infer() and the other questions may
    be asked from any thread.
    """

    def __init__(self, repository, explicit=False, arguments=(), env=None, backends=None,
                 patience=120):
        needs_triton()
        self.repository = pathlib.Path(repository)
        self.backends = pathlib.Path(backends or BIN / "triton")
        self.arguments = list(arguments)
        if explicit:
            self.arguments.append("--model-control-mode=explicit")
        self.env = dict(env or {})
        self.patience = patience
        self.connections = []
        self.mark = f"tare_{os.getpid()}_{next(_serial)}"
        self.process = None

    # --- life ------------------------------------------------------------------------------------

    def __enter__(self):
        for attempt in range(5):  # another test may have taken a port in between
            self._start()
            if self._wait_ready():
                return self
            text = self.log()
            self._kill()
            if "Address already in use" not in text and "failed to start" not in text.lower():
                break
        raise RuntimeError(f"tritonserver did not start:\n{text[-6000:]}")

    def __exit__(self, *_):
        self.stop()

    def _start(self):
        self.http, self.grpc, self.metrics = free_ports(3)
        self.log_file = tempfile.NamedTemporaryFile(prefix="tare-triton-", suffix=".log")
        command = [
            PROGRAM, f"--model-repository={self.repository}",
            f"--backend-directory={self.backends}",
            "--http-address=127.0.0.1", f"--http-port={self.http}",
            "--grpc-address=127.0.0.1", f"--grpc-port={self.grpc}",
            "--metrics-address=127.0.0.1", f"--metrics-port={self.metrics}",
            "--exit-on-error=false", "--strict-readiness=false", "--exit-timeout-secs=20",
            f"--backend-config=python,shm-region-prefix-name={self.mark}", *self.arguments]
        env = {k: v for k, v in os.environ.items() if not k.startswith("TARE")}
        env.update(TARE_TEST_SERVER=self.mark, **self.env)
        self.sanitizer = _sanitizer()
        if self.sanitizer:
            env.update(LD_PRELOAD=self.sanitizer, UBSAN_OPTIONS="print_stacktrace=1", ASAN_OPTIONS=(
                "detect_leaks=0:detect_stack_use_after_return=1:alloc_dealloc_mismatch=0"))
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                        stdout=self.log_file, stderr=self.log_file, env=env,
                                        preexec_fn=_die_with_parent)

    def _wait_ready(self):
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("GET", "/v2/health/ready", timeout=5)[0] == 200:
                    return True
            time.sleep(0.02)
        return False

    def alive(self):
        return self.process.poll() is None

    def log(self):
        return pathlib.Path(self.log_file.name).read_text(errors="replace")

    def _kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends the server as a user would, and looks at what is left."""
        died = self.process.poll()
        for connection in self.connections:  # the server would wait for one that is open
            connection.close()
        self.process.terminate()
        status = self._wait_stopped() if self.sanitizer else self._wait_exit()
        text = self.log()
        assert died is None, f"tritonserver has died with status {died}:\n{text[-6000:]}"
        assert status == 0, f"tritonserver ended with status {status}:\n{text[-6000:]}"
        assert "AddressSanitizer" not in text and "runtime error:" not in text, text[-6000:]
        self.assert_nothing_left()

    def _wait_exit(self):
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self._kill()
            raise AssertionError(f"tritonserver does not stop:\n{self.log()[-4000:]}") from None

    def _wait_stopped(self):
        """With a sanitizer's runtime before it, tritonserver's own exit handlers hang, whatever the
        backend (libp11-kit's waits for a lock in the C library): once all models are unloaded, it
        is ended."""
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            if "Found 0 live models" in self.log():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return self.process.wait(1)
                self._kill()
                return 0
            time.sleep(0.1)
        return self._wait_exit()

    def assert_nothing_left(self):
        """No process, no port, no shared memory."""
        assert not self.processes(), "the server left processes"
        for port in (self.http, self.grpc, self.metrics):
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} is still served"
        left = [entry.name for entry in pathlib.Path("/dev/shm").glob(f"*{self.mark}*")]
        assert not left, f"the server left {left} in /dev/shm"

    def processes(self):
        """Those that the server has started and itself, by a mark in their environment."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"TARE_TEST_SERVER={self.mark}".encode() in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    # --- questions -------------------------------------------------------------------------------

    def connect(self, timeout=120):
        """A connection that stays, for infer(); it ends with the server if nobody closes it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=timeout)
        self.connections.append(connection)
        return connection

    def ask(self, method, path, body=None, headers=None, timeout=120):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def ask_json(self, method, path, body=None):
        status, _, answer = self.ask(method, path, None if body is None else json.dumps(body))
        text = json.loads(answer) if answer else {}
        if status != 200:
            raise InferError(status, text.get("error", answer))
        return text

    def infer(self, model, inputs, outputs=None, binary=True, connection=None):
        """Outputs by name; InferError if the server answers with an error. A connection, of
        connect(), saves making one."""
        body, headers = encode_request(inputs, outputs, binary)
        path = f"/v2/models/{model}/infer"
        if connection:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            status, headers, answer = response.status, response.headers, response.read()
        else:
            status, headers, answer = self.ask("POST", path, body, headers)
        if status != 200:
            try:
                message = json.loads(answer)["error"]
            except (ValueError, KeyError):
                message = answer.decode(errors="replace")
            raise InferError(status, message)
        return decode_response(headers, answer)

    def load(self, model):
        self.ask_json("POST", f"/v2/repository/models/{model}/load", {})

    def unload(self, model):
        self.ask_json("POST", f"/v2/repository/models/{model}/unload", {})

    def ready(self, model):
        return self.ask("GET", f"/v2/models/{model}/ready")[0] == 200

    def config(self, model):
        return self.ask_json("GET", f"/v2/models/{model}/config")

    def stats(self, model):
        """The statistics of the model's only version."""
        return self.ask_json("GET", f"/v2/models/{model}/stats")["model_stats"][0]

    def settled_stats(self, model, wanted, patience=5):
        """The statistics once wanted(stats) holds, or as they are in the end: a client has its
        answer before the server has counted it."""
        deadline = time.monotonic() + patience
        while not wanted(self.stats(model)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.stats(model)

    def batch_sizes(self, model):
        """How many executions there were of each batch size."""
        return {entry["batch_size"]: entry["compute_infer"]["count"]
                for entry in self.stats(model)["batch_stats"]}
