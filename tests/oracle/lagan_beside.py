"""Trains LAGAN (examples/images/lagan.hgm) here and in PyTorch on the same jet images from the same weights, and compares what both learnt.

    BUILD_DIR=build/release .venv/bin/python tests/oracle/lagan_beside.py [--seeds 1 2 3] [--epochs 4] [--images 9000] [--width 128] [--rate 2e-4] [--faint 0.002] [--side both]
    BUILD_DIR=build/release .venv/bin/python tests/oracle/lagan_beside.py --side PyTorch --device cuda --seeds 1 > torch-1.log
    .venv/bin/python tests/oracle/lagan_beside.py --logs hgm-*.log torch-*.log
    BUILD_DIR=build/release .venv/bin/python tests/oracle/lagan_beside.py --lockstep 10 [--width 32]

Both sides begin with the weights that hgm draws from the seed and take the recipe of the example: a step of Adam on real images, one on
generated ones, two of the generator, targets turned at 5 and 9 %, batches of 100, as many epochs. Order of the images, noise, dropout and turned targets are
each side's own draws, so that the weights part after the first step: what is compared are distributions. After every epoch each generator draws an image for
every image of the test split with its class. Printed as it comes: W1 to the test split of mass, pT and tau21, the mean over the two classes, above them its
floor (training images against test images), and the share of pixels that are hit. A game swings from one epoch to the next by more than the sides differ, so
that the median over the last ten epochs is what is judged. PyTorch's running statistics begin with a variance of 1, ours with what the
first batch says: a few hundred steps must have gone before images say anything.

The twin is shown to be one: judge and generator as hgm has trained them, on the same images and noise, give hgm's numbers. --lockstep STEPS shows more than that, and nothing of W1:
both sides train in float64 with hgm's order of images, noise, dropout and turned targets (Philox), and must come to the same weights.

Exit code 1 when, of these medians and in the mean over seeds, one of the three W1 is more than 1.1 times PyTorch's, or the share of hit pixels is not within
10 % of the truth's (issue 5's numbers). --side: one of them alone; --device: where PyTorch trains; --logs: the verdict over what several such runs printed, also of
runs that were cut off, at the last epoch that all have.
Needs torch, h5py and build/release/hgmc."""
import argparse
import math
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import h5py
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import philox
from jet_images import LEAST, NAMES, PIXELS, distances, looked_at

MODEL = "examples/images/lagan.hgm"
BATCH, LATENT, LEAK, DROP, SCALE = 100, 200, 0.3, 0.2, 100.0
SIDES = ("hgm", "PyTorch")
LAST = 10  # epochs that are judged: a game swings from one to the next


# ---- the same networks in PyTorch: images are (places, channels, events) but for `conv`


class Draws:
    """What one pass of an update draws for each of its events: hgm's numbers for these rows, or with seed None PyTorch's own."""

    def __init__(self, n, update=None, seed=None, rows=None, step_pass=0):
        self.n, self.update, self.seed, self.rows, self.step_pass = n, update, seed, rows, step_pass

    def of_hgm(self, law, name, shape):
        numbers = law(self.seed, f"train.{self.update}.{name}", self.rows, self.step_pass, int(np.prod(shape)), "f64")
        return torch.tensor(numbers).view(self.n, *shape)

    def uniform(self, name, *shape):
        return torch.rand(self.n, *shape) if self.seed is None else self.of_hgm(philox.uniform, name, shape)

    def noise(self):
        return torch.randn(self.n, LATENT) if self.seed is None else self.of_hgm(philox.normal, "z", (LATENT,))

    def kinds(self):
        return (2 * self.uniform("kind")).long().clamp(max=1)

    def flip(self, target, rate, name="wrong"):
        return torch.where(self.uniform(name) < rate, 1 - target, target)

    def kept(self, name, side, channels):
        """Factors of dropout: (places, channels, events)."""
        kept = self.uniform(f"judge.features_1.{name}.kept", side, side, channels) < 1 - DROP
        return kept.flatten(1, 2).permute(1, 2, 0) / (1 - DROP)


