"""Trains many LAGANs (tests/oracle/lagan_beside.py's twin in PyTorch) side by side on one GPU: seeds, and variants of what the judge is told.

    BUILD_DIR=build/release python tests/oracle/lagan_many.py --device cuda --seeds 1 2 3 4 [--variants faint:0 faint:0.002] [--epochs 40] [--images 9000] [--seconds 500] [--out logs]
    python tests/oracle/lagan_beside.py --logs hgm-*.log logs/faint:0-*.log

Each training has a stream and a generator of random numbers of its own; on a GPU its steps are captured as a graph and replayed: 12 seeds come to 26,000 images/s on
an H200. Their lines, those of lagan_beside.py, go into OUT/VARIANT-SEED.log. Variants, joined by +:
  faint:X     the judge's first convolution also sees 0.1 x / (x + X), the example's `faint`; 0: as published
  count       the judge is told the share of hit pixels, and how near it is to that of others (minibatch discrimination), as in CaloGAN (1712.10321): no derivative
  soft:X      the same of the mean of x / (x + X), which has a derivative
  average:D   images are drawn from the average of the generator's weights, decay D a step
Needs torch, h5py and hgmc, whose first weights all begin with."""
import argparse
import contextlib
import copy
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

import h5py
import numpy as np
import torch
from torch import nn

import lagan_beside as beside
from jet_images import LEAST, NAMES, PIXELS, distances, looked_at

BATCH, SCALE = beside.BATCH, beside.SCALE
PARTS = {}  # of a process that looks at images: test kinds and truth


class Draws(beside.Draws):
    """From a generator of its own."""

    def __init__(self, n, generator):
        super().__init__(n)
        self.generator = generator

    def uniform(self, name, *shape):
        return torch.rand(self.n, *shape, generator=self.generator)

    def noise(self):
        return torch.randn(self.n, beside.LATENT, generator=self.generator)


class Judge(beside.Judge):
    """Told how much is hit."""

    def __init__(self, weights, says):
        super().__init__(weights, says.get("faint", 0))
        self.counts, self.soft = "count" in says or "soft" in says, says.get("soft", 0)
        if self.counts:
            uniform = lambda inputs, *shape: nn.Parameter((torch.rand(shape) * 2 - 1) * (6 / inputs) ** 0.5)
            self.kernels_of_count, self.w_of_count = uniform(201, 1, 200), uniform(22, 21, 2)

    def forward(self, x, draws=None):
        out = super().forward(x, draws)
        if not self.counts:
            return out
        flat = x.flatten(1)
        hit = flat / (flat + self.soft) if self.soft else (flat > LEAST / SCALE).to(flat)
        share = 25 * hit.mean(dim=1, keepdim=True)
        m = (share @ self.kernels_of_count).view(-1, 20, 10)
        near = torch.exp(-(m[:, None] - m[None]).abs().sum(dim=3)).sum(dim=1) / 10
        more = torch.cat([share, near], dim=1) @ self.w_of_count
        return out[0] + more[:, 0], out[1] + more[:, 1]


class Game(beside.Game):
    def __init__(self, first, options, says):
        weights = {name: torch.tensor(value) for name, value in first.items()}
        self.generator, self.judge = beside.Generator(weights), Judge(weights, says)
        self.optimizers = {net: self.optimizer(net, options) for net in (self.generator, self.judge)}


class Training:
    """One game on its stream. step(): the next batch of the order at hand."""

    def __init__(self, name, seed, says, first, options, x, kinds):
        self.name, self.seed, self.x, self.kinds, self.decay = name, seed, x, kinds, says.get("average")
        self.gpu = options.device == "cuda"
        self.stream = torch.cuda.Stream() if self.gpu else None
        self.random = torch.Generator(options.device)
        self.random.manual_seed(seed)
        torch.manual_seed(seed)
        self.game = Game(first, options, says)
        self.mean = copy.deepcopy(self.game.generator).eval() if self.decay else None
        self.order, self.at, self.lane = torch.arange(len(x)), torch.zeros((), dtype=torch.long), torch.arange(BATCH)
        self.graph, self.steps = None, 1

    def step(self):
        rows = self.order.index_select(0, self.lane + self.at)
        self.game.step(self.x.index_select(0, rows), self.kinds.index_select(0, rows), lambda update, k: Draws(BATCH, self.random))
        self.at += BATCH
        if self.mean is not None:
            ours, theirs = [[*net.parameters()] + [b for b in net.buffers() if b.is_floating_point()] for net in (self.mean, self.game.generator)]
            with torch.no_grad():
                torch._foreach_lerp_([p.data for p in ours], [p.data for p in theirs], 1 - self.decay)

    def on(self):
        return torch.cuda.stream(self.stream) if self.gpu else contextlib.nullcontext()

    def capture(self, steps):
        """The graph of `steps` steps, after two that warm up."""
        if not self.gpu:
            return
        self.stream.wait_stream(torch.cuda.current_stream())
        with self.on():
            for _ in range(2):
                self.step()
        torch.cuda.synchronize()
        for optimizer in self.game.optimizers.values():
            optimizer.zero_grad()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.random)
        with torch.cuda.graph(graph, stream=self.stream):
            for _ in range(steps):
                self.step()
        torch.cuda.synchronize()
        self.graph, self.steps = graph, steps

    def begin_epoch(self):
        with self.on(), torch.no_grad():
            self.order.copy_(torch.randperm(len(self.x), generator=self.random))
            self.at.zero_()

    def go_on(self):
        with self.on():
            self.graph.replay() if self.graph else self.step()

    def drawn(self, kinds):
        """GeV, an image for each of the kinds."""
        net = self.mean or self.game.generator
        net.eval()
        with self.on(), torch.no_grad():
            images = torch.cat([net(torch.randn(len(kind), beside.LATENT, generator=self.random), kind) for kind in kinds.split(1000)])[:, 0] * SCALE
            images = images.cpu().numpy()
        self.game.generator.train()
        return images


