"""Broken and hostile checkpoints: one line that says what is wrong, exit code 1, nothing run.

The hostile names are those of public pickle exploits; whether something ran is seen from a file
that it would have made.
"""
import pickle
import resource
import zipfile

import pytest
import torch

import make_checkpoint
from conftest import DATA

SAMPLE = DATA / "yolov8n.pt"
GIB = 1 << 30


def limited():
    """Far above what a checkpoint of this size needs, far below what a bomb asks for."""
    resource.setrlimit(resource.RLIMIT_AS, (4 * GIB, 4 * GIB))


@pytest.fixture
def refuse(tare, tmp_path):
    """refuse(checkpoint, *said): the program refuses it, in one line that says these words."""

    def check(checkpoint, *said):
        output = tmp_path / "refused.onnx"
        done = tare("export", checkpoint, "-o", output, timeout=20, preexec_fn=limited)
        assert done.returncode == 1, (done.returncode, done.stderr)
        assert done.stdout == ""
        assert all(c.isprintable() for c in done.stderr.removesuffix("\n")), done.stderr
        assert done.stderr.startswith("tare export: ") and done.stderr.count("\n") == 1, done.stderr
        assert str(checkpoint.name) in done.stderr
        for word in said:
            assert word in done.stderr
        assert sorted(p.name for p in tmp_path.iterdir() if "onnx" in p.name) == []

    return check


