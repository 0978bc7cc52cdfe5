"""Trains the unrolled GAN of examples/gan/unrolled_gan.hgm here and in JAX and compares how well both cover the modes.

    BUILD_DIR=build/release .venv/bin/python tests/oracle/unrolled_beside.py [--seeds 1 2 3 4 5 6] [--k 5] [--width 128] [--latent 256] [--steps 25000] [--side both]
    .venv/bin/python tests/oracle/unrolled_beside.py --side JAX --together [--rates-critic 1e-4 2e-4 1e-3] [--simultaneous]

The sides share no code and no numbers: JAX has its own draws, weights and derivatives, so that a seed says nothing of the other side's. How sharply a training ends on
the modes scatters from seed to seed, and this scatter is what is compared. Of 20,000 points a side: the modes that have 1 % of them within 3, 6 and 10 widths, and
the share of all points that lie so near; JAX tells it after every tenth of the steps.

--together: JAX trains all seeds and rates in one program, for a GPU. --rates-critic: other rates of the critic. --simultaneous: both nets move from where
the step began, JAX alone; else the critic meets the generator as it has just moved, as in the example.

Exit code 1 when the mean share within some distance differs between the sides by more than three of its errors, from the scatter over the seeds.
Needs jax, and but for --side JAX build/release/hgmc; at full size a seed takes ten minutes of a processor here and more in JAX."""
import argparse
import functools
import math
import os
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

MODEL = "examples/gan/unrolled_gan.hgm"
MODES, SPREAD, BATCH, POINTS = 8, 0.01, 512, 20000
RATE_G, RATE_D, BETAS, EPS = 1e-3, 1e-4, (0.5, 0.999), 1e-8
PIECES = 10  # after each JAX tells what it has
ANGLES = np.arange(MODES) * math.pi / 4
PLACES = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
WITHIN = (3, 6, 10)


# ---- the recipe in JAX


def net(key, sizes):
    turned = jax.nn.initializers.orthogonal(1.4)
    return [(turned(k, shape), jnp.zeros(shape[1])) for k, shape in zip(jax.random.split(key, 3), zip(sizes, sizes[1:]))]


def apply(weights, x):
    *hidden, (w, b) = weights
    for v, c in hidden:
        x = jnp.tanh(x @ v + c)
    return x @ w + b


def still(weights):
    """(weights, first moment, second moment, steps) before the first step of Adam."""
    zero = jax.tree.map(jnp.zeros_like, weights)
    return weights, zero, zero, jnp.zeros(())


def adam(state, gradient, rate):
    weights, m, v, t = state
    b1, b2 = BETAS
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, gradient)
    t = t + 1
    root = jnp.sqrt(1 - b2**t)
    return jax.tree.map(lambda w, m, v: w - rate / (1 - b1**t) * m / (jnp.sqrt(v) / root + EPS), weights, m, v), m, v, t


def game(critic, fake, x):
    return jnp.mean(jax.nn.softplus(-apply(critic, x)) + jax.nn.softplus(apply(critic, fake)))


def step(options, rate, states, key):
    generator, critic = states
    of_mode, of_place, of_noise = jax.random.split(key, 3)
    x = jnp.asarray(PLACES, jnp.float32)[jax.random.randint(of_mode, (BATCH,), 0, MODES)] + SPREAD * jax.random.normal(of_place, (BATCH, 2))
    z = jax.random.normal(of_noise, (BATCH, options.latent))

    def judged(critic, fake):
        return adam(critic, jax.grad(game)(critic[0], fake, x), rate)

    def lost(weights):
        fake, moved = apply(weights, z), critic
        for _ in range(options.k):
            moved = judged(moved, fake)
        return -game(moved[0], fake, x)

    moved = adam(generator, jax.grad(lost)(generator[0]), RATE_G)
    return (moved, judged(critic, apply((generator if options.simultaneous else moved)[0], z))), None


def begun(options, seed):
    """What a training begins with: both nets, and the keys of the points drawn to look at it and of its steps."""
    of_generator, of_critic, of_points, key = jax.random.split(jax.random.key(seed), 4)
    return tuple(still(net(key, (n, options.width, options.width, m))) for key, n, m in ((of_generator, options.latent, 2), (of_critic, 2, 1))), of_points, key