class Conv(nn.Module):
    """5 x 5 with zeros around, leaky; (events, channels, height, width)."""

    def __init__(self, weights, name):
        super().__init__()
        self.k = nn.Parameter(weights.pop(name + ".k").permute(3, 2, 0, 1).contiguous())
        self.b = nn.Parameter(weights.pop(name + ".b"))

    def forward(self, x):
        return F.leaky_relu(F.conv2d(x, self.k, self.b, padding=2), LEAK)


class Local(nn.Module):
    """Weights of its own at every place of an image that is made `up` times as large before and gets `pad` zeros around."""

    def __init__(self, weights, name, side, stride=1, pad=0, up=1):
        super().__init__()
        k = weights.pop(name + ".k")  # place, place, tap, tap, channel, channel
        tap = torch.arange(k.shape[0])[:, None] * stride + torch.arange(k.shape[2]) - pad
        row, column = tap[:, None, :, None], tap[None, :, None, :]
        inside = (row >= 0) & (row < side * up) & (column >= 0) & (column < side * up)
        zero = side**2  # a row of zeros behind the image
        self.register_buffer("where", torch.where(inside, row // up * side + column // up, zero).flatten())
        self.k = nn.Parameter(k.flatten(2, 4).flatten(0, 1).transpose(1, 2).contiguous())
        self.b = nn.Parameter(weights.pop(name + ".b").flatten(0, 1)[:, :, None]) if name + ".b" in weights else None

    def forward(self, x):
        taps = F.pad(x, (0, 0, 0, 0, 0, 1)).index_select(0, self.where).view(len(self.k), -1, x.shape[2])
        return self.k @ taps if self.b is None else torch.baddbmm(self.b, self.k, taps)


class Norm(nn.Module):
    """Batch norm over places and events of (places, channels, events), or of (events, channels, height, width)."""

    def __init__(self, weights, name):
        super().__init__()
        for part in ("running_1", "running_2", "running_1.seen", "running_2.seen"):
            weights.pop(f"{name}.{part}")
        self.norm = nn.BatchNorm1d(len(weights[name + ".gain"]), eps=1e-3, momentum=0.01)
        with torch.no_grad():
            self.norm.weight.copy_(weights.pop(name + ".gain"))
            self.norm.bias.copy_(weights.pop(name + ".bias"))

    def forward(self, x):
        return self.norm(x.flatten(2)).view(x.shape)


def innermost(x):
    return x.flatten(2).permute(2, 1, 0).contiguous()


class Generator(nn.Module):
    def __init__(self, weights):
        super().__init__()
        name = "generator.paint_1."
        self.table = nn.Parameter(weights.pop("generator.embedding_1.table"))
        self.w, self.b = nn.Parameter(weights.pop(name + "dense_1.w")), nn.Parameter(weights.pop(name + "dense_1.b"))
        self.conv, self.norm_1 = Conv(weights, name + "conv2d_1"), Norm(weights, name + "leaky_norm_1.batch_norm_1")
        self.local_1 = Local(weights, name + "locally_connected2d_1", 7, pad=2, up=2)
        self.norm_2 = Norm(weights, name + "leaky_norm_2.batch_norm_1")
        self.local_2, self.local_3 = Local(weights, name + "locally_connected2d_2", 14, up=2), Local(weights, name + "locally_connected2d_3", 26)

    def forward(self, z, kind):
        """(events, 200) and classes to (events, 1, 25, 25)."""
        h = torch.addmm(self.b, z * self.table[kind], self.w).view(len(z), 7, 7, -1).permute(0, 3, 1, 2).contiguous()
        h = innermost(self.norm_1(self.conv(h)))
        h = self.norm_2(F.leaky_relu(self.local_1(h), LEAK))
        h = F.leaky_relu(self.local_2(h), LEAK)
        return F.relu(self.local_3(h)).permute(2, 1, 0).reshape(len(z), 1, PIXELS, PIXELS)


class Judge(nn.Module):
    def __init__(self, weights, faint):
        super().__init__()
        self.faint, name = faint, "judge.features_1."
        self.conv = Conv(weights, name + "conv2d_1")
        shapes = (dict(side=25, stride=2, pad=2), dict(side=13, pad=2), dict(side=13, stride=2, pad=1))
        self.local = nn.ModuleList(Local(weights, f"{name}locally_connected2d_{i}", **shape) for i, shape in enumerate(shapes, 1))
        self.norm = nn.ModuleList(Norm(weights, f"{name}leaky_norm_{i}.batch_norm_1") for i in (1, 2, 3))
        self.kernels = nn.Parameter(weights.pop("judge.minibatch_discrimination_1.dense_1.w"))
        self.w, self.b = (nn.Parameter(torch.cat([weights.pop(f"judge.dense_{i}.{part}") for i in (1, 2)], dim=-1)) for part in "wb")

    def forward(self, x, draws=None):
        """(events, 1, 25, 25) to logits: real, signal. draws: of dropout; None: there is none."""
        drop = lambda h, name, side: h if draws is None else h * draws.kept(name, side, h.shape[1])
        seen = torch.cat([x, 0.1 * x / (x + self.faint)], dim=1) if self.faint else x
        h = drop(innermost(self.conv(seen)), "drop_leaky_1.dropout_1", PIXELS)
        for i, (local, norm, side) in enumerate(zip(self.local, self.norm, (13, 13, 7)), 1):
            h = drop(norm(F.leaky_relu(local(h), LEAK)), f"dropout_{i}", side)
        h = h.view(7, 7, -1, len(x))[:6, :6].unflatten(0, (3, 2)).unflatten(2, (3, 2)).mean(dim=(1, 3)).flatten(0, 2).T
        m = (h @ self.kernels).view(-1, 20, 10)
        near = torch.exp(-(m[:, None] - m[None]).abs().sum(dim=3)).sum(dim=1)
        return torch.addmm(self.b, torch.cat([h, near], dim=1), self.w).unbind(dim=1)


def nets(first, faint):
    weights = {name: torch.tensor(value, dtype=torch.get_default_dtype()) for name, value in first.items()}
    generator, judge = Generator(weights), Judge(weights, faint)
    assert not weights, weights.keys()
    return generator, judge


# ---- the two trainings: images by epoch


def tool(name):
    return os.path.join(os.environ.get("BUILD_DIR", "build/release"), name)


def reduced(options):
    return ["--set", f"width={options.width}", "--set", f"rate={options.rate}", "--set", f"faint={options.faint}", "--precision", options.precision]


def hgmc(options, *words):
    return [tool("hgmc"), *words, *(reduced(options) if words[0] == "run" else []), "--threads", str(options.threads), "--quiet", "--force"]


def write(path, images, kinds):
    with h5py.File(path, "w") as file:
        file["image"], file["signal"] = images, kinds


def first_weights(options, seed, scratch):
    """What hgm begins with."""
    place = lambda name: os.path.join(scratch, name)
    subprocess.run(hgmc(options, "run", MODEL, *files(place), "-o", place("first"), "--seed", str(seed), "--steps", "0", "--set", "judged=100"), check=True, stdout=subprocess.DEVNULL)
    return weights_of(place("first/model.h5"))


def files(place):
    return [word for name in ("train", "valid", "test") for word in ("--" + name, place(name + ".h5"))]


def read(path):
    with h5py.File(path) as file:
        return file["image"][:].reshape(-1, PIXELS, PIXELS)


def watch(run, place, found):
    """Puts every epoch's weights aside while they are written: into `found` (epoch, seconds), None at the end."""
    began, kept = time.time(), 0
    while run.poll() is None:
        time.sleep(0.1)
        try:
            shutil.copy(place("run/last.h5"), place("run/copy.h5"))  # the next epoch's may take its place at any time
            with h5py.File(place("run/copy.h5")) as file:
                epoch = int(file["position.epoch"][()].item())
            if epoch > kept:
                os.rename(place("run/copy.h5"), place(f"run/after_{epoch}.h5"))
                kept = epoch
                found.put((epoch, time.time() - began))
        except (OSError, KeyError):
            pass  # not written yet
    found.put(None)


def train_hgm(options, seed, scratch):
    """Draws from the weights of every epoch as they come."""
    place, found = lambda name: os.path.join(scratch, name), queue.Queue()
    shutil.rmtree(place("run"), ignore_errors=True)
    began = time.time()
    run = subprocess.Popen(hgmc(options, "run", MODEL, *files(place), "-o", place("run"), "--seed", str(seed), "--epochs", str(options.epochs), "--set", "judged=100"),
                           stdout=subprocess.DEVNULL)
    threading.Thread(target=watch, args=(run, place, found), daemon=True).start()

    def drawn(weights):
        subprocess.run(hgmc(options, "sample", weights, "--given", place("test.h5"), "-o", place("fake.h5")), check=True)
        return read(place("fake.h5"))

    drawn_of = 0
    try:
        while (one := found.get()) is not None:
            drawn_of, seconds = one
            weights = place(f"run/after_{drawn_of}.h5")
            yield drawn_of, drawn(weights), seconds
            os.unlink(weights)
    finally:
        run.terminate()
    if run.wait():
        sys.exit(f"hgmc run ended with {run.returncode} after {drawn_of} epochs")
    if drawn_of < options.epochs:  # the position after the last epoch is behind it
        yield options.epochs, drawn(place("run/model.h5")), time.time() - began


def hgm_order(seed, epoch, n):
    """hgm's order of the training rows: Fisher-Yates from the top (compiler/driver/phase.c)."""
    target = (philox.uniform(seed, "train.shuffle", np.arange(n), epoch, 1, "f64")[:, 0] * (np.arange(n) + 1)).astype(int).tolist()
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        order[i], order[target[i]] = order[target[i]], order[i]
    return torch.tensor(order)


class Game:
    """The recipe: two nets, their optimizers, a step."""

    def __init__(self, first, options):
        self.generator, self.judge = nets(first, options.faint)
        self.optimizers = {net: self.optimizer(net, options) for net in (self.generator, self.judge)}

    def optimizer(self, net, options):
        return torch.optim.Adam(net.parameters(), lr=options.rate, betas=(0.5, 0.999), fused=True, capturable=options.device == "cuda")

    def update(self, net, images, real, kind, draws):
        self.judge.requires_grad_(net is self.judge)
        out = self.judge(images, draws)
        loss = F.binary_cross_entropy_with_logits(out[0], real) + F.binary_cross_entropy_with_logits(out[1], kind)
        self.optimizers[net].zero_grad()
        loss.backward()
        self.optimizers[net].step()

    def remember(self, on):
        """The running statistics of a net are those of its own updates."""
        for module in self.generator.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.track_running_stats = on

    def step(self, images, kinds, draws):
        """draws(update, pass): Draws."""
        real = draws("update_1", 0)
        self.update(self.judge, images, real.flip(torch.ones(real.n), 0.05), kinds.to(images), real)
        fake = draws("update_2", 0)
        kind = fake.kinds()
        with torch.no_grad():
            self.remember(False)
            drawn = self.generator(fake.noise(), kind)
            self.remember(True)
        self.update(self.judge, drawn, fake.flip(torch.zeros(fake.n), 0.05), fake.flip(kind.to(images), 0.05, "wrong.2"), fake)
        for k in (0, 1):
            trick = draws("update_3", k)
            kind = trick.kinds()
            self.update(self.generator, self.generator(trick.noise(), kind), torch.ones(trick.n), trick.flip(kind.to(images), 0.09), trick)


def train_torch(options, first, x, kinds, test_kinds):
    game, seconds = Game(first, options), 0
    for epoch in range(1, options.epochs + 1):
        began = time.time()
        for rows in torch.randperm(len(x)).split(BATCH):
            game.step(x[rows], kinds[rows], lambda update, k: Draws(len(rows)))
        torch.cuda.synchronize() if options.device == "cuda" else None
        seconds += time.time() - began
        game.generator.eval()
        with torch.no_grad():
            drawn = torch.cat([game.generator(torch.randn(len(kind), LATENT), kind) for kind in test_kinds.split(500)])[:, 0].cpu().numpy() * SCALE
        yield epoch, drawn, seconds
        game.generator.train()


# ---- is the twin one?


def weights_of(path):
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file if name.startswith(("generator.", "judge.")) and ".adam." not in name}


def lockstep(options, x, kinds, scratch):
    """Both trained with the same draws: how far their weights are apart, in units of how far they have come."""
    place, seed = lambda name: os.path.join(scratch, name), options.seeds[0]
    first = first_weights(options, seed, scratch)
    subprocess.run(hgmc(options, "run", MODEL, *files(place), "-o", place("run"), "--seed", str(seed), "--epochs", "1", "--set", "judged=100"), check=True,
                   stdout=subprocess.DEVNULL)
    game = Game(first, options)
    order = torch.cat([hgm_order(seed, epoch, len(x)) for epoch in (0, 1)])  # a pass after the first has the next batch's rows
    for step in range(options.lockstep):
        batch = lambda k: order[(step + k) * BATCH:(step + k + 1) * BATCH]
        game.step(x[batch(0)], kinds[batch(0)], lambda update, k: Draws(BATCH, update, seed, batch(k).numpy(), 2 * step + k))
    apart = {}
    begun, ended = nets(first, options.faint), nets(weights_of(place("run/model.h5")), options.faint)
    for name, ours, theirs, old in zip(("generator", "judge"), ended, (game.generator, game.judge), begun):
        flat = [torch.cat([value.detach().flatten() for value in net.parameters()]) for net in (ours, theirs, old)]
        apart[name] = float((flat[0] - flat[1]).norm() / (flat[0] - flat[2]).norm())
        print(f"{name}: {len(flat[0])} weights, after {options.lockstep} steps {apart[name]:.1e} apart, as a part of the way they have come")
    return max(apart.values()) < 1e-6


def recall(norm, trained, path):
    """hgm's running statistics, sums beside how much was seen, into a batch norm of PyTorch."""
    for value, part in ((norm.running_mean, "running_1"), (norm.running_var, "running_2")):
        value.copy_(torch.tensor(trained[f"{path}.{part}"] / trained[f"{path}.{part}.seen"]))


def check_twin(seed, x, scratch, options):
    """Judge and generator as a training here has left them, on the same images and the same noise: hgm's logits and pixels."""
    trained = weights_of(os.path.join(scratch, "run/model.h5"))
    generator, judge = nets(trained, options.faint)
    for i, norm in enumerate(judge.norm, 1):
        recall(norm.norm, trained, f"judge.features_1.leaky_norm_{i}.batch_norm_1")
    for i, norm in enumerate((generator.norm_1, generator.norm_2), 1):
        recall(norm.norm, trained, f"generator.paint_1.leaky_norm_{i}.batch_norm_1")
    judge.eval()
    subprocess.run(hgmc(options, "score", os.path.join(scratch, "run"), "--data", os.path.join(scratch, "few.h5"),
                        "-o", os.path.join(scratch, "scores.h5"), "--precision", "f64"), check=True)
    with h5py.File(os.path.join(scratch, "scores.h5")) as file, torch.no_grad():
        few = x[:len(file["real"])]
        scores = [file[name][:].astype(float) for name in ("real", "w_like")]
        logits = [np.concatenate([judge(part)[i].numpy() for part in few.split(BATCH)]) for i in (0, 1)]
    apart = []
    for ours, score in zip(logits, scores):
        told = (score > 0) & (score < 1 - 1e-12)  # the others do not say their logit
        theirs = np.log(score[told] / (1 - score[told]))
        apart.append(float(np.abs(ours[told] - theirs).max() / np.abs(theirs).max()) if told.any() else math.inf)
    generator.eval()
    with h5py.File(os.path.join(scratch, "fake.h5")) as file:
        theirs, kinds = file["image"][:200].reshape(-1, PIXELS, PIXELS), torch.tensor(file["signal"][:200].astype(int))
    z = torch.tensor(philox.normal(seed, "generate.z", np.arange(len(kinds)), 0, LATENT, "f32"), dtype=torch.float32)
    with torch.no_grad():
        ours = generator(z, kinds)[:, 0].numpy() * SCALE
    off = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    print(f"the twin: judge's logits within {max(apart):.1e} of the largest, generated pixels within {off:.1e} of the brightest")
    return max(apart) < 1e-3 and off < 1e-3


def mean_error(values):
    return np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def follow(side, seed, images_by_epoch, judged):
    """The course of a training, told as it comes: of each epoch W1 of mass, pT, tau21 and the share of hit pixels."""
    course = []
    for epoch, images, seconds in images_by_epoch:
        course.append(judged(images))
        print(f"{side}, seed {seed}, epoch {epoch}: " + ", ".join(f"{name} {x:.4g}" for name, x in zip((*NAMES, "hit"), course[-1])) + f"; {seconds:.0f} s", flush=True)
    return middle(course)


def middle(course):
    """The median of the last epochs; of tau21, of those that have it."""
    return np.array([np.median(x[np.isfinite(x)]) if np.isfinite(x).any() else math.nan for x in np.array(course[-LAST:]).T])


def report(last, truth_hit):
    """last: of each side, of each seed: mass pt tau21 hit. Both sides: whether hgm's distances and hit pixels are those that issue 5 asks for."""
    print(f"median of the last {LAST} epochs, mean over {len(next(iter(last.values())))} seeds +- its error")
    means = [np.mean(of_seeds, axis=0) for of_seeds in last.values()]
    for i, name in enumerate((*NAMES, "hit")):
        unit = truth_hit if name == "hit" else 1
        told = [mean_error([x[i] / unit for x in of_seeds]) for of_seeds in last.values()]
        line = f"{'hit pixels over the truth' if name == 'hit' else 'W1 of ' + name}: " + ", ".join(f"{side} {mean:.4g} +- {error:.2g}" for side, (mean, error) in zip(last, told))
        if len(last) > 1:
            ratio = told[0][0] / told[1][0]
            line += f", ratio {ratio:.2f} +- {ratio * math.hypot(*(error / mean for mean, error in told)):.2f}"
        print(line)
    if len(last) < 2:
        return True
    good = bool(np.all(means[0][:3] <= 1.1 * means[1][:3])) and abs(means[0][3] / truth_hit - 1) <= 0.1
    print("fulfilled" if good else "NOT FULFILLED")
    return good


def verdict_of(logs):
    """What several runs printed, as report() tells it."""
    courses, truth_hit = {}, math.nan
    for line in (line for path in logs for line in open(path)):
        if found := re.match(r"(\w+), seed (\d+), epoch (\d+): mass (\S+), pt (\S+), tau21 (\S+), hit (\S+);", line):
            side, seed, epoch, *values = found.groups()
            courses.setdefault((side, int(seed)), {})[int(epoch)] = [float(x) for x in values]
        elif found := re.search(r"hit pixels (\S+) \(", line):
            truth_hit = float(found[1])
    if not courses:
        sys.exit("the logs tell of no epoch")
    ended = min(max(course) for course in courses.values())
    print(f"{len(courses)} trainings, looked at after epoch {ended}")
    last = {side: [] for side in SIDES}
    for (side, _), course in courses.items():
        last[side].append(middle([course[epoch] for epoch in sorted(course) if epoch <= ended]))
    return report({side: of_seeds for side, of_seeds in last.items() if of_seeds}, truth_hit)


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("epochs", 4), ("images", 9000), ("test", 4000), ("width", 128), ("threads", 1)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--faint", type=float, default=0.002)
    parser.add_argument("--side", choices=(*SIDES, "both"), default="both")
    parser.add_argument("--data", default="../shared/data/jet_images.h5")
    parser.add_argument("--lockstep", type=int, default=0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--logs", nargs="+")
    options = parser.parse_args()
    if options.logs:
        return 0 if verdict_of(options.logs) else 1
    if options.device != "cpu" and (options.side != "PyTorch" or options.lockstep):
        parser.error("--device is for --side PyTorch")
    options.precision = "f64" if options.lockstep else "f32"
    if options.lockstep:
        options.images = options.lockstep * BATCH
    torch.set_num_threads(options.threads)
    torch.set_default_device(options.device)
    torch.backends.cudnn.allow_tf32 = False  # convolutions would round the factors
    torch.set_default_dtype(torch.float64 if options.lockstep else torch.float32)
    with h5py.File(options.data) as file:
        images, kinds = file["image"][:], file["signal"][:].astype(np.int32)
    parts = {"test": slice(0, options.test), "valid": slice(options.test, options.test + 500), "few": slice(options.test, options.test + 500),
             "train": slice(options.test + 500, options.test + 500 + options.images)}
    x = torch.tensor(np.where(images < LEAST, 0, images).astype(float)[:, None] / SCALE, dtype=torch.get_default_dtype())
    here, test = parts["train"], parts["test"]
    if options.lockstep:
        with tempfile.TemporaryDirectory() as scratch:
            for name, part in parts.items():
                write(os.path.join(scratch, name + ".h5"), images[part], kinds[part])
            return 0 if lockstep(options, x[here], torch.tensor(kinds[here]).long(), scratch) else 1
    truth, truth_hit = looked_at(images[test])
    known, known_hit = looked_at(images[here][:options.test])
    floor = distances(known, kinds[here][:options.test], truth, kinds[test])
    print(f"{options.images} images, {options.epochs} epochs, width {options.width}; floor of W1: " + ", ".join(f"{name} {w:.4g}" for name, w in zip(NAMES, floor)) +
          f"; hit pixels {truth_hit:.4f} ({known_hit:.4f})", flush=True)
    last, same = {side: [] for side in SIDES if options.side in (side, "both")}, True

    def judged(drawn):
        seen, hit = looked_at(drawn)
        return *distances(seen, kinds[test], truth, kinds[test]), hit

    with tempfile.TemporaryDirectory() as scratch:
        for name, part in parts.items():
            write(os.path.join(scratch, name + ".h5"), images[part], kinds[part])
        for seed in options.seeds:
            torch.manual_seed(seed)
            if "hgm" in last:
                last["hgm"].append(follow("hgm", seed, train_hgm(options, seed, scratch), judged))
                same &= check_twin(seed, x[parts["few"]], scratch, options)
            if "PyTorch" in last:
                training = train_torch(options, first_weights(options, seed, scratch), x[here], torch.tensor(kinds[here]).long(), torch.tensor(kinds[test]).long())
                last["PyTorch"].append(follow("PyTorch", seed, training, judged))
    if not same:
        print("the twin is none")
    return 0 if report(last, truth_hit) and same else 1


if __name__ == "__main__":
    sys.exit(main())
