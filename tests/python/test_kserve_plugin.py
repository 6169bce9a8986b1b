"""The plugin kserve against the real tritonserver: the same bytes as ONNX Runtime gives in process,
over every transport and kind of memory, and every way in which a server can fail."""
import contextlib
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("onnx")

import small_models  # noqa: E402
import tare_abi  # noqa: E402
import triton_server  # noqa: E402
from tare_abi import Session, TareError  # noqa: E402
from triton_server import Server, write_config  # noqa: E402

tare_abi.build_plugins()
ROOT = pathlib.Path(__file__).resolve().parents[2]
WAYS = list(itertools.product(["http", "grpc"], ["wire", "shared"]))
TRANSPORTS = ["http", "grpc"]
CPU = 'backend: "tare"\ninstance_group [ { kind: KIND_CPU } ]\n'
CONVOLUTION = CPU + """max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, 16, 16 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 8, 16, 16 ] },
         { name: "mean" data_type: TYPE_FP32 dims: [ 8, 1, 1 ] } ]
"""
KINDS = ["FP64", "FP32", "FP16", "BF16", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16",
         "UINT32", "UINT64", "BOOL"]
SHAPES = {"y": (2, 8, 16, 16), "mean": (2, 8, 1, 1)}
def echo(repository, model, inputs, max_batch_size):
    """A model of tests/fixtures/triton_echo.c; inputs: what follows "i_" and type, and dims."""
    text = f'backend: "echo"\nmax_batch_size: {max_batch_size}\n'
    for name, kind, dims in inputs:
        rest = f'data_type: TYPE_{kind} dims: {dims} }}\n'
        text += f'input {{ name: "i_{name}" {rest} output {{ name: "o_{name}" {rest}'
    write_config(repository, model, text + "instance_group [ { kind: KIND_CPU } ]\n")


def convolution(repository):
    folder = write_config(repository, "convolution", CONVOLUTION)
    small_models.convolution(str(folder / "model.onnx"))


def slow(repository, delay_ns):
    write_config(repository, "slow", CPU + """max_batch_size: 1
input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 1 ] } ]
""" + triton_server.parameters(plugin="null", option__inputs="x:fp32:-1x1",
                               option__outputs="y:fp32:-1x1", option__delay_ns=delay_ns))


def backends_folder(folder):
    """tare's backend, and the one that gives back what it gets."""
    made = ROOT / "build/fixtures/triton_echo.so"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    subprocess.run(["make", "-s", made.relative_to(ROOT)], cwd=ROOT, check=True, env=environment)
    (folder / "echo").mkdir(parents=True)
    (folder / "echo/libtriton_echo.so").symlink_to(made)
    (folder / "tare").symlink_to(triton_server.BIN / "triton/tare")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    triton_server.needs_triton()
    repository = tmp_path_factory.mktemp("repository")
    convolution(repository)
    slow(repository, 700000000)
    echo(repository, "types", [(kind.lower(), kind, [3]) for kind in KINDS], 4)
    echo(repository, "strings", [("s", "STRING", [2])], 4)
    echo(repository, "open", [("x", "INT64", [-1, 2])], 0)
    with Server(repository, backends=backends_folder(tmp_path_factory.mktemp("b"))) as running:
        yield running
        assert regions(running) == []


@pytest.fixture(autouse=True)
def nothing_left_in_shared_memory():
    yield
    assert not ours_in_shm()


def ours_in_shm():
    return [p.name for p in pathlib.Path("/dev/shm").glob(f"tare-kserve-*-{os.getpid()}-*")]


def regions(server):
    return [row["name"] for row in server.ask_json("GET", "/v2/systemsharedmemory/status")
            if row["name"].startswith("tare-kserve-")]


def client(server, transport="http", memory="wire", **options):
    port = server.http if transport == "http" else server.grpc
    return Session("kserve", None, url=f"127.0.0.1:{port}", transport=transport, memory=memory,
                   **options)


def picture(seed=0, batch=2):
    return np.random.default_rng(seed).standard_normal((batch, 3, 16, 16), np.float32)


# --- what comes back -----------------------------------------------------------------------------

