"""Samples of a result file, read by nothing but Python: store.h says how they are written."""
import sqlite3
import zlib

import numpy


def unpack(packed, count):
    """A series: one byte, then varints of zigzag-coded differences, as they are or by zlib."""
    data = zlib.decompress(packed[1:]) if packed[0] == 1 else packed[1:]
    values, value, number, shift = [], 0, 0, 0
    for byte in data:
        number |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            value += (number >> 1) ^ -(number & 1)
            values.append(value)
            number = shift = 0
    assert len(values) == count
    return numpy.array(values, dtype=numpy.int64)


def visits(path, key, mode, series="total"):
    """Valid visits of a cell in the order of time, each a dict of its row with "samples"."""
    with sqlite3.connect(path) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute(
            "SELECT visit.*, restart.ordinal AS worker, series.count, series.data FROM visit"
            " JOIN cell ON visit.cell = cell.id JOIN restart ON visit.restart = restart.id"
            " JOIN series ON series.visit = visit.id WHERE cell.key = ? AND visit.mode = ?"
            " AND visit.valid AND series.name = ? ORDER BY visit.id",
            (key, mode, series)).fetchall()
    return [{**dict(row), "samples": unpack(row["data"], row["count"])} for row in rows]
