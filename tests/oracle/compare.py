"""Compares what hgm computed with PyTorch: compare.py MODEL=DUMP[,DUMP …] … Exit code 1 when they disagree.

float64: 1e-10 relative for the loss, the gradients and the scores, 1e-14 for the fitted statistics. float32: the relative L2 distance over all
parameters to PyTorch's float64 is at most max(1e-4, 2 x the distance of PyTorch in float32) (numerics.md 16); so for the scores.

In float32 a model may come as several dumps, whose weights differ in the last place: distances are root mean squares over them. Where a
flow is badly conditioned, one event makes most of the distance of either side, and which side is lucky changes from neighbour to neighbour."""
import os
import sys

import numpy as np
import torch

import philox
from dumped import Dump
from models import MODELS, Run

TIGHT, LOOSE, STATISTICS = 1e-10, 1e-4, 1e-14
EPS = 1e-8


def distance(values, reference):
    """Relative L2 over all arrays of a dictionary."""
    above = sum(float(np.sum((np.asarray(values[k]).ravel() - np.asarray(reference[k]).ravel()) ** 2)) for k in reference)
    below = sum(float(np.sum(np.asarray(reference[k]) ** 2)) for k in reference)
    return np.sqrt(above / below) if below > 0 else np.sqrt(above)


def torch_numbers(model, dump, dtype):
    run = Run(dump, dtype)
    loss = model.loss(run)
    loss.backward()
    gradients = {name: w.grad.double().numpy() for name, w in run.weights.items() if w.grad is not None}
    with torch.no_grad():
        scores = {name: value.double().numpy() for name, value in model.score(run).items()}
    return {"loss": loss.item()}, gradients, scores, run.worst_statistic


def betas(model):
    return getattr(model, "betas", (0.9, 0.999))


def clip_factor(model, norm):
    return 1.0 if model.clip is None else min(1.0, model.clip / (norm + 1e-6))


def hgm_numbers(model, dump):
    """The gradient is Adam's first moment after one step from zero, without the share (1 - beta) and the clip factor."""
    factor = clip_factor(model, float(dump["grad_norm"][0])) if model.clip is not None else 1.0
    moments = {name[:-len(".adam.m")]: value for name, value in dump.starting("set:").items() if name.endswith(".adam.m")}
    gradients = {name: m / (1 - betas(model)[0]) / factor for name, m in moments.items()}
    scores = {name: value.ravel() for name, value in dump.starting("score:").items()}
    return {"loss": float(dump["loss"].ravel()[0])}, gradients, scores


def adam_step(model, dump):
    """The weights that PyTorch's Adam makes of hgm's gradients, clipped."""
    rate = model.rate if not isinstance(model.rate, str) else dump.number(model.rate)
    stepped, names = {}, [n[:-len(".adam.m")] for n in dump.starting("set:") if n.endswith(".adam.m")]
    for name in names:
        w = torch.nn.Parameter(torch.tensor(dump["before:" + name], dtype=torch.float64))
        w.grad = torch.tensor(dump[f"set:{name}.adam.m"] / (1 - betas(model)[0]), dtype=torch.float64).reshape(w.shape)
        torch.optim.Adam([w], lr=rate, betas=betas(model), eps=EPS).step()
        stepped[name] = w.detach().numpy()
    return stepped


def step_distance(model, dump):
    stepped = adam_step(model, dump)
    moved = {name: dump["set:" + name] - dump["before:" + name] for name in stepped}
    return distance(moved, {name: w - dump["before:" + name] for name, w in stepped.items()})


class Table:
    def __init__(self):
        self.failed = 0

    def row(self, case, what, value, bound, note=""):
        bad = not value <= bound
        self.failed += bad
        print(f"{case:<14} {what:<22} {value:10.2e}  <= {bound:8.1e}  {'DISAGREES' if bad else 'ok'} {note}")
        return not bad


def worst_arrays(gradients, reference, n=4):
    scale = np.sqrt(sum(float(np.sum(g**2)) for g in reference.values()))
    errors = {k: np.linalg.norm(gradients[k].ravel() - reference[k].ravel()) / max(np.linalg.norm(reference[k]), 1e-12 * scale) for k in reference}
    return ", ".join(f"{k} {errors[k]:.1e}" for k in sorted(errors, key=errors.get, reverse=True)[:n])


class Side:
    """Root mean squares of a side's distances over neighbours, by what is compared."""

    def __init__(self):
        self.squares = {}

    def add(self, what, value):
        self.squares.setdefault(what, []).append(value**2)

    def __getitem__(self, what):
        return float(np.sqrt(np.mean(self.squares[what])))


PARTS = ("loss", "gradients", "scores")


def compare(table, name, model, dumps):
    case, exact = f"{name} {dumps[0].precision}", dumps[0].precision == "f64"
    mine, own, statistic, step = Side(), Side(), 0.0, 0.0
    for dump in dumps:
        ours, reference = hgm_numbers(model, dump), torch_numbers(model, dump, torch.float64)
        if set(ours[1]) != set(reference[1]) or set(ours[2]) != set(reference[2]):
            print(f"{case}: other weights or scores: {sorted(set(ours[1]) ^ set(reference[1]))[:8]} {sorted(set(ours[2]) ^ set(reference[2]))}")
            table.failed += 1
            return
        single = reference if exact else torch_numbers(model, dump, torch.float32)
        for part, what in enumerate(PARTS):
            mine.add(what, distance(ours[part], reference[part]))
            own.add(what, distance(single[part], reference[part]))
        statistic = max(statistic, reference[3])
        step = max(step, step_distance(model, dump))
    table.row(case, "fitted statistics", statistic, STATISTICS)
    for what, note in zip(PARTS, (f"{ours[0]['loss']:.6f}", f"{sum(g.size for g in ours[1].values())} parameters", " ".join(ours[2]))):
        if what == "scores" and not ours[2]:
            continue
        if not exact:
            note += f", PyTorch float32 itself {own[what]:.1e}" + (f", {len(dumps)} neighbours" if len(dumps) > 1 else "")
        good = table.row(case, what, mine[what], TIGHT if exact else max(LOOSE, 2 * own[what]), note)
        if not good and what == "gradients":
            print("  worst:", worst_arrays(ours[1], reference[1]))
    table.row(case, "step of Adam", step, 1e-8 if exact else 2e-2)


def main(pairs):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    philox.check_published_vectors()
    table = Table()
    for pair in pairs:
        name, paths = pair.split("=", 1)
        compare(table, name, MODELS[name], [Dump(path) for path in paths.split(",")])
    print("PyTorch and hgm agree" if table.failed == 0 else f"{table.failed} comparisons disagree")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