def zipped(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def entries_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sample():
    """The entries of the real checkpoint."""
    return entries_of(SAMPLE)


def with_prefix(sample, code):
    """The real checkpoint, with pickle code that runs first and leaves nothing on the stack."""
    data = sample["yolov8n/data.pkl"]
    return {**sample, "yolov8n/data.pkl": data[:2] + code + data[2:]}


def call(module, name, argument):
    """Protocol 2: module.name(argument), its result dropped."""
    return f"c{module}\n{name}\n(V{argument}\ntR0".encode()


def call_by_stack(module, name, argument):
    """Protocol 4: the name comes from the stack."""
    def text(value):
        return b"\x8c" + bytes([len(value)]) + value.encode()
    return text(module) + text(name) + b"\x93(" + text(argument[:250]) + b"tR0"


GADGETS = [("posix", "system"), ("os", "system"), ("nt", "system"), ("builtins", "eval"),
           ("builtins", "exec"), ("builtins", "getattr"), ("__builtin__", "eval"),
           ("subprocess", "Popen"), ("torch", "load"), ("torch.hub", "load"),
           ("torch.serialization", "load"), ("torch._utils", "_rebuild_tensor_v3_"),
           ("numpy", "load"), ("numpy.f2py.crackfortran", "getlincoef"), ("runpy", "run_path"),
           ("collections", "OrderedDict.fromkeys"),
           ("ultralytics.nn.tasks", "os.system"), ("ultralytics.nn.modules", "torch.load"),
           ("ultralytics.nn.tasks", "SegmentationModel")]


@pytest.mark.parametrize("module, name", GADGETS)
@pytest.mark.parametrize("how", (call, call_by_stack))
def test_a_hostile_name_is_refused_by_name(refuse, sample, tmp_path, module, name, how):
    marker = tmp_path / "it-ran"
    code = how(module, name, f"open('{marker}', 'w')" if name == "eval" else f"touch {marker}")
    refuse(zipped(tmp_path / "hostile.pt", with_prefix(sample, code)), module, name)
    assert not marker.exists()


@pytest.mark.parametrize("code", (
    b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00",
    b"(X\x04\x00\x00\x00trueiposix\nsystem\n0", b"(cposix\nsystem\nX\x04\x00\x00\x00trueo0"),
    ids=("ext1", "ext2", "ext4", "inst", "obj"))
def test_other_ways_to_a_name_are_refused(refuse, sample, tmp_path, code):
    refuse(zipped(tmp_path / "hostile.pt", with_prefix(sample, code)))


def test_a_name_cannot_steer_the_terminal(refuse, sample, tmp_path):
    code = b"\x8c\x05posix\x8c\x14\x1b]0;title\x07\x1b[2J\rfine\n\x93"
    refuse(zipped(tmp_path / "hostile.pt", with_prefix(sample, code)), "title", "fine")


def test_a_truncated_archive_is_refused_wherever_it_ends(refuse, tmp_path):
    data = SAMPLE.read_bytes()
    ends = [0, 1, 4, 30, 64, 4096, len(data) // 3, len(data) // 2]
    ends += [len(data) - n for n in (40000, 20000, 1000, 100, 46, 23, 22, 21, 10, 2, 1)]
    for end in ends:
        path = tmp_path / "short.pt"
        path.write_bytes(data[:end])
        refuse(path)


def test_a_truncated_pickle_is_refused_wherever_it_ends(refuse, sample, tmp_path):
    data = sample["yolov8n/data.pkl"]
    for end in [0, 1, 2, 3, 10, 100, 1000, 40000, len(data) - 100, len(data) - 2, len(data) - 1]:
        refuse(zipped(tmp_path / "short.pt", {**sample, "yolov8n/data.pkl": data[:end]}))


def test_flipped_bits_never_crash_it(tare, sample, tmp_path):
    data = sample["yolov8n/data.pkl"]
    for i in range(0, len(data), 1361):
        broken = data[:i] + bytes([data[i] ^ (1 << i % 8)]) + data[i + 1:]
        path = zipped(tmp_path / "flipped.pt", {**sample, "yolov8n/data.pkl": broken})
        done = tare("export", path, "-o", tmp_path / "x.onnx", timeout=20, preexec_fn=limited)
        assert done.returncode in (0, 1), (i, done.returncode, done.stderr)
        assert done.stderr.count("\n") == done.returncode, (i, done.stderr)


def test_a_short_storage_is_refused(refuse, sample, tmp_path):
    refuse(zipped(tmp_path / "short.pt", {**sample, "yolov8n/data/6": b"\0" * 100}))


def test_a_missing_storage_is_refused(refuse, sample, tmp_path):
    rest = {name: data for name, data in sample.items() if name != "yolov8n/data/6"}
    refuse(zipped(tmp_path / "short.pt", rest))


@pytest.mark.parametrize("content", (
    b"", b"not a checkpoint\n" * 100, b"PK\x05\x06" + b"\0" * 18, b"PK\x03\x04" + b"\xff" * 400,
    pickle.dumps({"model": None}, protocol=2)), ids=("empty", "text", "no zip", "noise", "pickle"))
def test_other_files_are_refused(refuse, tmp_path, content):
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    refuse(path)


def test_a_path_that_is_no_file_is_refused(refuse, tmp_path):
    refuse(tmp_path / "absent.pt")
    (tmp_path / "folder.pt").mkdir()
    refuse(tmp_path / "folder.pt")


def test_the_form_before_pytorch_1_6_is_refused(refuse, tmp_path):
    path = tmp_path / "legacy.pt"
    torch.save({"model": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
    refuse(path)


def test_bombs_are_refused_without_filling_memory(refuse, sample, tmp_path):
    pickle_name = "yolov8n/data.pkl"
    laughs = b"\x80\x02(tq\x00" + b"".join(
        b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(200)) + b"."
    bombs = {
        "deep": b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b".",
        "marks": b"\x80\x02" + b"(" * 10_000_000 + b".",
        "laughs": laughs,
        "memo": b"\x80\x02]r\xff\xff\xff\xff.",
        "text": b"\x80\x02X\xff\xff\xff\xff.",
        "long": b"\x80\x02\x8b\xff\xff\xff\x7f.",
        "bytes": b"\x80\x04\x8e" + b"\xff" * 8 + b".",
    }
    for name, data in bombs.items():
        refuse(zipped(tmp_path / f"{name}.pt", {**sample, pickle_name: data}))
    nothing = b"\x80\x02" + b"N0" * (GIB // 8)
    refuse(zipped(tmp_path / "deflated.pt", {**sample, pickle_name: nothing}, zipfile.ZIP_DEFLATED))


def saved(path, change, paths="new"):
    """A seeded checkpoint after change(content), whose content the caller may bend at will."""
    content, builder = make_checkpoint.checkpoint("n", 3, paths, False, torch.float16, seed=1)
    change(content)
    with make_checkpoint.stand_ins(builder):
        torch.save(content, path)
    return path


def head(content):
    return content["model"].model[-1]


def set_to(owner, name, value):
    return lambda content: setattr(owner(content), name, value)


def first_convolution(content):
    return content["model"].model[0].conv


WRONG = {
    "no model": lambda content: content.pop("model"),
    "a text for a model": lambda content: content.update(model="yolov8n"),
    "no layers": lambda content: content["model"].__delattr__("model"),
    "no head": lambda content: content["model"].model.pop(22),
    "a layer from nowhere": lambda content: setattr(content["model"].model[3], "f", 99),
    "a layer from itself": lambda content: setattr(content["model"].model[11], "f", [-1, 11]),
    "a layer from text": lambda content: setattr(content["model"].model[11], "f", "both"),
    "a negative group": set_to(first_convolution, "groups", -1),
    "no stride": set_to(first_convolution, "stride", (0, 0)),
    "no classes": set_to(head, "nc", 0),
    "more classes than weights": set_to(head, "nc", 1 << 30),
    "more bins than weights": set_to(head, "reg_max", 1 << 30),
    "no strides": set_to(head, "stride", torch.tensor([])),
    "a stride of nan": set_to(head, "stride", torch.tensor([8.0, float("nan"), 32.0])),
    "a stride of nought": set_to(head, "stride", torch.tensor([0.0, 0.0, 0.0])),
    "a branch too few": lambda content: head(content).cv2.pop(2),
    "a child that is missing": lambda content: delattr(content["model"].model[0], "conv"),
    "no weights": lambda content: setattr(first_convolution(content), "weight", None),
    "weights of another shape": lambda content: setattr(
        first_convolution(content), "weight", torch.nn.Parameter(torch.zeros(3, 3).half())),
    "whole numbers for weights": lambda content: content["model"].model[0].bn._buffers.update(
        running_var=torch.ones(16, dtype=torch.int64)),
    "a negative variance": lambda content: content["model"].model[0].bn.running_var.fill_(-1),
    "weights that are not numbers": lambda content: first_convolution(content).weight.data.fill_(
        float("nan")),
    "another activation": lambda content: setattr(
        content["model"].model[0], "act", torch.nn.Softmax(dim=1)),
    "linear upsampling": lambda content: setattr(content["model"].model[10], "mode", "linear"),
    "a module inside itself": lambda content: content["model"].model[2].m._modules.update(
        {"0": content["model"].model[2]}),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_model_that_makes_no_sense_is_refused(refuse, tmp_path, what):
    refuse(saved(tmp_path / "wrong.pt", WRONG[what]))


def test_a_tensor_beyond_its_storage_is_refused(refuse, tmp_path):
    """Sizes and offsets in the pickle that the storage does not bear."""
    path = saved(tmp_path / "honest.pt", lambda content: None)
    entries = entries_of(path)
    root = next(name for name in entries if name.endswith("data.pkl"))
    shape = b"(K\x10K\x03K\x03K\x03t"  # the first convolution's (16, 3, 3, 3)
    assert entries[root].count(shape) == 1
    for lie in (b"(K\xffK\x03K\x03K\x03t", b"(J\xff\xff\xff\xffK\x03K\x03K\x03t",
                b"(\x8a\x08" + b"\xff" * 7 + b"\x7fK\x03K\x03K\x03t", b"(t", b"N"):
        entries_lie = {**entries, root: entries[root].replace(shape, lie)}
        refuse(zipped(tmp_path / "lie.pt", entries_lie))
