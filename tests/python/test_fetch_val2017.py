"""tools/fetch-val2017 against a server on this machine that breaks off, lies and ignores ranges."""
import hashlib
import http.server
import importlib.machinery
import importlib.util
import io
import threading
import zipfile

import pytest

from conftest import ROOT


def load_tool():
    path = str(ROOT / "tools/fetch-val2017")  # its name does not end in .py
    loader = importlib.machinery.SourceFileLoader("fetch_val2017", path)
    spec = importlib.util.spec_from_loader("fetch_val2017", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


tool = load_tool()


def make_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for i in range(50):
            file.writestr(f"val2017/{i:012}.jpg", bytes([i]) * 1000)
        file.writestr("other/ignored.txt", "no")
    return out.getvalue()


CONTENT = make_zip()


class Server(http.server.ThreadingHTTPServer):
    content = CONTENT
    break_after = 0  # bytes of the first reply; 0: whole
    ranges = True
    status = None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []  # the Range header of each request


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        if server.status:
            self.send_error(server.status)
            return
        start = int(asked[len("bytes="):-1]) if asked and server.ranges else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.break_after and len(server.asked) == 1:
            body = body[:server.break_after]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def archive(**changes):
    values = dict(path="zips/val2017.zip", size=len(CONTENT),
                  sha256=hashlib.sha256(CONTENT).hexdigest(), members="val2017/",
                  unpacked="val2017")
    return tool.Archive(**(values | changes))


def fetch(server, directory, **changes):
    tool.fetch([archive(**changes)], f"http://127.0.0.1:{server.server_port}", directory)


def assert_whole(directory):
    assert len(list((directory / "val2017").glob("*.jpg"))) == 50
    assert [p.name for p in directory.iterdir()] == ["val2017"]


def test_a_whole_download_is_unpacked_and_the_archive_deleted(server, tmp_path):
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    fetch(server, tmp_path)
    fetch(server, tmp_path)
    assert len(server.asked) == 1


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.time, "sleep", lambda _: None)
    server.break_after = 4000
    fetch(server, tmp_path)
    assert server.asked == [None, "bytes=4000-"]
    assert_whole(tmp_path)


def test_a_server_that_ignores_ranges_is_asked_for_all(server, tmp_path):
    server.ranges = False
    (tmp_path / "val2017.zip.part").write_bytes(b"x" * 100)
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_a_wrong_checksum_is_refused_and_leaves_nothing(server, tmp_path):
    with pytest.raises(tool.Failed, match="wrong checksum"):
        fetch(server, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_not_tried_again(server, tmp_path):
    server.status = 404
    with pytest.raises(tool.Failed, match="404"):
        fetch(server, tmp_path)
    assert len(server.asked) == 1


def test_too_long_a_reply_is_refused(server, tmp_path):
    server.content = CONTENT + b"x"
    with pytest.raises(tool.Failed, match="longer than"):
        fetch(server, tmp_path)


def test_too_small_a_disk_is_noticed_first(server, tmp_path):
    with pytest.raises(tool.Failed, match="free disk space"):
        fetch(server, tmp_path, size=1 << 60)
    assert server.asked == []


def test_nobody_listening_is_a_clear_message(tmp_path, monkeypatch):
    monkeypatch.setattr(tool.time, "sleep", lambda _: None)
    with pytest.raises(tool.Failed, match="run it again"):
        tool.fetch([archive()], "http://127.0.0.1:9", tmp_path)
