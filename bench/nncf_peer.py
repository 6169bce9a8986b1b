"""Run in the peers' Python environment by b_agreement.py: NNCF's MIXED files of an ONNX model.

    nncf_peer.py MODEL PICTURES OUT

Writes OUT.onnx, and OUT.xml with OUT.bin for OpenVINO, each by NNCF's own way for that format. The
pictures are letterboxed as ultralytics does it. All of them are used.
"""
import pathlib
import sys

import cv2
import nncf
import numpy as np
import onnx
import openvino
from ultralytics.data.augment import LetterBox


def tensor(path):
    picture = LetterBox((640, 640), auto=False)(image=cv2.imread(str(path)))
    planes = picture[..., ::-1].transpose(2, 0, 1)
    return {"images": np.ascontiguousarray(planes, np.float32)[None] / np.float32(255)}


def quantise(model, paths):
    return nncf.quantize(model, nncf.Dataset(paths, tensor),
                         preset=nncf.QuantizationPreset.MIXED, subset_size=len(paths))


def main():
    model, pictures, out = sys.argv[1:]
    paths = sorted(pathlib.Path(pictures).rglob("*.jpg"))
    onnx.save(quantise(onnx.load(model), paths), out + ".onnx")
    openvino.save_model(quantise(openvino.Core().read_model(model), paths), out + ".xml")


if __name__ == "__main__":
    main()
