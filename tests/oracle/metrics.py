"""Every metric of `evaluate` again, by numpy and scipy, from the files that a user has: true events, `hgmc sample`, `hgmc score`, evaluation.json.

usage: metrics.py make FOLDER WEIGHTS                     WEIGHTS: none, positive, signed; writes train.h5 valid.h5 test.h5
       metrics.py compare FOLDER WEIGHTS EVALUATION.json  beside them drawn.h5 (events of 21 passes), true_scores.h5, drawn_scores.h5
"""
import json
import sys

import h5py
import numpy as np
from scipy import linalg, optimize, special, stats
from scipy.spatial import distance

from philox import key_of, philox4x32_10

N, DRAWS, SEED = 800, 20, 1
NAMES = ["g0", "g1", "kind", "x0", "x1", "phi", "n", "image"]


# ---- the data

def make(folder, weights):
    for seed, part in enumerate(["train", "valid", "test"]):
        r = np.random.default_rng(seed)
        g = r.normal(size=(N, 2)) * [1, 3]
        kind = (r.random(N) < 0.4).astype(np.int8)
        x = 0.7 * g + r.normal(size=(N, 2)) + kind[:, None]
        phi = np.mod(r.vonmises(2.8, 2, N) + np.pi, 2 * np.pi) - np.pi
        image = np.where(r.random((N, 4, 4)) < 0.4, np.exp(0.5 * r.normal(size=(N, 4, 4))), 0)
        w = {"none": np.ones(N), "positive": 0.5 + r.random(N), "signed": np.where(r.random(N) < 0.2, -1.0, 1.0)}[weights]
        with h5py.File(f"{folder}/{part}.h5", "w") as f:
            columns = dict(g0=g[:, 0], g1=g[:, 1], x0=x[:, 0], x1=x[:, 1], phi=phi, n=r.poisson(2 + kind).astype(np.float64), kind=kind, image=image, w=w)
            for name, v in columns.items():
                f[name] = v
            f["phi"].attrs["unit"] = "rad"


def wrap(v):
    return v - 2 * np.pi * np.ceil((v - np.pi) / (2 * np.pi))


class Sample:
    """Events, their columns and observables, and what `score` says of them."""

    def __init__(self, events, scores, weights, rows=slice(None)):
        with h5py.File(events) as f:
            self.c = {k: f[k][rows].astype(np.float64) for k in NAMES}
            self.w = f["w"][rows].astype(np.float64) if weights else np.ones(len(self.c["g0"]))
        if scores:
            with h5py.File(scores) as f:
                self.s = {k: f[k][rows].astype(np.float64) for k in f}
        c = self.c
        c["total"], c["turned"] = c["x0"] + c["x1"] + 0.1 * c["n"], wrap(c["phi"] + 1)

    def compared(self):
        """Generated columns and observables, by the names of evaluation.json."""
        c = {k: self.c[k] for k in ["kind", "x0", "x1", "phi", "n"]}
        c.update({f"image[{k}]": self.c["image"].reshape(-1, 16)[:, k] for k in range(16)})
        return c | {k: self.c[k] for k in ["total", "turned"]}

    def table(self):
        """Whole events: generated and given columns, an angle as cosine and sine."""
        turned = {"phi": np.stack([np.cos(self.c["phi"]), np.sin(self.c["phi"])], axis=1)}
        return np.concatenate([(self.c | turned)[k].reshape(len(self.w), -1) for k in NAMES], axis=1)


# ---- random numbers of the metrics, by the rule in runtime/philox.h

