"""Trains the unrolled GAN of examples/gan/unrolled_gan.hgm here and in JAX and compares how well both cover the modes.

    BUILD_DIR=build/release .venv/bin/python tests/oracle/unrolled_beside.py [--seeds 1 2 3 4 5 6] [--k 5] [--width 128] [--latent 256] [--steps 25000] [--side both]

The sides share no code and no numbers: JAX has its own draws, weights and derivatives, so that a seed says nothing of the other side's. How sharply a training ends on
the modes scatters from seed to seed, and this scatter is what is compared. Of 20,000 points a side: the modes that have 1 % of them within 3, 6 and 10 widths, and
the share of all points that lie so near.

Exit code 1 when the mean share within some distance differs between the sides by more than three of its errors, from the scatter over the seeds.
Needs jax, build/release/hgmc; at full size a seed takes ten minutes of a processor here and more in JAX."""
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


def critic_step(state, fake, x):
    return adam(state, jax.grad(game)(state[0], fake, x), RATE_D)


def step(k, latent, states, key):
    generator, critic = states
    of_mode, of_place, of_noise = jax.random.split(key, 3)
    x = jnp.asarray(PLACES, jnp.float32)[jax.random.randint(of_mode, (BATCH,), 0, MODES)] + SPREAD * jax.random.normal(of_place, (BATCH, 2))
    z = jax.random.normal(of_noise, (BATCH, latent))

    def lost(weights):
        fake, moved = apply(weights, z), critic
        for _ in range(k):
            moved = critic_step(moved, fake, x)
        return -game(moved[0], fake, x)

    generator = adam(generator, jax.grad(lost)(generator[0]), RATE_G)
    return (generator, critic_step(critic, apply(generator[0], z), x)), None


def train_jax(seed, options):
    of_generator, of_critic, of_points, key = jax.random.split(jax.random.key(seed, impl="rbg"), 4)
    states = tuple(still(net(key, (n, options.width, options.width, m))) for key, n, m in ((of_generator, options.latent, 2), (of_critic, 2, 1)))
    one = functools.partial(step, options.k, options.latent)
    several = jax.jit(lambda states, keys: jax.lax.scan(one, states, keys)[0])
    for keys in jax.random.split(key, options.steps).reshape(10, -1):
        states = several(states, keys)
    return np.asarray(apply(states[0][0], jax.random.normal(of_points, (POINTS, options.latent))))


# ---- here


def train_hgm(seed, options):
    with tempfile.TemporaryDirectory() as scratch:
        run, points = os.path.join(scratch, "run"), os.path.join(scratch, "points.npy")
        hgmc = lambda *words: subprocess.run([os.path.join(os.environ.get("BUILD_DIR", "build/release"), "hgmc"), *words, "--threads", "1", "--quiet"],
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        settings = [word for name in ("k", "width", "latent") for word in ("--set", f"{name}={getattr(options, name)}")]
        hgmc("run", MODEL, *settings, "--seed", str(seed), "--steps", str(options.steps), "-o", run)  # 1 where the example's assertion does not hold
        if hgmc("sample", run, "-n", str(POINTS), "-o", points):
            sys.exit("hgmc did not train")
        return np.load(points)


# ---- both


def shares(points):
    """Of each distance: the share of the points within it of some mode."""
    near = np.square(points[:, None] - PLACES).sum(axis=2)
    return [(near < (within * SPREAD) ** 2).mean(axis=0) for within in WITHIN]


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("k", 5), ("width", 128), ("latent", 256), ("steps", 25000)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--side", choices=("hgm", "JAX", "both"), default="both")
    options = parser.parse_args()
    sides = {"hgm": train_hgm, "JAX": train_jax}
    seen = {side: [] for side in sides if options.side in (side, "both")}
    for seed in options.seeds:
        for side in seen:
            began = time.time()
            of_modes = shares(sides[side](seed, options))
            seen[side].append([near.sum() for near in of_modes])
            print(f"{side}, seed {seed}: " + ", ".join(f"{(near >= 0.01).sum()} of {MODES} ({near.sum():.2f})" for near in of_modes) +
                  f" within {', '.join(map(str, WITHIN))} widths; {time.time() - began:.0f} s", flush=True)
    if len(seen) < 2 or len(options.seeds) < 2:
        return 0
    good = True
    for within, *both in zip(WITHIN, *(np.array(of_seeds).T for of_seeds in seen.values())):
        means, errors = [x.mean() for x in both], [x.std(ddof=1) / math.sqrt(len(x)) for x in both]
        apart = abs(means[0] - means[1]) / math.hypot(*errors)
        good &= apart <= 3
        print(f"share within {within:>2} widths: " + ", ".join(f"{side} {mean:.3f} +- {error:.3f}" for side, mean, error in zip(seen, means, errors)) + f": {apart:.1f} errors apart")
    print("the same scatter" if good else "THE SIDES DIFFER")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