@pytest.mark.parametrize("transport, memory", WAYS)
def test_same_as_another_client(server, transport, memory):
    with client(server, transport, memory, model="convolution") as session:
        assert session.inputs == [("x", "float32", [-1, 3, 16, 16], 2)]
        assert session.report.runtime_version == b"triton 2.51.0"
        session.bind({"x": picture()}, SHAPES)
        assert len(regions(server)) == (3 if memory == "shared" else 0)
        assert not ours_in_shm()
        for seed in range(5):
            session.arrays["x"][...] = picture(seed)
            session.run_bound()
            expected = server.infer("convolution", {"x": picture(seed)})
            for name, shape in SHAPES.items():
                assert session.arrays[name].tobytes() == expected[name].tobytes()
        assert session.bound_shape(0) == [2, 8, 16, 16]
    assert regions(server) == []


@pytest.mark.parametrize("transport, memory", WAYS)
def test_every_type(server, transport, memory, monkeypatch):
    monkeypatch.setitem(tare_abi.DTYPES, 4, "uint16")  # BF16, by its bits
    with client(server, transport, memory, model="types") as session:
        feeds = {name: (np.arange(6).reshape(2, 3) * 7).astype(dtype)
                 for name, dtype, _, _ in session.inputs}
        assert len(feeds) == len(KINDS)
        shapes = {name: (2, 3) for name, _, _, _ in session.outputs}
        for (name, dtype, _, _), array in zip(session.outputs, session.run(feeds, shapes)):
            assert array.dtype == dtype and np.array_equal(array, feeds["i" + name[1:]])


@pytest.mark.parametrize("transport, memory", WAYS)
def test_strings_of_other_lengths_each_time(server, transport, memory):
    with client(server, transport, memory, model="strings") as session:
        values = np.array([[b"", b"ab"], [b"\x00\xff", b"c" * 1000]], dtype=object)
        session.bind({"i_s": values}, {"o_s": (2, 2)})
        for again in ([b"", b"ab", b"\x00\xff", b"c" * 1000], [b"x" * 60000, b"", b"y", b""],
                      [b"", b"", b"", b""]):
            session.arrays["i_s"][...] = again
            session.run_bound()
            assert session.arrays["o_s"].copy() == again


@pytest.mark.parametrize("transport, memory", WAYS)
def test_strings_that_run_past_their_room(server, transport, memory):
    with client(server, transport, memory, model="strings") as session:
        session.bind({"i_s": np.array([[b"a", b"b"]], dtype=object)}, {"o_s": (1, 2)})
        session.arrays["i_s"].memory[:4] = 255
        with pytest.raises(TareError, match="the elements of input 'i_s' run past its"):
            session.run_bound()
        session.arrays["i_s"][...] = [b"c", b"d"]
        session.run_bound()
        assert session.arrays["o_s"].copy() == [b"c", b"d"]


@pytest.mark.parametrize("transport, memory", WAYS)
def test_output_of_unknown_shape_is_found(server, transport, memory):
    given = np.arange(6, dtype=np.int64).reshape(3, 2)
    with client(server, transport, memory, model="open") as session:
        session.bind({"i_x": given}, {"o_x": None})
        with pytest.raises(TareError, match="has not run"):
            session.bound_shape(0)
        session.run_bound()
        assert session.bound_shape(0) == [3, 2]
        session.bind({"i_x": given}, {"o_x": (5, 2)})
        session.run_bound()
        assert session.bound_shape(0) == [3, 2]
        assert np.array_equal(session.arrays["o_x"].ravel()[:6], given.ravel())
        session.bind({"i_x": given[:0]}, {"o_x": (5, 2)})
        session.run_bound()
        assert session.bound_shape(0) == [0, 2]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_output_that_outgrows_its_room(server, transport):
    with client(server, transport, model="open") as session:
        session.bind({"i_x": np.zeros((9, 2))}, {"o_x": (4, 2)})
        with pytest.raises(TareError, match="output 'o_x' has 144 bytes, there is room for 64"):
            session.run_bound()
        session.bind({"i_x": np.zeros((4, 2))}, {"o_x": (4, 2)})
        session.run_bound()
        assert session.bound_shape(0) == [4, 2]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_shared_output_that_outgrows_its_room(server, transport):
    with client(server, transport, "shared", model="open") as session:
        session.bind({"i_x": np.zeros((900, 2))}, {"o_x": (4, 2)})
        with pytest.raises(TareError, match="says: .*shared memory"):
            session.run_bound()


