#!/usr/bin/env python3
"""The preprocess of the a6000 repository: a JPEG file to a (3, S, S) tensor, on the GPU by DALI.

    dali.py --device cpu|gpu [--size S] -o model.dali

Triton's DALI backend serialises this file by itself when it loads the model, in its GPU form, with
the side S of the square from config.pbtxt in the folder above. By hand it is for a server without
Python, and for the CPU form, which runs where no GPU is. The GPU form can be serialised only on a
machine with a GPU. Needs nvidia-dali (tools/setup dali).

What it computes is src/vision/letterbox.h: the same sizes and paddings, and pixels within one
level of 255. Outputs, in this order:
    images     FP32 (3, S, S): R, G, B of 0..1
    placement  FP32 (5): width and height of the picture, scale, left, top
"""
import argparse
import os
import pathlib
import re
import sys

from nvidia.dali import fn, math, pipeline_def, types
from nvidia.dali.plugin.triton import autoserialize

SIZE = 640  # where no config says it
GRAY = 114
MAX_SIDE, MAX_PIXELS = 32768, 1 << 26  # vision/picture.h
ROUNDS = 1.5 * 2.0**52  # added to a double and taken away, it leaves the nearest whole number


def size_of_config():
    """S of the output images in the model's config.pbtxt."""
    config = pathlib.Path(__file__).resolve().parents[1] / "config.pbtxt"
    text = config.read_text(encoding="utf-8") if config.exists() else ""
    found = re.search(r'"images"[^}]*dims:\s*\[\s*3\s*,\s*(\d+)', text)
    return int(found[1]) if found else SIZE


def nearest(value):
    """A double rounded, ties to even, and at least 1. DALI has floor and ceil only."""
    return math.max(value + ROUNDS - ROUNDS, 1)


def place(height, width, size):
    """Height and width of the resized picture; its top and left; the placement to give out.

    In doubles, as letterbox.c does it: a product that ends near a half must round the same way.
    """
    scale = math.min(size / height, size / width)
    down, across = nearest(height * scale), nearest(width * scale)
    top, left = math.floor((size - down) / 2), math.floor((size - across) / 2)
    placement = fn.cast(fn.stack(width, height, scale, left, top), dtype=types.FLOAT)
    return fn.stack(down, across), fn.stack(-top, -left), placement


def within_size_limit(jpeg, height, width):
    """The file, or an error before it is decoded: a byte more is asked for than there are.

    DALI itself has no limit: 32768 x 32768 pixels in a file of 200 KB took it 34 s and 3 GB.
    """
    over = (height * width > MAX_PIXELS) | (math.max(height, width) > MAX_SIDE)
    count = fn.cast(jpeg.shape()[0], dtype=types.INT32) + fn.cast(over, dtype=types.INT32)
    return fn.slice(jpeg, start=[0], shape=fn.stack(count), axes=[0],
                    out_of_bounds_policy="error", name="picture_size_limit")


@autoserialize
@pipeline_def(batch_size=8, num_threads=4, device_id=0, output_dtype=[types.FLOAT, types.FLOAT],
              output_ndim=[3, 1])
def preprocess(device="gpu", size=None):
    size = size or size_of_config()
    jpeg = fn.external_source(device="cpu", name="jpeg", dtype=types.UINT8, ndim=1)
    # from the file's header, so that the CPU knows all sizes while the GPU decodes
    shape = fn.cast(fn.peek_image_shape(jpeg), dtype=types.FLOAT64)
    height, width = shape[0], shape[1]
    resized, corner, placement = place(height, width, size)

    jpeg = within_size_limit(jpeg, height, width)
    # libjpeg's defaults: smooth chroma (device cpu does so anyway), accurate IDCT; EXIF upright
    picture = fn.decoders.image(jpeg, device="mixed" if device == "gpu" else "cpu",
                                output_type=types.RGB, jpeg_fancy_upsampling=True)
    # As OpenCV's INTER_LINEAR: no filter when it shrinks, the scale is that of the rounded size.
    # Not rounded to bytes, which would make a whole level of many a difference from OpenCV's own.
    picture = fn.resize(picture, size=fn.cast(resized, dtype=types.FLOAT), subpixel_scale=False,
                        interp_type=types.INTERP_LINEAR, antialias=False, dtype=types.FLOAT)
    picture = fn.slice(picture, start=fn.cast(corner, dtype=types.INT32), shape=[size, size],
                       axes=[0, 1], out_of_bounds_policy="pad", fill_values=GRAY)
    images = fn.crop_mirror_normalize(picture, dtype=types.FLOAT, output_layout="CHW",
                                      mean=[0.0], std=[255.0])
    return images, placement


def main():
    parser = argparse.ArgumentParser(description="serialise the preprocess for libdali")
    parser.add_argument("--device", choices=("cpu", "gpu"), required=True)
    parser.add_argument("--size", type=int, default=size_of_config(), metavar="S",
                        help="side of the square (%(default)s)")
    parser.add_argument("-o", dest="output", metavar="FILE", required=True)
    given = parser.parse_args()
    if not 1 <= given.size <= 4096:
        parser.error(f"size {given.size}, need 1..4096")
    device_id = None if given.device == "cpu" else 0
    try:
        data = preprocess(given.device, given.size, device_id=device_id).serialize()
    except RuntimeError as error:
        need = "" if given.device == "cpu" else "need a machine with a GPU: "
        sys.exit(f"\ndali.py: cannot serialise the {given.device} form: {need}{error}")
    partial = given.output + ".part"
    with open(partial, "wb") as file:
        file.write(data)
    os.replace(partial, given.output)


if __name__ == "__main__":
    main()
