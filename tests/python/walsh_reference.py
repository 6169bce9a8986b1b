"""The centre of a ledger line and its standard error, by laying out every Walsh average."""
import numpy


def averages(values):
    values = numpy.asarray(values, dtype=float)
    i, j = numpy.triu_indices(len(values))
    return (values[i] + values[j]) / 2


def scores(values, center):
    """The share of values whose average with each one lies above center, about their mean."""
    values = numpy.asarray(values, dtype=float)
    pairs = (values[:, None] + values[None, :]) / 2
    shares = (numpy.mean(pairs > center, axis=1) + numpy.mean(pairs >= center, axis=1)) / 2
    return shares - shares.mean()


def error(values, share_error):
    step = min(share_error, 0.5)
    low, high = numpy.quantile(averages(values), [0.5 - step, 0.5 + step])
    return (high - low) / 2 * share_error / step


def estimate(values, clusters=None):
    """(center, standard error, degrees of freedom); with three clusters or more the larger error
    of values as independent and of clusters as the unit."""
    n, center = len(values), numpy.median(averages(values))
    s = scores(values, center)
    share, df = 2 * s.std(ddof=1) / n ** 0.5, n - 1
    names = sorted(set(clusters)) if clusters is not None else []
    if 3 <= len(names) < n:
        sums = [sum(v for v, c in zip(s, clusters) if c == name) for name in names]
        k = len(names)
        clustered = 2 * (sum(x * x for x in sums) * k / (k - 1)) ** 0.5 / n
        if clustered > share:
            share, df = clustered, k - 1
    return center, error(values, share), df
