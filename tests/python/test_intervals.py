"""The intervals of ledger lines: their arithmetic against NumPy's, and how often they cover, by
studies whose truth is known because they are made up."""
import pathlib
import subprocess

import pytest

numpy = pytest.importorskip("numpy")
import walsh_reference  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = "build/tests/tools/paired_probe"
STUDIES = 400
STATE = 0.7  # log of how much slower a core is while its neighbour works


@pytest.fixture(scope="module")
def probe():
    subprocess.run(["make", "-s", TARGET], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    def run(studies):
        """studies: (differences (lines, sweeps), clusters); an array (studies, lines, 6)."""
        text = []
        for seed, (lines, clusters) in enumerate(studies):
            text.append(f"{len(lines)} {len(clusters)} {seed}")
            text.append(" ".join(str(c) for c in clusters))
            text += [" ".join(repr(float(v)) for v in line) for line in lines]
        out = subprocess.run([str(ROOT / TARGET)], input="\n".join(text), text=True, check=True,
                             capture_output=True).stdout
        rows = [[float(word) for word in line.split()] for line in out.splitlines()]
        return numpy.array(rows).reshape(len(studies), -1, 6)

    return run


def test_the_arithmetic(probe):
    rng = numpy.random.default_rng(1)
    studies = []
    for n in (2, 3, 4, 7, 12, 40):
        clusters = [i // 4 for i in range(n)]
        studies += [(rng.standard_t(2, (1, n)), clusters), (rng.integers(-2, 3, (1, n)), clusters)]
    for (lines, clusters), (row,) in zip(studies, probe(studies)):
        center, error, df = walsh_reference.estimate(lines[0], clusters)
        assert row[0] == pytest.approx(center, abs=1e-12)
        assert row[1] == pytest.approx(error, rel=1e-9, abs=1e-12)
        assert row[2] == df


def test_missing_sweeps_are_left_out(probe):
    nan = float("nan")
    (with_gaps,), (without,) = probe([([[1, nan, 2, 4, nan]], range(5)), ([[1, 2, 4]], range(3))])
    assert with_gaps[3] == 3 and with_gaps[:3] == pytest.approx(without[:3])


def share_covered(rows, truth=0.0):
    return (abs(rows[..., 0] - truth) <= rows[..., 5] * rows[..., 1]).all(axis=1).mean()


def normal(rng, n):
    return rng.normal(0, 0.01, n)


def two_states(share):
    """Pairs of which a share met unlike states of the machine."""
    def draw(rng, n):
        met = rng.random(n)
        state = numpy.where(met < share / 2, -STATE, numpy.where(met < share, STATE, 0))
        return state + rng.normal(0, 0.01, n)
    return draw


def lingering(rng, n):
    """Two states that last for several sweeps: visits of one sweep often meet the same one."""
    state, out = 0, []
    for _ in range(n):
        pair = []
        for _ in range(2):
            state ^= int(rng.random() < 0.12)
            pair.append(state * STATE + rng.normal(0, 0.01))
        out.append(pair[1] - pair[0])
    return numpy.array(out)


@pytest.mark.parametrize("sweeps", [12, 20, 60])
@pytest.mark.parametrize("draw", [normal, two_states(0.2), two_states(0.35), two_states(0.5),
                                  lingering],
                         ids=["normal", "a fifth", "a third", "half", "lingering"])
def test_one_line_covers(probe, draw, sweeps):
    rng = numpy.random.default_rng(sweeps)
    rows = probe([([draw(rng, sweeps)], range(sweeps)) for _ in range(STUDIES)])
    assert share_covered(rows) >= 0.95 - 3 * (0.95 * 0.05 / STUDIES) ** 0.5


def test_lines_of_a_common_baseline_cover_together(probe):
    """Joint intervals over a machine of two states, sweeps dealt out over eight restarts."""
    rng = numpy.random.default_rng(5)
    studies = []
    for _ in range(STUDIES):
        states = STATE * (rng.random((5, 48)) < 0.2) + rng.normal(0, 0.01, (5, 48))
        studies.append((states[1:] - states[0], [s // 6 for s in range(48)]))
    assert share_covered(probe(studies)) >= 0.95 - 3 * (0.95 * 0.05 / STUDIES) ** 0.5


def test_workers_that_differ_are_seen(probe):
    """Memory layout: each of ten restarts has an offset that its sweeps share."""
    rng = numpy.random.default_rng(6)
    studies = []
    for _ in range(STUDIES):
        offsets = numpy.repeat(rng.normal(0, 0.02, 10), 4)
        studies.append(([offsets + rng.normal(0, 0.01, 40)], [s // 4 for s in range(40)]))
    assert share_covered(probe(studies)) >= 0.95 - 3 * (0.95 * 0.05 / STUDIES) ** 0.5


def test_two_states_cost_little(probe):
    """What the centre is for: where a third of the pairs are off by a factor of two, its interval
    is a small part of that of a mean."""
    rng = numpy.random.default_rng(7)
    draws = [two_states(0.35)(rng, 60) for _ in range(100)]
    rows = probe([([d], range(60)) for d in draws])
    means = [2.0 * d.std(ddof=1) / 60 ** 0.5 for d in draws]
    assert numpy.median(rows[:, 0, 1] * rows[:, 0, 5]) < 0.2 * numpy.median(means)