@pytest.fixture(scope="module")
def detector(tare, tmp_path_factory):
    """YOLOv8n with the raw head, served, and its file."""
    repository = tmp_path_factory.mktemp("detector")
    sides = {"images": [3, 640, 640]}
    for size, cells in ((8, 80), (16, 40), (32, 20)):
        sides[f"box{size}"], sides[f"cls{size}"] = [64, cells, cells], [80, cells, cells]
    words = "".join(f'{"input" if name == "images" else "output"} {{ name: "{name}" '
                    f'data_type: TYPE_FP32 dims: {dims} }}\n' for name, dims in sides.items())
    path = write_config(repository, "yolov8", CPU + "max_batch_size: 1\n" + words
                        + triton_server.parameters(threads="1")) / "model.onnx"
    done = tare("export", ROOT / "data/yolov8n.pt", "-o", path)
    assert done.returncode == 0, done.stderr
    with Server(repository) as running:
        yield running, path
        assert regions(running) == []


def test_yolov8n_gives_the_bytes_of_onnxruntime_in_process(detector):
    server, path = detector
    random = np.random.default_rng(0)
    feeds = {"images": random.random((1, 3, 640, 640), np.float32)}
    with Session("onnxruntime", path) as direct:
        shapes = {name: shape for name, _, shape, _ in direct.outputs}
        expected = dict(zip(shapes, direct.run(feeds, {})))
    assert sum(array.nbytes for array in expected.values()) > 4000000
    for transport, memory in WAYS:
        with client(server, transport, memory, model="yolov8") as session:
            outputs = [name for name, _, _, _ in session.outputs]
            assert sorted(outputs) == sorted(shapes)
            for name, array in zip(outputs, session.run(feeds, shapes)):
                assert array.tobytes() == expected[name].tobytes(), (transport, memory, name)


def test_bench_weighs_a_served_model(server, tare, tmp_path):
    for transport, port in (("http", server.http), ("grpc", server.grpc)):
        done = tare("bench", "--runtime", "kserve", "--option", f"url=127.0.0.1:{port}",
                    "--option", "model=convolution", "--option", f"transport={transport}",
                    "--option", "memory=shared", "--sweeps", 3, "--restarts", 1, "--runs", 20,
                    "--warmup", "10ms", "--no-peaks", "-q", "--json", "-o", tmp_path / "run.db")
        assert done.returncode == 0, done.stderr
        assert '"triton 2.51.0' in done.stdout
    assert regions(server) == []


# --- errors --------------------------------------------------------------------------------------

@pytest.mark.parametrize("transport", TRANSPORTS)
def test_error_of_a_request_leaves_a_usable_session(server, transport):
    with client(server, transport, model="convolution") as session:
        session.bind({"x": picture(batch=9)}, {"y": (9, 8, 16, 16), "mean": (9, 8, 1, 1)})
        with pytest.raises(TareError, match="'127.0.0.1:[0-9]+' says: .*batch-size must be <= 8"):
            session.run_bound()
        session.run({"x": picture()}, SHAPES)


def refused(status, match, **options):
    with pytest.raises(TareError, match=match) as caught:
        Session("kserve", None, **options)
    assert caught.value.status == status


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_unknown_model_and_version(server, transport):
    port = server.http if transport == "http" else server.grpc
    url = f"127.0.0.1:{port}"
    refused(tare_abi.ABSENT, "unknown model: 'none' is not found", url=url, transport=transport,
            model="none")
    refused(tare_abi.ABSENT, "unknown model: 'convolution' version 7 is not found", url=url,
            transport=transport, model="convolution", version=7)
    with client(server, transport, model="convolution", version=1) as session:
        session.run({"x": picture()}, SHAPES)


def test_bad_options():
    refused(tare_abi.INVALID, "which model: --option model=NAME")
    refused(tare_abi.INVALID, "option 'model' has 200 bytes, need at most 127", model="m" * 200)
    for url in ("", ":", "a b:1", "h:0", "h:65536", "h:x", "http://h", "[::1", "h\r\nX: y"):
        refused(tare_abi.INVALID, "is no address of a server, need host:port", model="m", url=url)
    refused(tare_abi.UNSUPPORTED, "where a served model runs is the server's choice", model="m",
            device="cuda:0")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_no_server(transport):
    (port,) = triton_server.free_ports(1)
    refused(tare_abi.ABSENT, f"no server at '127.0.0.1:{port}'; start one by tare serve$",
            url=f"127.0.0.1:{port}", transport=transport, model="m")