def train_jax(trainings, options):
    """trainings: (seed, rate of the critic), all in one program. After each piece: steps done, points of each training."""
    seeds, rates = (jnp.array(column) for column in zip(*trainings))
    states, of_points, key = jax.jit(jax.vmap(functools.partial(begun, options)))(seeds)
    keys = jax.vmap(lambda key: jax.random.split(key, options.steps))(key).reshape(len(seeds), PIECES, -1)
    several = jax.jit(jax.vmap(lambda rate, states, keys: jax.lax.scan(functools.partial(step, options, rate), states, keys)[0]))
    draw = jax.jit(jax.vmap(lambda weights, key: apply(weights, jax.random.normal(key, (POINTS, options.latent)))))
    for piece in range(PIECES):
        states = several(rates, states, keys[:, piece])
        yield (piece + 1) * options.steps // PIECES, np.asarray(draw(states[0][0], of_points))


# ---- here


def train_hgm(trainings, options):
    (seed, rate), = trainings
    with tempfile.TemporaryDirectory() as scratch:
        run, points = os.path.join(scratch, "run"), os.path.join(scratch, "points.npy")
        hgmc = lambda *words: subprocess.run([os.path.join(os.environ.get("BUILD_DIR", "build/release"), "hgmc"), *words, "--threads", "1", "--quiet"],
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        settings = [word for name in ("k", "width", "latent") for word in ("--set", f"{name}={getattr(options, name)}")] + ["--set", f"rate_critic={rate}"]
        hgmc("run", MODEL, *settings, "--seed", str(seed), "--steps", str(options.steps), "-o", run)  # 1 where the example's assertion does not hold
        if hgmc("sample", run, "-n", str(POINTS), "-o", points):
            sys.exit("hgmc did not train")
        yield options.steps, np.load(points)[None]


# ---- both


def shares(points):
    """Of each distance: the share of the points within it of some mode."""
    near = np.square(points[:, None] - PLACES).sum(axis=2)
    return [(near < (within * SPREAD) ** 2).mean(axis=0) for within in WITHIN]


def told(shares):
    return ", ".join(f"{(near >= 0.01).sum()} of {MODES} ({near.sum():.2f})" for near in shares) + f" within {', '.join(map(str, WITHIN))} widths"


def summary(seen, rate):
    """seen: of each side, of each seed, shares of the modes by distance. Whether the sides agree, where there are two."""
    good = True
    for i, within in enumerate(WITHIN):
        near = {side: np.array([of_modes[i] for of_modes in of_seeds]) for side, of_seeds in seen.items()}
        totals = {side: x.sum(axis=1) for side, x in near.items()}
        mean = {side: x.mean() for side, x in totals.items()}
        error = {side: x.std(ddof=1) / math.sqrt(len(x)) for side, x in totals.items()}
        covered = {side: np.sort((x >= 0.01).sum(axis=1)) for side, x in near.items()}
        line = f"critic's rate {rate:g}, within {within:>2} widths: " + ", ".join(
            f"{side} modes {' '.join(map(str, covered[side]))}, share {mean[side]:.3f} +- {error[side]:.3f}" for side in seen)
        if len(seen) > 1:
            difference = abs(mean["hgm"] - mean["JAX"])
            apart = difference / math.hypot(*error.values()) if difference > 0 else 0  # where no point is near on either side nothing scatters
            good &= bool(apart <= 3)
            line += f": {apart:.1f} errors apart"
        print(line, flush=True)
    if len(seen) > 1:
        print("the same scatter" if good else "THE SIDES DIFFER")
    return good


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("k", 5), ("width", 128), ("latent", 256), ("steps", 25000)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--side", choices=("hgm", "JAX", "both"), default="both")
    parser.add_argument("--rates-critic", type=float, nargs="+", default=[RATE_D])
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--simultaneous", action="store_true")
    options = parser.parse_args()
    if options.side != "JAX" and (options.together or options.simultaneous):
        parser.error("--together and --simultaneous are for --side JAX")
    if options.steps % PIECES:
        parser.error(f"--steps: a multiple of {PIECES}")
    jax.config.update("jax_default_matmul_precision", "highest")  # a GPU would round the factors
    sides = {side: train for side, train in (("hgm", train_hgm), ("JAX", train_jax)) if options.side in (side, "both")}
    every = [(seed, rate) for rate in options.rates_critic for seed in options.seeds]
    seen = {rate: {side: [] for side in sides} for rate in options.rates_critic}
    for trainings in [every] if options.together else [[training] for training in every]:
        for side, train in sides.items():
            began = time.time()
            for steps, points in train(trainings, options):
                last = [shares(of_one) for of_one in points]
                for (seed, rate), of_modes in zip(trainings, last):
                    print(f"{side}, seed {seed}, critic's rate {rate:g}, {steps} steps: {told(of_modes)}; {time.time() - began:.0f} s", flush=True)
            for (_, rate), of_modes in zip(trainings, last):
                seen[rate][side].append(of_modes)
    good = [summary(of_sides, rate) for rate, of_sides in seen.items()] if len(options.seeds) > 1 else [True]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