def uniforms(site, event=0, step_pass=0, element=0):
    key = key_of(SEED, site)
    event, step_pass, element = np.broadcast_arrays(*(np.asarray(v, dtype=np.uint64) for v in (event, step_pass, element)))
    w = philox4x32_10((event & np.uint64(0xFFFFFFFF), event >> np.uint64(32), step_pass, element // np.uint64(2)), (key & 0xFFFFFFFF, key >> 32))
    odd = element % np.uint64(2) == 1
    whole = (np.where(odd, w[3], w[1]) << np.uint64(32)) | np.where(odd, w[2], w[0])
    return ((whole >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def halves(n, number):
    """The rows of two halves, dealt in order."""
    u, first = uniforms("metrics.halves", number, 0, np.arange(n)), np.zeros(n, bool)
    left = n // 2
    for i in range(n):
        first[i] = u[i] < left / (n - i)
        left -= first[i]
    return np.flatnonzero(first), np.flatnonzero(~first)


def of_halves(n, times, apart):
    values = np.array([apart(*halves(n, k)) for k in range(times)])
    values = values[np.isfinite(values)]
    return values.mean(), values.std(ddof=1)


def at_random(n):
    order, u = [], uniforms("metrics.order", np.arange(n))
    for i in range(n):
        place = int(u[i] * (i + 1))
        order.append(i)
        order[i], order[place] = order[place], i
    return np.array(order)


# ---- formulas

def shares_below(values, weights, grid):
    order = np.argsort(values, kind="stable")
    sums = np.concatenate([[0], np.cumsum(weights[order])]) / weights.sum()
    return sums[np.searchsorted(values[order], grid, side="right")]


def two_curves(a, wa, b, wb):
    grid = np.unique(np.concatenate([a, b]))
    return grid, shares_below(a, wa, grid) - shares_below(b, wb, grid)


def w1_ks(a, wa, b, wb, angle):
    if not angle:
        grid, d = two_curves(a, wa, b, wb)
        return np.sum(np.abs(d[:-1]) * np.diff(grid)), np.abs(d).max()
    grid, d = two_curves(np.mod(a, 2 * np.pi), wa, np.mod(b, 2 * np.pi), wb)
    length = np.append(np.diff(grid), 2 * np.pi - (grid[-1] - grid[0]))
    cost = lambda shift: np.sum(np.abs(d - shift) * length)
    best = min(optimize.minimize_scalar(cost, bounds=(d.min(), d.max()), method="bounded", options={"xatol": 1e-13}).fun, *(cost(s) for s in d))
    return best, max(d.max(), 0) - min(d.min(), 0)


def spread(a, w, angle):
    w = w / w.sum()
    mean = np.angle(np.sum(w * np.exp(1j * a))) if angle else np.sum(w * a)
    d = wrap(a - mean) if angle else a - mean
    return np.sqrt(max(np.sum(w * d * d), 0))


def histogram(a, w, low, high, bins):
    h = np.histogram(np.clip(a, low, high), bins, (low, high), weights=w)[0]
    return h / h.sum()


def chi2(p, q):
    keep = p + q > 0
    return np.sum((p - q)[keep] ** 2 / (p + q)[keep])


def js(p, q):
    p, q = np.maximum(p, 0), np.maximum(q, 0)
    return np.sum(special.rel_entr(p, (p + q) / 2) + special.rel_entr(q, (p + q) / 2)) / 2


def earth(p, q):
    return np.abs(np.cumsum(p - q)).sum() / len(p)


def moments(x, w):
    return np.average(x, axis=0, weights=w), weighted_cov(x, w)


def weighted_cov(x, w):
    x = x - np.average(x, axis=0, weights=w)
    return (w[:, None] * x).T @ x / (w.sum() - np.sum(w * w) / w.sum())


def frechet(a, wa, b, wb):
    (m, s), (n, t) = moments(a, wa), moments(b, wb)
    values, vectors = linalg.eigh(s)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return np.sum((m - n) ** 2) + np.trace(s) + np.trace(t) - 2 * np.sqrt(np.maximum(linalg.eigvalsh(root @ t @ root), 0)).sum()


def covariance(a, wa, b, wb):
    return linalg.norm(moments(a, wa)[1] - moments(b, wb)[1])


def correlation(x, w, ranked):
    if ranked:
        x = np.stack([mid_ranks(c, w) for c in x.T], axis=1)
    s = weighted_cov(x, w)
    scale = np.sqrt(np.maximum(np.diag(s), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.outer(scale, scale) > 0, s / np.outer(scale, scale), 0)


def mid_ranks(c, w):
    values, place = np.unique(c, return_inverse=True)
    here = np.bincount(place, w)
    return (np.cumsum(here) - here / 2)[place]


def kernel_distance(a, b):
    k = lambda x, y: (x @ y.T / x.shape[1] + 1) ** 4
    n, m = len(a), len(b)
    return (k(a, a).sum() - np.trace(k(a, a))) / (n * (n - 1)) + (k(b, b).sum() - np.trace(k(b, b))) / (m * (m - 1)) - 2 * k(a, b).mean()


def soft_minimum(log_weights, potential, cost, epsilon):
    v = log_weights + (potential - cost) / epsilon
    top = v.max(axis=1)
    return -epsilon * (top + np.log(np.exp(v - top[:, None]).sum(axis=1)))


def sinkhorn(a, wa, b, wb, epsilon=0.1):
    def cost(x, wx, y, wy):
        c, lx, ly = distance.cdist(x, y, "sqeuclidean") / 2, np.log(wx / wx.sum()), np.log(wy / wy.sum())
        f, g = np.zeros(len(x)), np.zeros(len(y))
        for _ in range(30000):
            before = f
            f = soft_minimum(ly, g, c, epsilon)
            g = soft_minimum(lx, f, c.T, epsilon)
            f, g = (f, g) if x is not y else ((f + g) / 2,) * 2
            if np.abs(f - before).max() < 1e-9:
                break
        return np.exp(lx) @ f + np.exp(ly) @ g
    return cost(a, wa, b, wb) - cost(a, wa, a, wa) / 2 - cost(b, wb, b, wb) / 2


def coverage(truth, fake, k):
    radius = np.sort(distance.cdist(truth, truth), axis=1)[:, k]
    near = distance.cdist(truth, fake) < radius[:, None]
    return near.any(axis=1).mean(), near.sum() / (k * len(fake))


def area(score, kind, w):
    """Share of pairs, and its error by the placements of DeLong."""
    t, f, wt, wf = score[kind], score[~kind], w[kind], w[~kind]
    above = (t[:, None] > f) + 0.5 * (t[:, None] == f)
    of_t, of_f = above @ wf / wf.sum(), wt @ above / wt.sum()
    value = wt @ of_t / wt.sum()
    def variance(placed, weights):
        worth = weights.sum() ** 2 / np.sum(weights**2)
        return np.sum(weights**2 * (placed - value) ** 2) / weights.sum() ** 2 * worth / (worth - 1)
    return value, np.sqrt(variance(of_t, wt) + variance(of_f, wf))


def rejection(score, kind, w, efficiency):
    order = np.argsort(-score)
    true, false = np.cumsum((w * kind)[order]) / w[kind].sum(), np.cumsum((w * ~kind)[order]) / w[~kind].sum()
    at = np.flatnonzero(true >= efficiency)[0]
    part = (efficiency - true[at - 1]) / (true[at] - true[at - 1])
    rate = false[at - 1] + part * (false[at] - false[at - 1])
    worth = w[~kind].sum() ** 2 / np.sum(w[~kind] ** 2)
    return 1 / rate, np.sqrt(rate * (1 - rate) / worth) / rate**2


def edges_of(x, bins):
    s = np.sort(x)
    return np.array([s[min(len(s) * b // bins, len(s) - 1)] for b in range(bins + 1)])


def cells(edges, x):
    return np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)


def profile_difference(y, cell, w, y2, cell2, w2, n, unit):
    share, other = np.bincount(cell, w, n), np.bincount(cell2, w2, n)
    both = (share > 0) & (other > 0)
    d = np.abs(np.bincount(cell, w * y, n)[both] / share[both] - np.bincount(cell2, w2 * y2, n)[both] / other[both])
    return np.sum(share[both] * d) / share[both].sum() / unit


def limit(a, wa, b, wb):
    n, d = min(len(a), len(b)), a.shape[1]
    if n < max(4 * d, 100):
        return np.nan, np.nan
    sizes, means = [], []
    least = max(n // 10, 2 * d)
    for inverse in np.linspace(1 / least, 1 / n, 10):
        size = int(1 / inverse + 0.5)
        parts = [slice(i * size, (i + 1) * size) for i in range(min(n // size, 4))]
        sizes.append(1 / size)
        means.append(np.mean([frechet(a[p], wa[p], b[p], wb[p]) for p in parts]))
    fit = stats.linregress(sizes, means)
    return fit.intercept, fit.intercept_stderr


def middle(x):
    s, n = np.sort(x), len(x)
    return s[n // 2], 1.2533 * (s[int(0.75 * (n - 1))] - s[int(0.25 * (n - 1))]) / 1.349 / np.sqrt(n)


def median_of_batches(x):
    s, n = np.sort(x), len(x)
    return np.median(s), (s[int(0.83725 * (n - 1) + 0.5)] - s[int(0.16275 * (n - 1) + 0.5)]) / 2


# ---- the comparison

class Judge:
    def __init__(self, report):
        self.report, self.count, self.bad = report, 0, []

    def same(self, name, said, value, tolerance=1e-6):
        self.count += 1
        said = np.nan if said is None else said
        if not np.isclose(said, value, rtol=tolerance, atol=tolerance, equal_nan=True):
            self.bad.append(f"{name}: evaluation.json {said!r}, numpy {value!r}")

    def metric(self, name, number="metric", value=None, error=None, truth=None, truth_error=None, tolerance=1e-6):
        said = self.report["metrics"][name][number]
        for key, v in dict(value=value, error=error, truth=truth, truth_error=truth_error).items():
            if v is not None:
                self.same(f"{name} {number} {key}", said[key], v, tolerance)


def of_columns(j, truth, fake):
    """W1, KS, histograms and correlations, column by column."""
    a, b, n = truth.compared(), fake.compared(), len(truth.w)
    ones, summed = np.ones(n), {"chi2(20)": [], "js(20)": []}
    for name in a:
        angle, said = name in ("phi", "turned"), j.report["columns"][name]
        unit = spread(a[name], truth.w, angle) or 1
        w1, ks = w1_ks(a[name], truth.w, b[name], fake.w, angle)
        j.same(f"wasserstein {name}", said["wasserstein"], w1 / unit)
        j.same(f"ks {name}", said["ks"], ks)
        order = np.lexsort((truth.w, np.mod(a[name], 2 * np.pi) if angle else a[name]))
        x, w = a[name][order], truth.w[order]
        apart = [w1_ks(x[p], w[p], x[q], w[q], angle) for p, q in (halves(n, k) for k in range(16)) if w[p].sum() > 0 and w[q].sum() > 0]
        for k, key in enumerate(["wasserstein", "ks"]):
            v = np.array([d[k] for d in apart]) / (unit if k == 0 else 1)
            j.same(f"{key} floor {name}", said[f"{key}_floor"], v.mean())
            j.same(f"{key} floor error {name}", said[f"{key}_floor_error"], v.std(ddof=1))
        low, high = (-4, 6) if name == "total" else (a[name].min(), a[name].max())
        for key, formula in {"chi2(20)": chi2, "js(20)": js}.items():
            h = lambda rows: histogram(a[name][rows], truth.w[rows], low, high, 20)
            value = formula(h(slice(None)), histogram(b[name], ones, low, high, 20))
            floor = of_halves(n, 16, lambda p, q: formula(h(p), h(q)))
            j.metric(key, name, value, None, *floor)
            summed[key].append(value)
    for key, values in summed.items():
        j.metric(key, "metric", np.mean(values))
        j.metric(key, "worst", np.max(values))
    table, drawn = np.stack(list(a.values()), axis=1), np.stack(list(b.values()), axis=1)
    for key, ranked in {"spearman": True, "correlations": False}.items():
        j.same(key, j.report[key], np.abs(correlation(table, truth.w, ranked) - correlation(drawn, fake.w, ranked)).max())
        w, apart = truth.w, lambda p, q: np.abs(correlation(table[p], w[p], ranked) - correlation(table[q], w[q], ranked)).max()
        for end, value in zip(["floor", "floor_error"], of_halves(n, 8, apart)):
            j.same(f"{key} {end}", j.report[f"{key}_{end}"], value)


def of_classes(j, truth, fake):
    n = len(truth.w)
    for name, low, high in [("total", -4, 6), ("turned", truth.c["turned"].min(), truth.c["turned"].max())]:
        def largest(a, wa, ka, b, wb, kb):
            return max(earth(histogram(a[ka == k], wa[ka == k], low, high, 40), histogram(b[kb == k], wb[kb == k], low, high, 40)) for k in (0, 1))
        a, k = truth.c[name], truth.c["kind"]
        floor = of_halves(n, 16, lambda p, q: largest(a[p], truth.w[p], k[p], a[q], truth.w[q], k[q]))
        j.metric("sigma_sd(kind)", name, largest(a, truth.w, k, fake.c[name], fake.w, fake.c["kind"]), None, *floor)


def of_events(j, truth, fake, seen, weights):
    n, order = len(truth.w), at_random(len(truth.w))
    a, b, wa, wb = truth.table()[order], fake.table()[order], truth.w[order], fake.w[order]
    mean = np.average(a, axis=0, weights=wa)
    square = np.average((a - mean) ** 2, axis=0, weights=wa)
    at = NAMES.index("phi")
    square[at : at + 2] = square[at : at + 2].sum()  # the circle stays one
    unit = np.where(square > 0, np.sqrt(np.maximum(square, 0)), 1)
    a, b, t = (a - mean) / unit, (b - mean) / unit, (seen.table() - mean) / unit
    for name, formula in {"covariance": covariance, "frechet": frechet}.items():
        j.metric(name, "metric", formula(a, wa, b, wb), None, *of_halves(n, 8, lambda p, q: formula(a[p], wa[p], a[q], wa[q])))
    if weights == "signed":  # covariances of few events of both signs are none, and `limit` has no one value
        return
    j.metric("frechet", "limit", *limit(a, wa, b, wb), *limit(a[: n // 2], wa[: n // 2], a[n // 2 :], wa[n // 2 :]))
    part = n // 8
    pairs = [[slice(2 * k * part, (2 * k + 1) * part), slice((2 * k + 1) * part, (2 * k + 2) * part), slice(k * part, (k + 1) * part)] for k in range(4)]
    value = np.array([sinkhorn(a[p], wa[p], b[r], wb[r]) for p, q, r in pairs])
    floor = np.array([sinkhorn(a[p], wa[p], a[q], wa[q]) for p, q, r in pairs])
    j.metric("sinkhorn", "metric", value.mean(), None, floor.mean())  # the spread of four multiplies what both leave unsettled
    if weights == "positive":
        a = a[uniforms("metrics.unweighted", np.arange(n)) * wa.max() <= wa]
    part = min(len(a) // 20, len(b) // 10, 1000)
    batches = [[slice(2 * k * part, (2 * k + 1) * part), slice((2 * k + 1) * part, (2 * k + 2) * part), slice(k * part, (k + 1) * part)] for k in range(10)]
    j.metric("kernel_distance", "metric", *median_of_batches([kernel_distance(a[p], b[r]) for p, q, r in batches]),
             *median_of_batches([kernel_distance(a[p], a[q]) for p, q, r in batches]), tolerance=1e-9)
    part = min(len(a) // 2, len(b))
    found, own = coverage(a[:part], b[:part], 4), coverage(a[:part], a[part : 2 * part], 4)
    share_error, count_error = lambda c: np.sqrt(c * (1 - c) / part), lambda d: np.sqrt(d / (4 * part))
    j.metric("coverage(4)", "metric", found[0], share_error(found[0]), own[0], share_error(own[0]))
    j.metric("coverage(4)", "density", found[1], count_error(found[1]), own[1], count_error(own[1]))
    t = t[(uniforms("metrics.training", np.arange(len(t))) * len(t)).astype(int)]
    of_true, of_fake = distance.cdist(a, t).min(axis=1), distance.cdist(b, t).min(axis=1)
    (v, e), (one, one_error) = middle(of_fake), middle(of_true)
    copies = (of_fake < np.sort(of_true)[len(a) // 100]).mean()
    j.metric("nearest", "metric", v / one, e / one, 1, one_error / one)
    j.metric("nearest", "copies", copies, np.sqrt(copies * (1 - copies) / len(b)), 0.01, np.sqrt(0.0099 / len(a)))


def of_pixels(j, truth, fake):
    n, log = len(truth.w), np.log10(truth.c["image"][truth.c["image"] > 0])
    def shares(image, w):
        image, w = image.reshape(len(w), -1), np.repeat(w, 16).reshape(len(w), 16)
        place = np.log10(image[image > 0])
        h = np.concatenate([[w[image <= 0].sum()], np.histogram(np.clip(place, log.min(), log.max()), 40, (log.min(), log.max()), weights=w[image > 0])[0]])
        return h / h.sum()
    i, w = truth.c["image"], truth.w
    j.metric("pixels", "metric", js(shares(i, w), shares(fake.c["image"], fake.w)), None, *of_halves(n, 16, lambda p, q: js(shares(i[p], w[p]), shares(i[q], w[q]))))


def of_values(j, truth, fake, passes):
    n = len(truth.w)
    roc, confusion = "roc(top, kind == 1)", "confusion(top, kind)"
    for sample, keys in [(fake, ("value", "error")), (truth, ("truth", "truth_error"))]:
        kind = sample.c["kind"] == 1
        j.metric(roc, "metric", **dict(zip(keys, area(sample.s["top"], kind, sample.w))))
        for e in (0.3, 0.5, 0.7):
            j.metric(roc, f"rejection({e:g})", **dict(zip(keys, rejection(sample.s["top"], kind, sample.w, e))))
        said = sample.s["top"] >= 0.5
        right = np.average(said == kind, weights=sample.w)
        j.metric(confusion, "metric", **dict(zip(keys, [right, np.sqrt(max(right * (1 - right), 0) * np.sum(sample.w**2)) / sample.w.sum()])))
        for k in (0, 1):
            for l in (0, 1):
                j.metric(confusion, f"{l} said of {k}", **{keys[0]: np.average(said[kind == k] == l, weights=sample.w[kind == k])})
    for name, y, axes, bins in [("profile(total, g[0])", "total", ["g0"], 20), ("profile(n, g[0], g[1])", "n", ["g0", "g1"], 10)]:
        edges = [edges_of(truth.c[x], bins) for x in axes]
        cell = lambda s: sum(cells(edge, s.c[x]) * bins**k for k, (edge, x) in enumerate(zip(edges, axes)))
        ca, cb, ya, many, unit = cell(truth), cell(fake), truth.c[y], bins ** len(axes), spread(truth.c[y], truth.w, False)
        floor = of_halves(n, 16, lambda p, q: profile_difference(ya[p], ca[p], truth.w[p], ya[q], ca[q], truth.w[q], many, unit))
        j.metric(name, "metric", profile_difference(ya, ca, truth.w, fake.c[y], cb, fake.w, many, unit), None, *floor)
    said = [(s, np.average(-s.s["density"], weights=s.w)) for s in (truth, fake)]
    errors = [np.sqrt(np.sum(s.w**2 * (-s.s["density"] - m) ** 2)) / abs(s.w.sum()) for s, m in said]
    j.metric("nll(law)", "metric", said[0][1], errors[0], said[1][1], errors[1])
    worth, evenness = truth.w.sum() ** 2 / np.sum(truth.w**2), []
    for k, name in enumerate(["x0", "x1"]):
        below = (passes.c[name].reshape(DRAWS + 1, n)[1:] < truth.c[name]).sum(axis=0)
        u = (below + uniforms("calibration.ties", np.arange(n), k)) / (DRAWS + 1)
        order = np.argsort(u)
        sums = np.concatenate([[0], np.cumsum(truth.w[order])]) / truth.w.sum()
        evenness.append(max(np.abs(sums[:-1] - u[order]).max(), np.abs(sums[1:] - u[order]).max()))
        if np.all(truth.w == 1):
            j.same(f"kstest {name}", evenness[-1], stats.kstest(u, "uniform").statistic)
    chance = stats.kstwobign.mean() / np.sqrt(worth), stats.kstwobign.std() / np.sqrt(worth)
    j.metric("calibration(x, draws = 20)", "metric", np.mean(evenness), None, *chance)
    j.metric("calibration(x, draws = 20)", "worst", np.max(evenness))
    ranges = [(truth.c[k].min(), truth.c[k].max()) for k in ("x0", "phi")]
    for sample, key in [(fake, "value"), (truth, "truth")]:
        h = np.histogram2d(*(np.clip(sample.c[k], *r) for k, r in zip(("x0", "phi"), ranges)), bins=30, range=ranges)[0]
        share = (h == 0).mean()
        j.metric("holes(x[0], phi, bins = 30)", "metric", **{key: share, {"value": "error"}.get(key, "truth_error"): np.sqrt(share * (1 - share) / 900)})


def compare(folder, weights, evaluation):
    j = Judge(json.load(open(evaluation)))
    weighted = weights != "none"
    truth = Sample(f"{folder}/test.h5", f"{folder}/true_scores.h5", weighted)
    fake = Sample(f"{folder}/drawn.h5", f"{folder}/drawn_scores.h5", False, slice(N))
    of_columns(j, truth, fake)
    of_classes(j, truth, fake)
    of_events(j, truth, fake, Sample(f"{folder}/train.h5", None, False), weights)
    of_pixels(j, truth, fake)
    of_values(j, truth, fake, Sample(f"{folder}/drawn.h5", None, False))
    print(f"{weights}: {j.count} numbers, {len(j.bad)} differ")
    print("\n".join(j.bad))
    sys.exit(1 if j.bad else 0)


{"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])