def test_the_other_port(server):
    refused(tare_abi.BADDATA, r"\(is it the gRPC port\?\)", url=f"127.0.0.1:{server.grpc}",
            model="m")
    refused(tare_abi.BADDATA, r"\(is it the HTTP port\?\)", url=f"127.0.0.1:{server.http}",
            transport="grpc", model="m")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_wrong_tensors_are_not_bound(server, transport):
    with client(server, transport, model="convolution") as session:
        with pytest.raises(TareError, match="bound 0 inputs and 0 outputs, need 1 and 2"):
            session._check(session.backend.bind, session.handle, None, 0, None, 0)
        with pytest.raises(TareError, match="nothing is bound"):
            session.run_bound()


def test_memory_that_is_not_shared(server):
    with client(server, memory="shared", model="convolution") as session:
        stranger = picture()
        tensor = tare_abi.Tensor(b"x", 2, 0, 0, 4, (tare_abi.c.c_int64 * 8)(2, 3, 16, 16),
                                 stranger.ctypes.data, stranger.nbytes)
        outputs = (tare_abi.Tensor * 2)()
        with pytest.raises(TareError, match="'x' is bound to memory that the server does not"):
            session._check(session.backend.bind, session.handle, tensor, 1, outputs, 2)


@pytest.mark.parametrize("transport, memory", WAYS)
def test_slow_model_times_out(server, transport, memory):
    with client(server, transport, memory, model="slow", timeout_ms=200) as session:
        session.bind({"x": np.zeros((1, 1))}, {"y": (1, 1)})
        start = time.monotonic()
        with pytest.raises(TareError, match="no answer from '127.0.0.1:[0-9]+' in time") as caught:
            session.run_bound()
        assert caught.value.status == tare_abi.TIMEOUT and time.monotonic() - start < 0.65
    with client(server, transport, model="slow") as session:
        session.bind({"x": np.zeros((1, 1))}, {"y": (1, 1)})
        session.run_bound()
        soon = tare_abi.Request(deadline_ns=time.monotonic_ns() + 100000000)
        with pytest.raises(TareError, match="in time"):
            session.run_bound(soon)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_server_dies_during_a_request(tmp_path, transport):
    slow(tmp_path, 20000000000)
    server = Server(tmp_path).__enter__()
    with client(server, transport, "shared", model="slow") as session:
        session.bind({"x": np.zeros((1, 1))}, {"y": (1, 1)})
        timer = threading.Timer(0.5, server.process.kill)
        timer.start()
        start = time.monotonic()
        with pytest.raises(TareError, match="closed the connection|the connection to .* broke"):
            session.run_bound()
        assert time.monotonic() - start < 5
        server.process.wait()
        timer.join()
        with pytest.raises(TareError, match="no server at '127.0.0.1:"):
            session.run_bound()
    server.assert_nothing_left()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_session_outlives_a_restart_of_the_server(tmp_path, transport, monkeypatch):
    convolution(tmp_path)
    server = Server(tmp_path).__enter__()
    session = client(server, transport, model="convolution")
    session.bind({"x": picture()}, SHAPES)
    session.run_bound()
    before = session.arrays["y"].copy()
    server.process.terminate()  # it says that it leaves, then waits for idle connections
    time.sleep(1)
    server.process.kill()
    server.process.wait()
    ports = (server.http, server.grpc, server.metrics)
    monkeypatch.setattr(triton_server, "free_ports", lambda count: ports)
    with Server(tmp_path):
        time.sleep(1.1)  # a connection that was idle so long is looked at before its use
        session.arrays["y"][...] = 0
        session.run_bound()
        assert np.array_equal(session.arrays["y"], before)
        session.close()


# --- what a killed client leaves -----------------------------------------------------------------

