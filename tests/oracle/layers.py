"""Layers and bijections in plain PyTorch, written from the papers and the reference of the language."""
import math

import torch
from torch.nn import functional as F
from torch.nn.utils import parametrizations


class Place:
    """Where weights stand: `encoder.mlp_1.dense_2.w`. Layers of one name are counted from 1 in the order of use."""

    def __init__(self, weights, path):
        self.weights, self.path, self.counts = weights, path, {}

    def __getitem__(self, name):
        return self.weights[f"{self.path}.{name}"]

    def next(self, layer):
        self.counts[layer] = self.counts.get(layer, 0) + 1
        return Place(self.weights, f"{self.path}.{layer}_{self.counts[layer]}")

    def child(self, name):
        return Place(self.weights, f"{self.path}.{name}")


def dense(place, x):
    here = place.next("dense")
    return F.linear(x, here["w"].T, here["b"])


def by_largest(weight, vector):
    """PyTorch's own spectral norm of weight (outputs first), one step of the power method from the vector that the layer keeps."""
    norm = parametrizations._SpectralNorm(weight.detach(), n_power_iterations=1)
    norm._v.copy_(vector.detach())
    return norm.train()(weight)


def spectral_norm_dense(place, x):
    here = place.next("spectral_norm_dense")
    return F.linear(x, by_largest(here["w"].T, here.next("spectral")["iterated_1"]), here["b"])


def mlp(place, x, depth, activation, context=None):
    here = place.next("mlp")
    h = x if context is None else torch.cat([x, context], dim=1)
    for _ in range(depth):
        h = activation(dense(here, h))
    return h


