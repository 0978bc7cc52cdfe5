"""Compares what hgm computed with PyTorch: compare.py MODEL=DUMP … Exit code 1 when they disagree.

float64: 1e-10 relative for the loss, the gradients, the scores and the fitted statistics. float32: the relative L2 distance over all
parameters to PyTorch's float64 is at most max(1e-4, 2 x the distance of PyTorch in float32) (numerics.md 16); so for the scores."""
import sys

import numpy as np
import torch

import philox
from dumped import Dump
from models import MODELS, Run

TIGHT, LOOSE = 1e-10, 1e-4
BETA_1, BETA_2, EPS = 0.9, 0.999, 1e-8


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


def clip_factor(model, norm):
    return 1.0 if model.clip is None else min(1.0, model.clip / (norm + 1e-6))


def hgm_numbers(model, dump):
    """The gradient is Adam's first moment after one step from zero, without the share (1 - beta) and the clip factor."""
    factor = clip_factor(model, float(dump["grad_norm"][0])) if model.clip is not None else 1.0
    moments = {name[:-len(".adam.m")]: value for name, value in dump.starting("set:").items() if name.endswith(".adam.m")}
    gradients = {name: m / (1 - BETA_1) / factor for name, m in moments.items()}
    scores = {name: value.ravel() for name, value in dump.starting("score:").items()}
    return {"loss": float(dump["loss"].ravel()[0])}, gradients, scores


def adam_step(model, dump):
    """The weights that PyTorch's Adam makes of hgm's gradients, clipped."""
    rate = model.rate if not isinstance(model.rate, str) else dump.number(model.rate)
    stepped, names = {}, [n[:-len(".adam.m")] for n in dump.starting("set:") if n.endswith(".adam.m")]
    for name in names:
        w = torch.nn.Parameter(torch.tensor(dump["before:" + name], dtype=torch.float64))
        w.grad = torch.tensor(dump[f"set:{name}.adam.m"] / (1 - BETA_1), dtype=torch.float64).reshape(w.shape)
        torch.optim.Adam([w], lr=rate, betas=(BETA_1, BETA_2), eps=EPS).step()
        stepped[name] = w.detach().numpy()
    return stepped


class Table:
    def __init__(self):
        self.failed = 0

    def row(self, case, what, value, bound, note=""):
        bad = not value <= bound
        self.failed += bad
        print(f"{case:<14} {what:<22} {value:10.2e}  <= {bound:8.1e}  {'DISAGREES' if bad else 'ok'} {note}")


def worst_arrays(gradients, reference, n=4):
    scale = np.sqrt(sum(float(np.sum(g**2)) for g in reference.values()))
    errors = {k: np.linalg.norm(gradients[k].ravel() - reference[k].ravel()) / max(np.linalg.norm(reference[k]), 1e-12 * scale) for k in reference}
    return ", ".join(f"{k} {errors[k]:.1e}" for k in sorted(errors, key=errors.get, reverse=True)[:n])


def compare(table, case, model, dump):
    loss, gradients, scores = hgm_numbers(model, dump)
    reference = torch_numbers(model, dump, torch.float64)
    if set(gradients) != set(reference[1]) or set(scores) != set(reference[2]):
        print(f"{case}: other weights or scores: {sorted(set(gradients) ^ set(reference[1]))[:8]} {sorted(set(scores) ^ set(reference[2]))}")
        table.failed += 1
        return
    exact = dump.precision == "f64"
    own = reference if exact else torch_numbers(model, dump, torch.float32)
    bound = lambda mine, true: TIGHT if exact else max(LOOSE, 2 * distance(mine, true))
    parameters = sum(g.size for g in gradients.values())
    table.row(case, "fitted statistics", reference[3], TIGHT)
    table.row(case, "loss", distance(loss, reference[0]), bound(own[0], reference[0]), f"{loss['loss']:.6f}")
    for which, what, values in ((1, "gradients", gradients), (2, "scores", scores)):
        if not values:
            continue
        note = f"{parameters} parameters" if which == 1 else " ".join(scores)
        if not exact:
            note += f", PyTorch float32 itself {distance(own[which], reference[which]):.1e}"
        table.row(case, what, distance(values, reference[which]), bound(own[which], reference[which]), note)
        if table.failed and which == 1:
            print("  worst:", worst_arrays(values, reference[which]))
    stepped = adam_step(model, dump)
    moved = {name: dump["set:" + name] - dump["before:" + name] for name in stepped}
    table.row(case, "step of Adam", distance(moved, {n: w - dump["before:" + n] for n, w in stepped.items()}), 1e-8 if exact else 2e-2)


def main(pairs):
    torch.set_num_threads(2)
    philox.check_published_vectors()
    table = Table()
    for pair in pairs:
        name, path = pair.split("=", 1)
        dump = Dump(path)
        compare(table, f"{name} {dump.precision}", MODELS[name], dump)
    print("PyTorch and hgm agree" if table.failed == 0 else f"{table.failed} comparisons disagree")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