KILLED = """
import os, signal, sys
import numpy as np
from tare_abi import Session
session = Session("kserve", None, url=sys.argv[1], transport=sys.argv[2], memory="shared",
                  model="convolution")
session.run({"x": np.zeros((2, 3, 16, 16))}, {"y": (2, 8, 16, 16), "mean": (2, 8, 1, 1)})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_next_client_cleans_up_after_a_killed_one(server, transport):
    port = server.http if transport == "http" else server.grpc
    with client(server, memory="shared", model="convolution") as living:
        living.bind({"x": picture()}, SHAPES)
        killed = subprocess.run([sys.executable, "-c", KILLED, f"127.0.0.1:{port}", transport],
                                cwd=ROOT / "tests/python", check=False)
        assert killed.returncode == -signal.SIGKILL
        assert len(regions(server)) == 6
        assert not list(pathlib.Path("/dev/shm").glob("tare-kserve-*"))
        with client(server, transport, "shared", model="convolution") as session:
            session.bind({"x": picture()}, SHAPES)
            assert len(regions(server)) == 6  # three of each that lives
        living.run_bound()
    assert regions(server) == []


# --- servers that are none -----------------------------------------------------------------------

CLOSE = None


class Imitation:
    """Answers each request on a connection with the next of the given bytes, which CLOSE follows
    where it then closes the connection."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        with contextlib.suppress(OSError):
            while self.answers:
                peer, _ = self.socket.accept()
                with peer, contextlib.suppress(ConnectionError, IndexError):
                    while self.answers and peer.recv(1 << 20):
                        peer.sendall(self.answers.pop(0))
                        if self.answers[:1] == [CLOSE]:
                            self.answers.pop(0)
                            break

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.answers.clear()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)


def answer(body, status="200 OK", headers=""):
    body = body if isinstance(body, bytes) else body.encode()
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def match_only(value):
    """How a case is called: by what must be said, not by the bytes that cause it."""
    return None if isinstance(value, (str, int)) else "reply"


OPENED = [answer(""), answer('{"name": "fake", "version": "1"}'),
          answer('{"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [2]}],'
                 ' "outputs": [{"name": "y", "datatype": "FP32", "shape": [2]}]}'),
          answer('{"error": "no such thing"}', "404 Not Found"), answer("")]


@pytest.mark.parametrize("reply, match", [
    (b"garbage\r\n", "does not start with an HTTP/1.1 status line"),
    (b"\x00\x00\x12\x04", "closed the connection"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "its body is too large"),
    (answer("", "400 Bad Request"), "the server at '127.0.0.1:[0-9]+' is not live: status 400"),
    (answer('{"error": "starting\\u001b[31m"}', "503 Service Unavailable"),
     r"'127.0.0.1:[0-9]+' says: starting\?\[31m"),
    (answer("<html>", "503 Service Unavailable"), "^status 503 from"),
    (answer("") + b"more", None),
], ids=match_only)
def test_malformed_http(reply, match):
    with Imitation(reply) as fake:
        with pytest.raises(TareError, match=match):
            Session("kserve", None, url=fake.url, model="m", timeout_ms=2000)


@pytest.mark.parametrize("at, reply, match", [
    (1, answer("{"), "malformed response from '127.0.0.1:[0-9]+': line 1"),
    (2, answer('{"inputs": [{"name": "x", "datatype": "FP33", "shape": [2]}]}'),
     "tensor 'x' is FP33"),
    (2, answer('{"inputs": [{"name": "x", "datatype": "FP32", "shape": [-2]}]}'),
     "tensor 'x' has dimension -2"),
    (2, answer('{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1,1,1,1,1,1,1,1,1]}]}'),
     "tensor 'x' is FP32 of rank 9, need at most 8"),
    (2, answer('{"inputs": [{"name": "", "datatype": "FP32", "shape": [1]}]}'),
     "a tensor's name has 0 bytes"),
    (2, answer('{"error": "unknown model"}', "404 Not Found"), "says: unknown model"),
    (4, answer("", "400 Bad Request"), "no model 'm' is ready at"),
], ids=match_only)
def test_malformed_metadata(at, reply, match):
    with Imitation(*OPENED[:at], reply) as fake:
        with pytest.raises(TareError, match=match):
            Session("kserve", None, url=fake.url, model="m", timeout_ms=2000)


def said(body, tensors=b"\0" * 8):
    return answer(body.encode() + tensors,
                  headers=f"Inference-Header-Content-Length: {len(body)}\r\n")