def convolution(x, k, b, stride, same):
    """Images (events, h, w, c), weights (kernel, kernel, c, size); `same` pads as many zeros as ceil(h / stride) windows need, the odd one behind."""
    if same:
        missing = [max((-(-n // stride) - 1) * stride + len(k) - n, 0) for n in x.shape[1:3]]
        x = F.pad(x, (0, 0, missing[1] // 2, missing[1] - missing[1] // 2, missing[0] // 2, missing[0] - missing[0] // 2))
    y = F.conv2d(x.permute(0, 3, 1, 2), k.permute(3, 2, 0, 1), b, stride=stride)
    return y.permute(0, 2, 3, 1)


def conv2d(place, x, stride=1, same=True):
    here = place.next("conv2d")
    return convolution(x, here["k"], here["b"], stride, same)


def spectral_norm_conv2d(place, x, stride=1, same=True):
    """The vector that the layer keeps has a number a row of the kernel, (i, j, c); PyTorch's go (c, i, j)."""
    here = place.next("spectral_norm_conv2d")
    k = here["k"]
    vector = here.next("spectral")["iterated_1"].reshape(k.shape[:3]).permute(2, 0, 1).flatten()
    return convolution(x, by_largest(k.permute(3, 2, 0, 1), vector).permute(2, 3, 1, 0), here["b"], stride, same)


def conv_transpose2d(place, x, kernel, stride):
    here = place.next("conv_transpose2d")
    y = F.conv_transpose2d(x.permute(0, 3, 1, 2), here["k"].permute(2, 3, 0, 1), stride=stride).permute(0, 2, 3, 1)
    rows, columns = x.shape[1] * stride, x.shape[2] * stride
    top, left = (y.shape[1] - rows) // 2, (y.shape[2] - columns) // 2
    return y[:, top:top + rows, left:left + columns] + here["b"]


def locally_connected2d(place, x, kernel, stride=1):
    here = place.next("locally_connected2d")
    windows = x.unfold(1, kernel, stride).unfold(2, kernel, stride)  # events h w c i j
    return torch.einsum("ehwcij,hwijco->ehwo", windows, here["k"]) + here["b"]


def batch_norm(place, x, eps=1e-3):
    here = place.next("batch_norm")
    axes = tuple(range(x.dim() - 1))
    m = x.mean(dim=axes)
    return (x - m) / torch.sqrt(((x - m) ** 2).mean(dim=axes) + eps) * here["gain"] + here["bias"]


def batch_norm_remembered(place, x, eps=1e-3):
    """Outside of training: averages that began at zero, by the sum of their weights."""
    here = place.next("batch_norm")
    m, v = (here[f"running_{i}"] / torch.clamp(here[f"running_{i}.seen"], min=1e-30) for i in (1, 2))
    return (x - m) / torch.sqrt(v + eps) * here["gain"] + here["bias"]


def minibatch_discrimination(place, x, kernels, dims):
    """How near each event of the batch is to all of them, itself included (1606.03498)."""
    m = (x @ place.next("minibatch_discrimination")["dense_1.w"]).reshape(len(x), kernels, dims)
    return torch.exp(-(m[:, None] - m[None]).abs().sum(dim=3)).sum(dim=1)


def resnet(place, x, blocks, context=None):
    """Residual blocks with pre-activation; a context is joined at the input and gates each block (1906.04032)."""
    here = place.next("resnet")
    h = dense(here, x if context is None else torch.cat([x, context], dim=1))
    for _ in range(blocks):
        a = dense(here, F.relu(h))
        b = dense(here, F.relu(a))
        h = h + (b if context is None else F.glu(torch.cat([b, dense(here, context)], dim=1), dim=1))
    return h


class Spline:
    """Monotonic rational-quadratic splines (1906.04032, equations 4 to 8), one for each component.

    p: (events, components, numbers): widths, heights, inner slopes, and for angles the slope at the seam."""

    def __init__(self, p, bins, reach, circular, least=1e-3):
        self.reach, self.bins = reach, bins
        share = lambda logits: least + (1 - least * bins) * torch.softmax(logits, dim=-1)
        self.widths = 2 * reach[:, None] * share(p[..., :bins])
        self.heights = 2 * reach[:, None] * share(p[..., bins:2 * bins])
        one = math.log(math.expm1(1 - least))
        slopes = least + F.softplus(p[..., 2 * bins:] + one)
        edge = torch.where(circular, slopes[..., -1], torch.ones_like(slopes[..., -1]))[..., None]
        self.slopes = torch.cat([edge, slopes[..., :bins - 1], edge], dim=-1)
        self.left = F.pad(torch.cumsum(self.widths, dim=-1), (1, 0)) - reach[:, None]
        self.bottom = F.pad(torch.cumsum(self.heights, dim=-1), (1, 0)) - reach[:, None]

    def bin(self, knots, v):
        index = torch.searchsorted(knots[..., 1:-1].detach().contiguous(), v.detach()[..., None].contiguous(), right=True)
        take = lambda array: torch.gather(array, -1, index)[..., 0]
        slope_right = torch.gather(self.slopes, -1, index + 1)[..., 0]
        return take(self.left), take(self.bottom), take(self.widths), take(self.heights), take(self.slopes), slope_right

    def masked(self, v, function):
        inside = torch.abs(v) < self.reach
        value, log_det = function(torch.where(inside, v, torch.zeros_like(v)))
        return torch.where(inside, value, v), torch.where(inside, log_det, torch.zeros_like(v)).sum(dim=-1)

    def log_slope(self, s, d0, d1, t):
        top = s**2 * (d1 * t**2 + 2 * s * t * (1 - t) + d0 * (1 - t) ** 2)
        return torch.log(top) - 2 * torch.log(s + (d1 + d0 - 2 * s) * t * (1 - t))

    def forward(self, x):
        def inner(x):
            x0, y0, w, h, d0, d1 = self.bin(self.left, x)
            s, t = h / w, (x - x0) / w
            y = y0 + h * (s * t**2 + d0 * t * (1 - t)) / (s + (d1 + d0 - 2 * s) * t * (1 - t))
            return y, self.log_slope(s, d0, d1, t)
        return self.masked(x, inner)

    def inverse(self, y):
        def inner(y):
            x0, y0, w, h, d0, d1 = self.bin(self.bottom, y)
            s, rise = h / w, y - y0
            a = h * (s - d0) + rise * (d1 + d0 - 2 * s)
            b = h * d0 - rise * (d1 + d0 - 2 * s)
            c = -s * rise
            t = (2 * c / (-b - torch.sqrt(torch.clamp(b**2 - 4 * a * c, min=0)))).detach().clamp(0, 1)
            for _ in range(2):  # the root loses half of the digits where the discriminant cancels: Newton's steps bring them back
                under = s + (d1 + d0 - 2 * s) * t * (1 - t)
                slope = s**2 * (d1 * t**2 + 2 * s * t * (1 - t) + d0 * (1 - t) ** 2) / under**2
                t = t - ((s * t**2 + d0 * t * (1 - t)) / under * s - rise / w) / slope
            return x0 + w * t, -self.log_slope(s, d0, d1, t)
        return self.masked(y, inner)


def linear_lu_to_noise(here, x):
    """x L U + b with a unit lower and an upper triangle whose diagonal is softplus + 1e-3; the triangle above is stored column by column."""
    n = x.shape[1]
    size = F.softplus(here["triangles_1.d"]) + 1e-3
    rows, columns = torch.tril_indices(n, n, -1)  # row by row
    lower, upper = torch.eye(n, dtype=x.dtype), torch.diag(size)
    lower = lower.index_put((rows, columns), here["triangles_1.l"])
    upper = upper.index_put((columns, rows), here["triangles_1.u"])
    return x @ (lower @ upper) + here["b"], torch.log(size).sum()


def wrap(x):
    return x - 2 * math.pi * torch.ceil((x.detach() - math.pi) / (2 * math.pi))


def standard_normal(x):
    return -0.5 * (x**2 + math.log(2 * math.pi)).sum(dim=1)


def kl_to_standard_normal(mu, logvar):
    return 0.5 * (torch.exp(logvar) + mu**2 - 1 - logvar).sum(dim=1)
