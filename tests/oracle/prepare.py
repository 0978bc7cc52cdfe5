"""Preparations as formulas over numpy columns (float64), with their log-Jacobians and fitted statistics.

A Field carries its values, the log |d prepared / d column| so far, and the same steps over the training split, from which the
statistics are fitted here and compared with those that hgm fitted."""
import numpy as np

import philox


class Preparing:
    """Prepares the batch; `step_pass` is the counter of the draws. Collects the relative error of hgm's statistics."""

    def __init__(self, dump, step_pass):
        self.dump, self.step_pass, self.worst_statistic = dump, step_pass, 0.0

    def field(self, name, *columns):
        return Field(self, name, self.columns(self.dump.batch, columns), self.columns(self.dump.train, columns))

    def columns(self, rows, names):
        return np.stack([self.dump.column(name, rows) for name in names], axis=1)


class Field:
    def __init__(self, owner, name, batch, train):
        self.owner, self.name, self.steps = owner, name, 0
        self.batch, self.train = batch, train
        self.log_jacobian = np.zeros(len(batch))

    def map(self, function, log_slope=None):
        """One step of the chain, the same for batch and training split; log_slope in terms of the value before it."""
        self.steps += 1
        if log_slope is not None:
            self.log_jacobian = self.log_jacobian + np.broadcast_to(log_slope(self.batch), self.batch.shape).sum(axis=1)
        self.batch, self.train = function(self.batch), function(self.train)
        return self

    # Formulas of columns are no steps of the chain: the density is that of the first column.
    def over(self, other):
        self.log_jacobian = self.log_jacobian - np.log(np.abs(other.batch)).sum(axis=1)
        self.batch, self.train = self.batch / other.batch, self.train / other.train
        return self

    def minus(self, other):
        self.batch, self.train = self.batch - other.batch, self.train - other.train
        return self

    def standardize(self):
        wide = self.train.astype(np.longdouble)  # numpy's float64 sums along rows lose three digits
        mean, std = wide.mean(axis=0).astype(float), wide.std(axis=0).astype(float)
        place = f"stat:{self.name}.{self.steps + 1}."
        for fitted, own in ((self.owner.dump[place + "mean"], mean), (self.owner.dump[place + "std"], std)):
            error = np.max(np.abs(fitted - own) / np.maximum(std, np.abs(own)))
            self.owner.worst_statistic = max(self.owner.worst_statistic, error)
        return self.map(lambda x: (x - mean) / std, lambda x: -np.log(std))

    def log(self):
        return self.map(np.log, lambda x: -np.log(x))

    def log1p(self):
        return self.map(np.log1p, lambda x: -np.log1p(x))

    def zero_below(self, threshold):
        return self.map(lambda x: np.where(x < threshold, 0, x))

    def logit(self, eps):
        share = lambda x: eps + (1 - 2 * eps) * x
        return self.map(lambda x: np.log(share(x) / (1 - share(x))), lambda x: np.log((1 - 2 * eps) / (share(x) * (1 - share(x)))))

    def arctan(self, k):
        return self.map(lambda x: np.arctan(k * x), lambda x: np.log(k / (1 + (k * x) ** 2)))

    def wrap(self):
        return self.map(lambda x: x - 2 * np.pi * np.ceil((x - np.pi) / (2 * np.pi)))

    def missing(self, value, replace):
        return self.map(lambda x: np.where(x == value, replace, x))

    def levels(self, *values):
        return self.map(lambda x: np.argmax(x[:, :, None] == np.array(values), axis=2).astype(float))

    def one_hot(self, *values):
        return self.map(lambda x: (x == np.array(values)).astype(float))

    def sincos(self):
        return self.map(lambda x: np.concatenate([np.sin(x), np.cos(x)], axis=1))

    def dequantize(self):
        self.steps += 1
        dump, site, n = self.owner.dump, f"{self.name}.{self.steps}", self.batch.shape[1]
        self.batch = self.batch + philox.uniform(dump.seed, site, dump.batch, self.owner.step_pass, n, "f64")
        self.train = self.train + philox.uniform(dump.seed, site, dump.train, 0, n, "f64")
        return self


def joined(fields):
    """All fields side by side, and the sum of their log-Jacobians."""
    return np.concatenate([f.batch for f in fields], axis=1), sum(f.log_jacobian for f in fields)