def begin_looking(kinds, truth):
    torch.set_num_threads(1)
    PARTS.update(kinds=kinds, truth=truth)


def look(images):
    seen, hit = looked_at(images)
    return *distances(seen, PARTS["kinds"], PARTS["truth"], PARTS["kinds"]), hit


def variant(text):
    says = {name: float(number or 1) for name, _, number in (part.partition(":") for part in text.split("+"))}
    if wrong := set(says) - {"faint", "count", "soft", "average"}:
        raise argparse.ArgumentTypeError(f"no variant '{wrong.pop()}'")
    return text, says


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("epochs", 40), ("images", 9000), ("test", 4000), ("width", 128), ("threads", 1), ("judged", 1000), ("seconds", 10000), ("graph", 5), ("lookers", 2)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--variants", type=variant, nargs="+", default=[variant("faint:0.002")])
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--data", default="../shared/data/jet_images.h5")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default=".")
    options = parser.parse_args()
    if options.images % (BATCH * options.graph):
        parser.error(f"--images is a multiple of {BATCH * options.graph}: --graph steps of {BATCH}")
    options.precision = "f32"
    ends = time.time() + options.seconds
    with h5py.File(options.data) as file:
        images, kinds = file["image"][:], file["signal"][:].astype(np.int32)
    parts = {"test": slice(0, options.test), "valid": slice(options.test, options.test + 500), "train": slice(options.test + 500, options.test + 500 + options.images)}
    truth, truth_hit = looked_at(images[parts["test"]])
    print(f"{options.images} images, {options.epochs} epochs; hit pixels {truth_hit:.4f} (of the truth)", flush=True)
    lookers = ProcessPoolExecutor(options.lookers, multiprocessing.get_context("spawn"), begin_looking, (kinds[parts["test"]], truth))
    torch.set_num_threads(options.threads)
    torch.set_default_device(options.device)
    torch.backends.cudnn.allow_tf32 = False
    x = torch.tensor(np.where(images < LEAST, 0, images)[parts["train"]][:, None] / SCALE, dtype=torch.float32)
    train_kinds, test_kinds = (torch.tensor(kinds[parts[name]]).long() for name in ("train", "test"))
    os.makedirs(options.out, exist_ok=True)
    trainings = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, part in parts.items():
            beside.write(os.path.join(scratch, name + ".h5"), images[part], kinds[part])
        for seed in options.seeds:
            for name, says in options.variants:
                options.faint = says.get("faint", 0)
                trainings.append(Training(name, seed, says, beside.first_weights(options, seed, scratch), options, x, train_kinds))
    for one in trainings:
        one.capture(options.graph)
    print(f"{len(trainings)} trainings stand", flush=True)
    looked, began, passes = [], time.time(), len(x) // BATCH

    def told():
        """Writes what has been looked at; a line waits for those before it."""
        while looked and looked[0][1].done():
            head, future, path = looked.pop(0)
            with open(path, "a") as log:
                print(head + ", ".join(f"{name} {v:.4g}" for name, v in zip((*NAMES, "hit"), future.result())) + "; 0 s", file=log)

    for one in trainings:
        with open(os.path.join(options.out, f"{one.name}-{one.seed}.log"), "w") as log:
            print(f"{options.images} images; hit pixels {truth_hit:.4f} (of the truth)", file=log)
    for epoch in range(1, options.epochs + 1):
        for one in trainings:
            one.begin_epoch()
        for _ in range(passes // trainings[0].steps):
            for one in trainings:
                one.go_on()
        hits = []
        for one in trainings:
            images = one.drawn(test_kinds)
            hits.append(float((images >= LEAST).mean()) / truth_hit)
            if epoch > options.epochs - options.judged:
                looked.append((f"PyTorch, seed {one.seed}, epoch {epoch}: ", lookers.submit(look, images), os.path.join(options.out, f"{one.name}-{one.seed}.log")))
        told()
        if epoch % 5 == 0 or epoch < 3 or epoch > options.epochs - 6:
            print(f"epoch {epoch}, {time.time() - began:.0f} s: hit over truth " + " ".join(f"{one.name}-{one.seed} {h:.2f}" for one, h in zip(trainings, hits)), flush=True)
        if time.time() > ends:
            print(f"time is over after epoch {epoch}", flush=True)
            break
    print(f"{len(trainings) * epoch * len(x) / (time.time() - began):.0f} images/s", flush=True)
    while looked:
        time.sleep(0.1)
        told()
    lookers.shutdown()


if __name__ == "__main__":
    sys.exit(main())
