"""Functions of the tensor IR (their text form, docs/ir.md) in PyTorch, so that PyTorch differentiates what hgm differentiates. What is f32 there
may be float64 here: that is the reference for both."""
import re

import numpy as np
import torch

import philox

LINE = re.compile(r"%(\d+) = (\w+)(.*) : (\w+)(?:\[([^\]]*)\])?$")


class Value:
    """One line: op, operands, its words behind them (`axis 1` -> axis = 1), type."""

    def __init__(self, line):
        number, self.op, rest, dtype, axes = LINE.match(line).groups()
        self.number, self.dtype = int(number), dtype
        self.axes = axes.split(",") if axes else []
        name = re.search(r'"((?:[^"\\]|\\.)*)"', rest)
        self.name = name.group(1) if name else None
        self.operands = [int(k) for k in re.findall(r"%(\d+)", rest)]
        self.rest = rest
        self.words = set(re.findall(r"[a-z]+", rest.replace(f'"{self.name}"', "")))

    def __getattr__(self, word):
        return int(re.search(rf"\b{word} (-?\d+)", self.rest).group(1))

    def list(self, word):
        items = re.search(rf"{word} \(([^)]*)\)", self.rest).group(1)
        return [int(k) for k in items.split(",")] if items.strip() else []


def gather(x, index, batch, axis):
    x = x.movedim(axis, batch)
    index = index.clamp(0, x.shape[batch] - 1)
    flat = index.reshape(*index.shape[:batch], -1)
    wide = flat.reshape(*flat.shape, *[1] * (x.dim() - batch - 1)).expand(*flat.shape, *x.shape[batch + 1:])
    y = torch.gather(x.expand(*flat.shape[:batch], *x.shape[batch:]), batch, wide)
    y = y.reshape(*flat.shape[:batch], *index.shape[batch:], *x.shape[batch + 1:])
    selected = list(range(batch, index.dim()))
    return y.movedim(selected, [k + axis - batch for k in selected]) if selected else y.squeeze(batch) if index.dim() < batch else y


def scatter_add(g, index, batch, axis, size):
    chosen = index.dim() - batch
    g = g.movedim(list(range(axis, axis + chosen)), list(range(batch, batch + chosen))) if chosen else g.unsqueeze(batch)
    flat = index.reshape(*index.shape[:batch], -1).clamp(0, size - 1)
    g = g.reshape(*g.shape[:batch], flat.shape[-1], *g.shape[batch + max(chosen, 1):])
    wide = flat.reshape(*flat.shape, *[1] * (g.dim() - batch - 1)).expand(g.shape)
    return torch.zeros(*g.shape[:batch], size, *g.shape[batch + 1:], dtype=g.dtype).scatter_add(batch, wide, g).movedim(batch, axis)


def fold(g, axis, size, step):
    y = torch.zeros(*g.shape[:axis], size, *g.shape[axis + 2:], dtype=g.dtype)
    for i in range(g.shape[axis]):
        where = torch.arange(i * step, i * step + g.shape[axis + 1])
        y = y.index_add(axis, where, g.select(axis, i))
    return y


def cumsum(x, axis, backwards, exclusive):
    x = x.flip(axis) if backwards else x
    y = torch.cumsum(x, axis)
    y = y - x if exclusive else y
    return y.flip(axis) if backwards else y


def pad(x, axis, before, after, dilation):
    n = x.shape[axis]
    size = before + after + (n - 1) * dilation + 1 if n else before + after
    where = before + dilation * torch.arange(n)
    return torch.zeros(*x.shape[:axis], size, *x.shape[axis + 1:], dtype=x.dtype).index_add(axis, where, x)


