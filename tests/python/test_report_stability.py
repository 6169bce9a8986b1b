"""How even a run was, and what the predecessor does: against NumPy and what was planted."""
import json
import math

import pytest

from made_stores import make_store

np = pytest.importorskip("numpy")
SEEDS = range(11, 31)


@pytest.fixture(scope="module")
def ledgers(tare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")

    def read(kind, seed=None):
        done = tare("report", make_store(folder, kind, seed), "--json", "--resamples", "0")
        assert done.returncode == 0, done.stderr
        ledger, = json.loads(done.stdout)["ledgers"]
        return ledger

    return read


def visits_of(ledger):
    """All visits in the order of time, as (cell, visit)."""
    found = [(c["label"], v) for c in ledger["cells"] for v in c["visits"]]
    return sorted(found, key=lambda cv: (cv[1]["sweep"], cv[1]["position"]))


def centred(cells, sweeps, values):
    """Residuals of the least-squares fit of cells + sweeps, by a design matrix."""
    good = ~np.isnan(values)
    rows = [(cells[:, None] == np.unique(cells)), (sweeps[:, None] == np.unique(sweeps))]
    design = np.hstack(rows).astype(float)
    fit, *_ = np.linalg.lstsq(design[good], values[good], rcond=None)
    left = np.full(len(values), np.nan)
    left[good] = values[good] - design[good] @ fit
    return left


def permutation_test(ledger, draws=1000):
    """{(predecessor, figure): (change, p)} by fresh random orders of each sweep, max-T."""
    visits = visits_of(ledger)
    names = [c["label"] for c in ledger["cells"]]
    cells = np.array([names.index(label) for label, _ in visits])
    sweeps = np.array([v["sweep"] for _, v in visits])
    linked = np.array([i > 0 and visits[i][1]["predecessor"] == visits[i - 1][0]
                       for i in range(len(visits))])
    nan = float("nan")
    p50 = np.array([v["p50_ns"] or nan for _, v in visits])
    after = np.array([v["after_switch_ns"] or nan for _, v in visits])
    figures = [centred(cells, sweeps, y) for y in (np.log(p50), np.log(after / p50))]

    def sums(order):
        who, before = order[1:], cells[order[:-1]]
        used = linked[1:] & (cells[who] != before)
        total, count = np.zeros((2, len(names))), np.zeros((2, len(names)))
        for f, figure in enumerate(figures):
            good = used & ~np.isnan(figure[who])
            np.add.at(total[f], before[good], figure[who][good])
            np.add.at(count[f], before[good], 1)
        return total, count

    spread = np.array([[np.sqrt(np.nanmean(figure ** 2))] for figure in figures])

    def statistic(order):
        total, count = sums(order)
        return np.abs(total) / (spread * np.sqrt(np.maximum(count, 1)))

    everything = np.arange(len(visits))
    random = np.random.default_rng(7)
    largest = np.array([
        statistic(np.concatenate([random.permutation(everything[sweeps == s])
                                  for s in np.unique(sweeps)])).max() for _ in range(draws)])
    total, count = sums(everything)
    seen = statistic(everything)
    return {(names[c], f): (math.expm1(total[f, c] / count[f, c]),
                            (1 + (largest >= seen[f, c] * (1 - 1e-12)).sum()) / (draws + 1))
            for f in range(2) for c in range(len(names)) if count[f, c]}


@pytest.mark.parametrize("kind", ["full", "troubled"])
def test_predecessor_agrees_with_numpy(ledgers, kind):
    ledger = ledgers(kind)
    expected = permutation_test(ledger)
    for item in ledger["predecessor_effect"]["after"]:
        for f, key in enumerate(("median", "after_switch")):
            change, p = expected[item["cell"], f]
            assert math.isclose(item[key]["change"], change, rel_tol=1e-6, abs_tol=1e-9)
            noise = 4 * math.sqrt(max(p * (1 - p), 0.001) * (1 / 1000 + 1 / 2000))
            assert abs(item[key]["p"] - p) <= noise + 0.002


def test_a_planted_predecessor_is_found(ledgers):
    ledger = ledgers("troubled")
    after = {item["cell"]: item for item in ledger["predecessor_effect"]["after"]}
    found = after["spinning off"]["median"]
    assert found["p"] <= 0.01 and 0.02 < found["change"] < 0.04
    assert "after 'spinning off' a visit is" in ledger["predecessor_effect"]["verdict"]
    assert any(n["subject"] == "spinning off" and "right after it" in n["text"]
               for n in ledger["warnings"])


def test_no_effect_is_seldom_called_one(ledgers):
    """Binomial(20, 0.05) is over 4 in 1 of 400 tries."""
    called = sum(ledgers("full", seed)["predecessor_effect"]["p"] <= 0.05 for seed in SEEDS)
    assert called <= 4


def test_planted_troubles_are_named(ledgers):
    cells = {c["label"]: c["stability"] for c in ledgers("troubled")["cells"]}
    assert cells["openvino"]["verdict"] == "drifts"
    low, high = cells["openvino"]["drift_interval"]
    assert low < 0.06 < high and low > 0
    assert cells["python binding"]["verdict"] == "restarts differ"
    assert math.isclose(cells["int8"]["clock_hz"][0], 3.02e9)
    assert math.isclose(cells["int8"]["steal_share"], 0.02, rel_tol=1e-3)
    calm = [c["stability"]["verdict"] for c in ledgers("full")["cells"] if c["times"]]
    assert calm == ["steady"] * len(calm)


def own(ledger):
    """{cell: (restarts, logs of medians without what the sweep did to all)}."""
    good = [(label, v) for label, v in visits_of(ledger) if v["p50_ns"]]
    cells = np.array([label for label, _ in good])
    left = centred(cells, np.array([v["sweep"] for _, v in good]),
                   np.log([v["p50_ns"] for _, v in good]))
    restarts = np.array([v["restart"] for _, v in good])
    return {label: (restarts[cells == label], left[cells == label]) for label in set(cells)}


def test_stability_by_definition(ledgers):
    """Each figure from the visits in the same document, by NumPy."""
    ledger = ledgers("troubled")
    for cell in ledger["cells"]:
        if not cell["times"]:
            continue
        good = [v for v in cell["visits"] if v["p50_ns"]]
        logs = np.log([v["p50_ns"] for v in good])
        restarts, left = own(ledger)[cell["label"]]
        means = [left[restarts == r].mean() for r in set(restarts)]
        steady = cell["stability"]
        slope = np.polyfit([v["sweep"] for v in good], logs, 1)[0]
        span = good[-1]["sweep"] - good[0]["sweep"]
        off = logs - logs.mean()
        assert math.isclose(steady["scatter"], logs.std(ddof=1), rel_tol=1e-9)
        assert math.isclose(steady["drift"], math.expm1(slope * span), rel_tol=1e-6)
        assert math.isclose(steady["restart_spread"], math.expm1(max(means) - min(means)),
                            rel_tol=1e-6)
        assert math.isclose(steady["lag1"], (off[1:] * off[:-1]).sum() / (off ** 2).sum(),
                            rel_tol=1e-6)
        assert math.isclose(steady["after_switch"], np.median(
            [v["after_switch_ns"] / v["p50_ns"] - 1 for v in good]), rel_tol=1e-9)


def f_tail(f, d1, d2):
    """P(F > f): the integral of the beta density from 0 to d2 / (d2 + d1 f), by Simpson's rule."""
    a, b = d2 / 2, d1 / 2
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b))
    t = np.linspace(0, d2 / (d2 + d1 * f), 200001)
    y = scale * t ** (a - 1) * (1 - t) ** (b - 1)
    return (t[1] / 3) * (y[0] + 4 * y[1:-1:2].sum() + 2 * y[2:-1:2].sum() + y[-1])


def test_restarts_by_analysis_of_variance(ledgers):
    ledger = ledgers("troubled")
    for cell in ledger["cells"]:
        if not cell["times"]:
            continue
        restarts, left = own(ledger)[cell["label"]]
        groups = [left[restarts == r] for r in set(restarts)]
        within = sum(((g - g.mean()) ** 2).sum() for g in groups)
        d1, d2 = len(groups) - 1, len(left) - len(groups)
        f = (((left - left.mean()) ** 2).sum() - within) / d1 / (within / d2)
        assert math.isclose(cell["stability"]["restart_p"], f_tail(f, d1, d2), rel_tol=1e-4)
