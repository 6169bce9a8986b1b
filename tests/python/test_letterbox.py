"""JPEG to tensor, against OpenCV and NumPy doing it step by step as ultralytics does."""
import numpy as np
import pytest

import vision_probe
from conftest import DATA

cv2 = pytest.importorskip("cv2")

GRAY = (114, 114, 114)


def reference(path, size):
    """(3, size, size) float32: imread, resize, copyMakeBorder, transpose, / 255."""
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    scale = min(size / height, size / width)
    resized = round(width * scale), round(height * scale)
    if resized != (width, height):
        picture = cv2.resize(picture, resized, interpolation=cv2.INTER_LINEAR)
    across, down = (size - resized[0]) / 2, (size - resized[1]) / 2
    picture = cv2.copyMakeBorder(picture, round(down - 0.1), round(down + 0.1),
                                 round(across - 0.1), round(across + 0.1),
                                 cv2.BORDER_CONSTANT, value=GRAY)
    return picture[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255


def worst_levels(pictures, size):
    """The largest difference of any pixel of any picture, in levels of 255."""
    worst = 0
    with vision_probe.Letterbox(pictures, size) as ours:
        for index, path in enumerate(pictures):
            difference = np.abs(ours.tensor(index) - reference(path, size)).max()
            worst = max(worst, difference * 255)
    return worst


@pytest.mark.parametrize("size", [640, 416, 1280, 96])
def test_sample_is_within_one_level(size):
    pictures = sorted(DATA.glob("*/**/*.jpg"))
    assert len(pictures) == 33
    assert worst_levels(pictures, size) <= 1.001


def test_coco128_is_within_one_level(full_data):
    pictures = sorted((full_data / "coco128/images").glob("*.jpg"))
    assert len(pictures) == 128
    assert worst_levels(pictures, 640) <= 1.001


@pytest.mark.parametrize("width,height", [(1, 1), (1, 50), (300, 7), (641, 639), (333, 777)])
def test_odd_sizes_and_noise(tmp_path, width, height):
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    path = tmp_path / "noise.jpg"
    cv2.imwrite(str(path), noise)
    assert worst_levels([path], 64) <= 1.001


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, orientation):
    """The EXIF block is put in by hand, so that only the reader is OpenCV's."""
    upright = sorted(DATA.glob("*/**/*.jpg"))[0].read_bytes()
    entry = np.array([1, 0x0112, 3, 1, 0, orientation, 0, 0, 0], "<u2").tobytes()
    block = b"Exif\0\0II*\0\x08\0\0\0" + entry
    path = tmp_path / "turned.jpg"
    path.write_bytes(upright[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
                     + upright[2:])
    assert worst_levels([path], 320) <= 1.001


@pytest.mark.parametrize("how", ["gray", "progressive", "optimised"])
def test_other_kinds_of_jpeg(tmp_path, how):
    picture = cv2.imread(str(sorted(DATA.glob("*/**/*.jpg"))[0]))
    path = tmp_path / "other.jpg"
    if how == "gray":
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    options = {"gray": [], "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
               "optimised": [cv2.IMWRITE_JPEG_OPTIMIZE, 1]}[how]
    cv2.imwrite(str(path), picture, options)
    assert worst_levels([path], 320) <= 1.001