POINT = {
    "fma": lambda a, b, c: a * b + c, "neg": lambda a: -a, "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b, "pow": torch.pow, "max": torch.maximum, "min": torch.minimum, "abs": torch.abs, "sign": torch.sign,
    "floor": torch.floor, "round": torch.round, "mod": lambda a, b: a - b * torch.floor(a / b), "exp": torch.exp, "expm1": torch.expm1,
    "log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt, "sin": torch.sin, "cos": torch.cos, "atan2": torch.atan2, "tanh": torch.tanh,
    "sigmoid": torch.sigmoid, "sinh": torch.sinh, "cosh": torch.cosh, "asinh": torch.asinh, "erf": torch.erf, "erfc": torch.erfc,
    "normal_icdf": torch.special.ndtri, "lgamma": torch.lgamma, "digamma": torch.digamma, "eq": torch.eq, "lt": torch.lt, "le": torch.le,
    "and": torch.logical_and, "or": torch.logical_or, "not": torch.logical_not, "select": torch.where, "stop": lambda a: a.detach(),
}
MOVE = {
    "transpose": lambda v, x: x.permute(v.list("order")),
    "slice": lambda v, x: x.index_select(v.axis, torch.tensor(range(getattr(v, "from"), v.to, v.step), dtype=torch.int64)),
    "pad": lambda v, x: pad(x, v.axis, v.before, v.after, v.dilation),
    "concat": lambda v, *x: torch.cat(x, v.axis),
    "gather": lambda v, x, i: gather(x, i, v.batch, v.axis),
    "scatter_add": lambda v, g, i: scatter_add(g, i, v.batch, v.axis, v.size),
    "windows": lambda v, x: x.unfold(v.axis, v.size, v.step).movedim(-1, v.axis + 1),
    "fold": lambda v, g: fold(g, v.axis, v.size, v.step),
    "sum": lambda v, x: x.sum(dim=v.list("axes")) if v.list("axes") else x,
    "amax": lambda v, x: x.amax(dim=v.list("axes")),
    "argmax": lambda v, x: x.argmax(dim=v.axis),
    "sort": lambda v, x: torch.sort(x, dim=v.axis, stable=True, descending="backwards" in v.words).indices.narrow(v.axis, 0, v.size),
    "cumsum": lambda v, x: cumsum(x, v.axis, "backwards" in v.words, "exclusive" in v.words),
    "einsum": lambda v, a, b: torch.einsum(v.name, a, b),
    "tri_inverse": lambda v, a: torch.linalg.inv(torch.triu(a) if "upper" in v.words else torch.tril(a)),
}


class Function:
    def __init__(self, text, single):
        """single: what stands for f32."""
        self.kinds = {"f32": single, "f64": torch.float64, "i32": torch.int64, "bool": torch.bool}
        lines = [line.strip() for line in text.splitlines()]
        self.values = {v.number: v for v in map(Value, (line for line in lines if line.startswith("%")))}
        self.outputs = dict(re.match(r'output "(.*)" %(\d+)$', line).groups() for line in lines if line.startswith("output"))

    def needed(self, output):
        found, open_ = set(), [int(self.outputs[output])]
        while open_:
            number = open_.pop()
            if number not in found:
                found.add(number)
                open_ += self.values[number].operands
        return sorted(found)

    def run(self, output, leaves, draws, events):
        """leaves: name -> flat tensor; draws: a value that is drawn, its extents -> tensor."""
        cast = lambda x, v: x.to(self.kinds[v.dtype])
        size = lambda v: [events if a in ("e", "p") else int(a) for a in v.axes]
        at = {}
        for number in self.needed(output):
            v = self.values[number]
            x = [at[k] for k in v.operands]
            if v.op in ("input", "param", "state", "counter"):
                at[number] = cast(leaves[v.name].reshape(size(v)), v)
            elif v.op == "const":
                numbers = re.search(r"const \[?([^\]]*)", v.rest and "const" + v.rest).group(1)
                at[number] = cast(torch.tensor([float(t) for t in numbers.split(",") if t.strip()], dtype=torch.float64).reshape(size(v)), v)
            elif v.op == "iota":
                n = size(v)
                at[number] = cast(torch.arange(n[v.axis]).reshape([-1 if i == v.axis else 1 for i in range(len(n))]).expand(n), v)
            elif v.op == "draw":
                at[number] = cast(draws(v, size(v)), v)
            elif v.op == "cast":
                at[number] = cast(x[0], v)
            elif v.op == "broadcast":
                order, n = v.list("order"), size(v)
                kept = [k for k in order if k >= 0]
                y = x[0].reshape([x[0].shape[k] for k in kept])
                at[number] = y.reshape([y.shape[kept.index(k)] if k >= 0 else 1 for k in order]).expand(n)
            elif v.op == "reshape":
                at[number] = x[0].reshape(size(v))
            else:
                at[number] = POINT[v.op](*x) if v.op in POINT else MOVE[v.op](v, *x)
        return at[int(self.outputs[output])]


def draw(dump, v, size):
    events = dump.batch if v.axes[:1] == ["e"] else [0]
    n = int(np.prod(size)) // len(events)
    kind = v.rest.split()[0]
    if kind == "uniform":
        numbers = philox.uniform(dump.seed, v.name, events, dump.step_pass, n, v.dtype)
    elif kind == "normal":
        numbers = philox.normal(dump.seed, v.name, events, dump.step_pass, n, v.dtype)
    else:
        raise NotImplementedError(f"draw of {kind}")
    return torch.tensor(numbers).reshape(size)
