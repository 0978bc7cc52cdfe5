"""Losses of games with their first and second derivatives, of hgm and of PyTorch: games.py NAME=DUMP … Exit code 1 when they disagree.

hgm differentiates its own function once for the gradient and once more for the product of the Hessian with a direction; PyTorch computes the
same function (interpret.py) and differentiates it by its own rules. Gradient penalties and unrolled steps are derivatives already, so they come
to third derivatives. Relative distance over all weights to PyTorch's float64: in float64 1e-9, in float32 max(1e-4, 2 x that of PyTorch in
float32) (numerics.md 16)."""
import os
import sys

import torch

from compare import Table, distance
from dumped import Dump
from interpret import Function, draw

TIGHT, LOOSE = 1e-9, 1e-4
LOSS, FIRST, SECOND = range(3)


def derivatives(dump, single=torch.float64):
    """Of PyTorch, with f32 as this dtype: the loss, its derivatives, those of their product with the direction."""
    function = Function(dump["text:function"], single)
    leaves = {name: torch.tensor(value.copy()) for name, value in dump.starting("leaf:").items()}
    kinds = {v.name: v for v in function.values.values() if v.op in ("input", "param", "state", "counter")}
    weights = {}
    for name, value in leaves.items():
        if kinds[name].op == "param":
            weights[name] = leaves[name] = value.to(single if kinds[name].dtype == "f32" else torch.float64).requires_grad_()
        elif kinds[name].dtype == "i32":
            leaves[name] = value.long()
    loss = function.run("loss", leaves, lambda v, size: draw(dump, v, size), len(dump.batch))
    directions = {name: torch.tensor(value, dtype=torch.float64) for name, value in dump.starting("direction:").items()}
    first = dict(zip(weights, torch.autograd.grad(loss, list(weights.values()), create_graph=True, allow_unused=True)))
    along = sum((g * directions[name]).sum() for name, g in first.items() if g is not None and name in directions)
    second = dict(zip(weights, torch.autograd.grad(along, list(weights.values()), allow_unused=True))) if along.requires_grad else {}
    numbers = lambda found: {name: g.detach().double().numpy() for name, g in found.items() if g is not None}
    return {"loss": loss.item()}, numbers(first), numbers(second)


def ours(dump):
    of = lambda prefix: {name: value.ravel() for name, value in dump.starting(prefix).items()}
    return {"loss": float(dump["loss"].ravel()[0])}, of("first:"), of("second:")


def apart(found, reference):
    """A derivative that is zero everywhere may be left out by either side."""
    zeros = {name: 0 * value for name, value in {**found, **reference}.items()}
    return distance({**zeros, **found}, {**zeros, **reference})


def main(pairs):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    table = Table()
    for pair in pairs:
        name, path = pair.split("=", 1)
        dump = Dump(path)
        found, reference = ours(dump), derivatives(dump)
        single = derivatives(dump, torch.float32) if dump.precision == "f32" else None
        notes = (f"{reference[LOSS]['loss']:.6f}", *(f"{sum(v.size for v in reference[k].values())} weights" for k in (FIRST, SECOND)))
        for k, what in enumerate(("loss", "first derivatives", "second derivatives")):
            own = apart(single[k], reference[k]) if single else 0
            note = notes[k] + (f", PyTorch float32 itself {own:.1e}" if single else "")
            table.row(name, what, apart(found[k], reference[k]), max(LOOSE, 2 * own) if single else TIGHT, note)
    print("PyTorch and hgm agree" if table.failed == 0 else f"{table.failed} comparisons disagree")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
