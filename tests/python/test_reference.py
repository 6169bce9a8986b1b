"""The reference that other tests lean on, and the writer of seeded checkpoints.

Sources from outside: parameter counts as published with YOLOv8 (yolov8.yaml: gradients, 80
classes), and torch.load on the very same file for the weights.
"""
import pickle
import sys
import zipfile

import pytest
import torch

import make_checkpoint
import torch_checkpoint
import yolov8_reference
from conftest import DATA

PUBLISHED_PARAMETERS = {
    "n": 3157184, "s": 11166544, "m": 25902624, "l": 43691504, "x": 68229632,
}


@pytest.mark.parametrize("size", PUBLISHED_PARAMETERS)
def test_each_size_has_the_published_number_of_parameters(size):
    model = make_checkpoint.Builder(size, 80, "new").model()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == PUBLISHED_PARAMETERS[size]


def test_the_sample_checkpoint_is_read_whole():
    checkpoint = torch_checkpoint.read_checkpoint(DATA / "yolov8n.pt")
    assert checkpoint["version"] == "8.0.0.dev0"
    model = yolov8_reference.load(DATA / "yolov8n.pt")
    assert sum(p.numel() for p in model.parameters()) == PUBLISHED_PARAMETERS["n"]
    assert model.strides == [8.0, 16.0, 32.0]
    assert len(model.names) == 80 and model.names[0] == "person"
    assert model(torch.zeros(1, 3, 640, 640)).shape == (1, 84, 8400)


@pytest.mark.parametrize("paths", ("old", "new"))
@pytest.mark.parametrize("ema", (False, True))
def test_weights_are_those_that_torch_load_gives(tmp_path, paths, ema):
    path = tmp_path / "seeded.pt"
    content, builder = make_checkpoint.checkpoint("n", 3, paths, ema, torch.float16, seed=1)
    make_checkpoint.make_checkpoint(path, "n", 3, paths, ema, seed=1)
    with make_checkpoint.stand_ins(builder):
        loaded = torch.load(path, weights_only=False)
    key = "ema" if ema else "model"
    expected = list(loaded[key].parameters())
    for a, b in zip(expected, content[key].parameters(), strict=True):
        assert torch.equal(a, b), "the same seed gives the same file"
    ours = yolov8_reference.load(path)
    weights = [p for p in expected if p.shape != (1, 16, 1, 1)]  # the reference keeps a buffer
    for a, b in zip(weights, ours.parameters(), strict=True):
        assert torch.equal(a.float(), b)
    assert "ultralytics" not in sys.modules


def test_an_unknown_name_is_refused_and_not_called(tmp_path):
    marker = tmp_path / "called"
    for name, argument in (("posix\nsystem", f"touch {marker}"),
                           ("builtins\neval", f"open({str(marker)!r}, 'w')"),
                           ("torch\nload", str(marker))):
        path = tmp_path / "bad.pt"
        with zipfile.ZipFile(path, "w") as archive:
            gadget = f"c{name}\n(V{argument}\ntR.".encode()
            archive.writestr("bad/data.pkl", b"\x80\x02" + gadget)
        with pytest.raises(pickle.UnpicklingError, match=name.replace("\n", ".")):
            torch_checkpoint.read_checkpoint(path)
        assert not marker.exists()
