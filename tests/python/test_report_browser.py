"""The report's page in a real browser: Chromium without a window.

The page itself has no scripts, so what is asked of it is asked from outside: a page of the test's
own holds it in a frame and writes what it finds into its own document, which --dump-dom prints.
"""
import html
import json
import pathlib
import re
import shutil
import struct
import subprocess
import zlib

import pytest

from made_stores import make_store

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not BROWSER, reason="no chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-dev-shm-usage",
         "--allow-file-access-from-files"]
KINDS = ["full", "plain", "hostile", "empty", "troubled"]

# What is asked of the page, in its own window `w` and document `d`.
QUESTIONS = """
  const shown = e => e.checkVisibility && e.checkVisibility();
  const wide = d.scrollingElement.scrollWidth - w.innerWidth;
  const first = [...d.body.querySelectorAll('*')].find(e => shown(e) &&
      [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()));
  return {
    first: first.tagName + ': ' + first.textContent.trim(),
    title: d.title,
    wide: wide,
    requests: w.performance.getEntriesByType('resource').map(e => e.name),
    background: w.getComputedStyle(d.body).backgroundColor,
    ink: w.getComputedStyle(d.body).color,
    scripts: d.querySelectorAll('script').length,
    images: d.querySelectorAll('img,iframe,object,embed,link').length,
    handlers: [...d.querySelectorAll('*')].filter(e =>
        [...e.attributes].some(a => a.name.startsWith('on'))).length,
    headings: [...d.querySelectorAll('h2')].map(e => e.textContent),
    pictures: [...d.querySelectorAll('svg')].map(e => [e.getAttribute('role'),
        !!e.querySelector('title').textContent, !!e.querySelector('desc')]),
    ids: [...d.querySelectorAll('[id]')].map(e => e.id),
    text: d.body.innerText.length,
  };
"""


def browse(folder, url, *flags):
    profile = pathlib.Path(folder) / "profile"
    done = subprocess.run([BROWSER, *FLAGS, f"--user-data-dir={profile}", *flags, url],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(folder, pages, widths, dark=False):
    """Answers to QUESTIONS: {(name of the page, width of its window): answers}."""
    asked = [(name, width) for name in pages for width in widths]
    frames = "".join(f'<iframe src="{pages[name].as_uri()}" style="width:{width}px;height:900px">'
                     "</iframe>" for name, width in asked)
    questions = pathlib.Path(folder) / f"questions-{dark}.html"
    questions.write_text(f"""<!DOCTYPE html><style>iframe{{border:0}}</style><body>{frames}<script>
const ask = (w, d) => {{ {QUESTIONS} }};
onload = () => {{
  const answer = document.createElement('pre');
  answer.id = 'answer';
  answer.textContent = JSON.stringify([...document.querySelectorAll('iframe')].map(
      frame => ask(frame.contentWindow, frame.contentDocument)));
  document.body.append(answer);
}};
</script></body>""")
    flags = ["--dump-dom", "--window-size=1400,900"]
    if dark:
        flags.append("--blink-settings=preferredColorScheme=0")
    document = browse(folder, questions.as_uri(), *flags)
    answer = re.search(r'<pre id="answer">(.*?)</pre>', document, re.S).group(1)
    return dict(zip(asked, json.loads(html.unescape(answer))))


@pytest.fixture(scope="module")
def pages(tare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for kind in KINDS:
        made[kind] = folder / f"{kind}.html"
        done = tare("report", make_store(folder, kind), "-o", made[kind])
        assert done.returncode == 0, done.stderr
    made["two"] = folder / "two.html"
    done = tare("report", folder / "full.db", make_store(folder, "second"), "-o", made["two"])
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def answers(pages, tmp_path_factory):
    return ask(tmp_path_factory.mktemp("light"), pages, [360, 1280])


def test_decision_comes_first(answers):
    found = answers["full", 1280]
    assert found["first"].startswith("H1: Fastest within 1 AP: int8 (")
    assert found["headings"][:2] == ["Not measured, and why", "Ledger"]


@pytest.mark.parametrize("kind", KINDS + ["two"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows_and_nothing_is_fetched(answers, kind, width):
    found = answers[kind, width]
    assert found["wide"] <= 0
    assert found["requests"] == []
    assert found["scripts"] == 0 and found["images"] == 0 and found["handlers"] == 0
    assert len(found["ids"]) == len(set(found["ids"]))
    assert found["text"] > 300


def test_dark_differs_and_both_can_be_read(answers, pages, tmp_path):
    light = answers["full", 1280]
    dark = ask(tmp_path, {"full": pages["full"]}, [1280], dark=True)["full", 1280]
    assert light["background"] != dark["background"]
    for found in (light, dark):
        assert contrast(found["ink"], found["background"]) > 7  # WCAG's AAA


def contrast(first, second):
    """WCAG 2.2's contrast ratio of two rgb(...) colours."""
    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_pictures_have_text_alternatives(answers):
    found = answers["full", 1280]
    assert len(found["pictures"]) == 5
    assert all(role == "img" and title and description
               for role, title, description in found["pictures"])


def test_hostile_texts_stay_texts(pages, answers):
    source = pages["hostile"].read_text()
    assert "<script" not in source and "<img" not in source and "<b onmouseover" not in source
    assert "&lt;script" in source
    assert answers["hostile", 1280]["title"] == "tare: yolov8n.pt"


def test_no_script_is_needed(pages):
    for page in pages.values():
        source = page.read_text()
        assert "<script" not in source and "javascript:" not in source
        assert not re.search(r'(?:src|href)="(?!#)', source)
        assert not re.search(r"url\(|@import", source)


def chunks(png):
    """Kind and bytes of each part of a PNG file."""
    at = 8
    while at < len(png):
        size, = struct.unpack(">I", png[at:at + 4])
        yield png[at + 4:at + 8], png[at + 8:at + 8 + size]
        at += 12 + size


def test_it_is_drawn(pages, tmp_path):
    """The screenshot is not one colour: the page was laid out and painted."""
    shot = tmp_path / "shot.png"
    browse(tmp_path, pages["full"].as_uri(), f"--screenshot={shot}", "--window-size=800,1200")
    data = shot.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    raw = zlib.decompress(b"".join(part for kind, part in chunks(data) if kind == b"IDAT"))
    assert len(set(raw)) > 50


def test_it_prints(pages, tmp_path):
    pdf = tmp_path / "page.pdf"
    browse(tmp_path, pages["full"].as_uri(), f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
    data = pdf.read_bytes()
    assert data[:5] == b"%PDF-"
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 12