def output(name="y", datatype="FP32", shape="[2]", size=8):
    return (f'{{"outputs": [{{"name": "{name}", "datatype": "{datatype}", "shape": {shape},'
            f' "parameters": {{"binary_data_size": {size}}}}}]}}')


@pytest.mark.parametrize("reply, match", [
    (said(output("z")), "the server sends an output that was not asked for"),
    (said(output(datatype="INT32")), "output 'y' comes as INT32, need FP32"),
    (said(output(shape="[3]")), "output 'y' comes with 8 bytes, need 12"),
    (said(output(shape="[64]", size=256), b"\0" * 256), "output 'y' has 256 bytes, there is room"),
    (said(output(shape="[-2]")), "expected a shape"),
    (said(output(shape="[4611686018427387904, 4]")), "impossible shape"),
    (said(output(), b"\0" * 7), "the server sends 7 bytes of outputs, says 8"),
    (said(output(), b"\0" * 9), "the server sends 9 bytes of outputs, says 8"),
    (said('{"outputs": []}', b""), "the server sends no output 'y'"),
    (said('{"outputs": 1}', b""), "the server's response: line 1"),
    (said("{", b""), "the server's response: line 1"),
    (said(""), "the server's response: line 1"),
    (said(output())[:-3], "closed the connection"),
    (answer('{"error": "no"}', "500 Internal Server Error"), "says: no"),
], ids=match_only)
def test_malformed_inference(reply, match):
    """The session goes on with a server that has come to its senses."""
    good = said(output(), np.array([3, 4], np.float32).tobytes())
    close = [CLOSE] if "closed" in match else []
    with Imitation(*OPENED, reply, *close, good) as fake:
        with Session("kserve", None, url=fake.url, model="m", timeout_ms=2000) as session:
            session.bind({"x": np.zeros(2)}, {})
            with pytest.raises(TareError, match=match):
                session.run_bound()
            session.run_bound()
            assert session.arrays["y"].tolist() == [3, 4]


def frame(kind, flags, stream, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


def literal(name, value):
    """A header as HPACK has it, without an index or Huffman's code."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


SETTINGS = frame(4, 0, 0)
HEAD = frame(1, 4, 1, b"\x88" + literal(b"content-type", b"application/grpc"))
LIVE = frame(0, 0, 1, b"\0\0\0\0\2\x08\x01")


def trailers(status, message=b""):
    return frame(1, 5, 1, literal(b"grpc-status", status) + literal(b"grpc-message", message))


@pytest.mark.parametrize("reply, match", [
    (SETTINGS + HEAD + trailers(b"14", b"not%20yet%1b"), r"says: not yet\?$"),
    (SETTINGS + HEAD + trailers(b"13"), "gRPC status 13 from"),
    (SETTINGS + HEAD + trailers(b"0"), "sends a response that ends too early"),
    (SETTINGS + HEAD + trailers(b"x"), "without its grpc-status"),
    (SETTINGS + HEAD + LIVE + LIVE, "sends more than one response"),
    (SETTINGS + HEAD + frame(0, 0, 1, b"\1\0\0\0\2\x08\x01"), "sends a compressed response"),
    (SETTINGS + HEAD + frame(0, 0, 1, b"\0\xff\xff\xff\xff\x08"), "a response of 4294967295 bytes"),
    (SETTINGS + HEAD + frame(0, 0, 1, b"\0\0\0\0\1\x08") + trailers(b"0"), "malformed response"),
    (SETTINGS + frame(1, 5, 1, b"\x8d"), "status 404 from"),
    (SETTINGS + frame(3, 0, 1, (8).to_bytes(4, "big")), "ended a request: CANCEL"),
    (SETTINGS + frame(7, 0, 0, b"\0" * 8), "ended a request: REFUSED_STREAM"),
    (SETTINGS + b"\xff" * 9, "does not speak HTTP/2 as it should"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", r"\(is it the HTTP port\?\)"),
], ids=match_only)
def test_malformed_grpc(reply, match):
    with Imitation(reply, b"", b"") as fake:
        with pytest.raises(TareError, match=match):
            Session("kserve", None, url=fake.url, transport="grpc", model="m", timeout_ms=3000)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_server_that_says_nothing(transport):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        refused(tare_abi.TIMEOUT, "no answer from", model="m", transport=transport, timeout_ms=300,
                url=f"127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - start < 3
