"""Losses of games with their first and second derivatives, of hgm and of PyTorch: games.py NAME=DUMP … Exit code 1 when they disagree.

hgm differentiates its own function once for the gradient and once more for the product of the Hessian with a direction; PyTorch computes the
same function (interpret.py) and differentiates it by its own rules. Gradient penalties and unrolled steps are derivatives already, so they come
to third derivatives. float64, relative distance over all weights: 1e-9."""
import os
import sys

import torch

from compare import Table, distance
from dumped import Dump
from interpret import Function, draw

BOUND = 1e-9


def derivatives(dump):
    function = Function(dump["text:function"])
    leaves = {name: torch.tensor(value.copy()) for name, value in dump.starting("leaf:").items()}
    kinds = {v.name: v for v in function.values.values() if v.op in ("input", "param", "state", "counter")}
    weights = {}
    for name, value in leaves.items():
        if kinds[name].op == "param":
            weights[name] = value.requires_grad_()
        elif kinds[name].dtype == "i32":
            leaves[name] = value.long()
    loss = function.run("loss", leaves, lambda v, size: draw(dump, v, size), len(dump.batch))
    directions = {name: torch.tensor(value.copy()) for name, value in dump.starting("direction:").items()}
    first = dict(zip(weights, torch.autograd.grad(loss, list(weights.values()), create_graph=True, allow_unused=True)))
    along = sum((g * directions[name]).sum() for name, g in first.items() if g is not None and name in directions)
    second = dict(zip(weights, torch.autograd.grad(along, list(weights.values()), allow_unused=True))) if along.requires_grad else {}
    numbers = lambda found: {name: g.detach().numpy() for name, g in found.items() if g is not None}
    return {"loss": loss.item()}, numbers(first), numbers(second)


def same_weights(ours, theirs):
    """A derivative that is zero everywhere may be left out by either side."""
    for name in set(ours) | set(theirs):
        ours.setdefault(name, 0 * theirs[name] if name in theirs else ours[name])
        theirs.setdefault(name, 0 * ours[name])


def main(pairs):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    table = Table()
    for pair in pairs:
        name, path = pair.split("=", 1)
        dump = Dump(path)
        loss, first, second = derivatives(dump)
        table.row(name, "loss", distance({"loss": float(dump["loss"].ravel()[0])}, loss), BOUND, f"{loss['loss']:.6f}")
        for what, theirs in (("first", first), ("second", second)):
            ours = {n: v.ravel() for n, v in dump.starting(what + ":").items()}
            same_weights(ours, theirs)
            table.row(name, f"{what} derivatives", distance(ours, theirs), BOUND, f"{sum(v.size for v in theirs.values())} weights")
    print("PyTorch and hgm agree" if table.failed == 0 else f"{table.failed} comparisons disagree")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
