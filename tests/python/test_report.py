"""What tare report prints and writes, and what it does with files that are wrong."""
import csv
import io
import json
import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from made_stores import make_store

KINDS = ["full", "plain", "hostile", "empty"]


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return {kind: make_store(folder, kind) for kind in KINDS + ["second"]}


@pytest.mark.parametrize("kind", KINDS)
def test_text_fits_a_hundred_columns(tare, stores, kind):
    done = tare("report", stores[kind])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in done.stdout  # no colour unless a terminal


def test_text_says_the_decision_before_any_number(tare, stores):
    text = tare("report", stores["full"]).stdout
    places = [text.index(word) for word in
              ("Fastest within 1 AP: int8", "Not measured", "Ledger", "against head cut", "Cells")]
    assert places == sorted(places)
    assert "measured on AMD EPYC" in text


def test_control_characters_do_not_reach_a_terminal(tare, stores, tmp_path):
    sqlite3 = pytest.importorskip("sqlite3")
    path = tmp_path / "escape.db"
    path.write_bytes(stores["full"].read_bytes())
    with sqlite3.connect(path) as base:
        base.execute("UPDATE cell SET name = 'a' || char(27) || '[31mred' || char(155) || id")
    text = tare("report", path).stdout
    assert "\x1b" not in text and "\x9b" not in text and "red" in text


def test_within_decides_which_cells_may_win(tare, stores):
    assert "int8 (" in tare("report", stores["full"], "--within", "1").stdout
    strict = tare("report", stores["full"], "--within", "0").stdout
    assert "Fastest within 0 AP: openvino (" in re.sub(r"[\d.]+e-\d+", "0", strict)


def test_json_holds_what_the_text_says(tare, stores):
    document = json.loads(tare("report", stores["full"], "--json").stdout)
    ledger, = document["ledgers"]
    assert ledger["decision"]["winner"] == "int8"
    assert [line["name"] for line in ledger["lines"]][:2] == ["cut the head", "Python binding"]
    for line in ledger["lines"]:
        if line["ratio_interval"]:
            low, high = line["ratio_interval"]
            assert low < line["ratio"] < high
            assert (line["verdict"] == "not separable") == (low <= 1 <= high)
    states = {cell["label"]: cell["state"] for cell in ledger["cells"]}
    assert states["torch"] == "failed" and states["tensorrt fp16"] == "skipped"


def test_csv_is_a_table(tare, stores):
    for kind in KINDS:
        done = tare("report", stores[kind], "--csv", "-")
        rows = list(csv.reader(io.StringIO(done.stdout, newline="")))
        assert {len(row) for row in rows} == {len(rows[0])}
    rows = list(csv.DictReader(io.StringIO(tare("report", stores["full"], "--csv", "-").stdout)))
    lines = [row for row in rows if row["row"] == "line"]
    assert len(rows) == 10 + 8 and len(lines) == 8
    cut = lines[0]
    assert cut["baseline"] == "ordinary export"
    assert math.isclose(float(cut["ratio"]), 0.945, abs_tol=0.01)
    assert float(cut["difference_low_ms"]) < float(cut["difference_ms"]) < 0


@pytest.mark.parametrize("kind", KINDS)
def test_picture_is_well_formed(tare, stores, tmp_path, kind):
    picture = tmp_path / "a.svg"
    assert tare("report", stores[kind], "--svg", picture).returncode == 0
    root = ElementTree.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [e for e in root.iter() if e.tag.endswith("script")]


def test_two_machines_stand_side_by_side(tare, stores):
    text = tare("report", stores["full"], stores["second"]).stdout
    assert text.count("measured on") == 2 and "Side by side" in text
    assert "Jetson AGX Orin" in text


def test_page_stays_under_two_megabytes(tare, tmp_path):
    page = tmp_path / "large.html"
    done = tare("report", make_store(tmp_path, "large"), "-o", page, "--resamples", "0")
    assert done.returncode == 0, done.stderr
    assert page.stat().st_size < 2_000_000


def test_wrong_files_end_with_one_message(tare, stores, tmp_path):
    truncated = tmp_path / "truncated.db"
    truncated.write_bytes(stores["full"].read_bytes()[:60000])
    letter = tmp_path / "letter.db"
    letter.write_text("dear friend, this is no database\n" * 40)
    for path in (truncated, letter, tmp_path / "nothing.db", tmp_path):
        done = tare("report", path)
        assert done.returncode == 1
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("tare report: ")
    assert tare("report").returncode == 2


def test_full_disk_is_an_error(tare, stores):
    done = tare("report", stores["full"], "-o", "/dev/full")
    assert done.returncode == 1 and done.stderr
