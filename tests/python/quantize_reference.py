"""Ranges of activations in NumPy, from their plain definitions: what tare quantize is compared
with. Values are whole arrays here, one a picture; nothing streams."""
import math

import numpy as np

BINS = 4096


def silu(x):
    x = np.asarray(x, np.float64)
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


def minmax(pictures):
    """The mean over pictures of their least and greatest value."""
    low = np.mean([float(p.min()) for p in pictures])
    high = np.mean([float(p.max()) for p in pictures])
    return min(low, 0), max(high, 0)


def histogram(pictures):
    """Counts of BINS equal bins over the least [-2^k, 2^k) that holds all values, and 2^k."""
    values = np.concatenate([np.ravel(p) for p in pictures]).astype(np.float64)
    reach = 2.0 ** (math.frexp(np.abs(values).max())[1])
    edges = np.linspace(-reach, reach, BINS + 1)
    return np.histogram(values, edges)[0].astype(np.float64), reach


def silu_histogram(pictures, parts=4):
    """The same of SiLU(values), where each channel's bins are its own and are taken in parts."""
    values = np.concatenate(pictures).astype(np.float64)
    by_channel = values.transpose(1, 0, 2, 3).reshape(values.shape[1], -1)
    reaches = [2.0 ** math.frexp(np.abs(channel).max())[1] for channel in by_channel]
    counts, reach = np.zeros(BINS), max(reaches)
    for channel, own in zip(by_channel, reaches):
        found = np.histogram(channel, np.linspace(-own, own, BINS + 1))[0]
        width = 2 * own / BINS
        for part in range(parts):
            at = (np.arange(BINS) - BINS // 2 + (part + 0.5) / parts) * width
            to = np.floor(silu(at) / (2 * reach / BINS)).astype(int) + BINS // 2
            np.add.at(counts, to, found / parts)
    return counts, reach


def percentile(pictures, tail=1e-5):
    """The edges of the bins beyond which `tail` of all values lies, at either end."""
    counts, reach = histogram(pictures)
    width = 2 * reach / BINS
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])
    limit = counts.sum() * tail
    low = -reach + width * np.searchsorted(below, limit, side="right")
    high = reach - width * np.searchsorted(above, limit, side="right")
    least = min(float(p.min()) for p in pictures)
    most = max(float(p.max()) for p in pictures)
    return min(max(low, least), 0), max(min(high, most), 0)


def divergences(counts, levels, least):
    """{bins: KL divergence} of every threshold that is tried, from `least` bins on, where a value
    weighs its magnitude^1.5."""
    half = BINS // 2
    mass = (counts[half:] + counts[half - 1::-1]) * (np.arange(half) + 0.5) ** 1.5
    last = int(np.nonzero(mass)[0][-1]) + 1
    found, first = {}, max(levels, least)
    for bins in range(last - (last - first) // 8 * 8, last + 1, 8):
        kept = mass[:bins]
        p = kept.copy()
        p[-1] += mass[bins:].sum()
        q = np.zeros(bins)
        for level in range(levels):
            part = slice(level * bins // levels, (level + 1) * bins // levels)
            filled = kept[part] > 0
            if filled.any():
                q[part] = np.where(filled, kept[part].sum() / filled.sum(), 0)
        p, q = p / p.sum(), q / q.sum()
        some = p > 0
        with np.errstate(divide="ignore"):
            found[bins] = float(np.sum(p[some] * np.log(p[some] / q[some])))
    return found


def error(pictures, low, high):
    """Mean squared difference between values and their unsigned 8-bit form."""
    values = np.concatenate([np.ravel(p) for p in pictures]).astype(np.float64)
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    quantised = (np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale
    return float(np.mean((quantised - values) ** 2))


LAGS = [(0, 0), (0, 1), (0, 2)] + [(dy, dx) for dy in (1, 2) for dx in range(-2, 3)]


def window_moments(lags):
    """(9, 9): how alike two places of a 3 × 3 window are, with what is added to the diagonal."""
    table = {}
    for (dy, dx), value in zip(LAGS, lags, strict=True):
        table[dy, dx] = table[-dy, -dx] = value
    places = [(i // 3, i % 3) for i in range(9)]
    return np.array([[table[b[0] - a[0], b[1] - a[1]] for b in places] for a in places]) \
        + 0.05 * np.eye(9)


def round_kernels(weights, scales, most, moments):
    """(O, I, 3, 3) to integers: after each weight of a kernel, what is best for the rest of it."""
    left = (weights.astype(np.float64) / scales[:, None, None, None]).reshape(*weights.shape[:2], 9)
    upper = np.linalg.cholesky(np.linalg.inv(moments)).T
    done = np.zeros_like(left)
    for j in range(9):
        done[..., j] = np.clip(np.rint(left[..., j]), -most, most)
        error = (left[..., j] - done[..., j]) / upper[j, j]
        left[..., j + 1:] -= error[..., None] * upper[j, j + 1:]
    return done.reshape(weights.shape)
