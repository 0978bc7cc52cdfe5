"""What is looked at of jet images (events, 25, 25) in GeV: mass, pT, tau21, hit pixels; and how far two samples of it are apart."""
import math

import numpy as np
import torch

LEAST = 1e-3  # less is no hit
REACH, PIXELS = 1.25, 25
MIDDLES = REACH * (2 * (np.arange(PIXELS) + 0.5) / PIXELS - 1)
NAMES = ("mass", "pt", "tau21")
TOGETHER = 250  # events whose subjets are found together
SPARSE = 0.1  # images with more of their pixels hit, as untrained generators draw them, have no tau21: it takes long


def momentum(images):
    """(mass, pT) of massless pixels."""
    rows, columns = images.sum(axis=2), images.sum(axis=1)
    px, py, pz, energy = columns @ np.cos(MIDDLES), columns @ np.sin(MIDDLES), rows @ np.sinh(MIDDLES), rows @ np.cosh(MIDDLES)
    return np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0)), np.hypot(px, py)


def two_axes(place, weight):
    """Directions of two subjets: exclusive kt, a pair joins into the direction of the brighter. place: (events, hits, 2); weight: (events, hits), 0 where there is
    no hit, at least three others an event. Returns (events, 2, 2)."""
    weight, width = weight.clone(), weight.shape[1]
    apart = (place[:, :, None] - place[:, None]).square().sum(dim=3)
    distance = torch.minimum(weight[:, :, None], weight[:, None]).square() * apart
    distance[(weight == 0)[:, :, None] | (weight == 0)[:, None] | torch.eye(width, dtype=bool, device=weight.device)] = math.inf
    for _ in range(int((weight > 0).sum(dim=1).max()) - 2):
        event = ((weight > 0).sum(dim=1) > 2).nonzero()[:, 0]
        pair = distance[event].flatten(1).argmin(dim=1)
        i, j = pair // width, pair % width
        swap = weight[event, j] > weight[event, i]
        i, j = torch.where(swap, j, i), torch.where(swap, i, j)
        weight[event, i] += weight[event, j]
        weight[event, j] = 0
        fresh = torch.minimum(weight[event], weight[event, i][:, None]).square() * apart[event, i]
        fresh[weight[event] == 0] = math.inf
        fresh[torch.arange(len(event)), i] = math.inf
        distance[event, j] = distance[event, :, j] = math.inf
        distance[event, i] = distance[event, :, i] = fresh
    return place[weight > 0].view(-1, 2, 2)


def tau21(images):
    """0 of an image with fewer than three hits."""
    result, hits = np.zeros(len(images)), (images > 0).sum(axis=(1, 2))
    order = np.argsort(hits, kind="stable")
    order = order[hits[order] > 2]
    where = torch.tensor(np.stack(np.meshgrid(MIDDLES, MIDDLES, indexing="ij"), axis=2).reshape(-1, 2))
    for some in np.split(order, range(TOGETHER, len(order), TOGETHER)):
        if len(some) == 0:
            continue
        flat = torch.tensor(images[some].reshape(len(some), -1))
        pixel = torch.argsort((flat == 0).int(), dim=1, stable=True)[:, :hits[some].max()]  # the hits in front
        weight, place = flat.gather(1, pixel), where[pixel]

        def tau(axes):
            return (weight * (place[:, :, None] - axes[:, None]).square().sum(dim=3).sqrt().amin(dim=2)).sum(dim=1)

        brightest = place[torch.arange(len(some)), weight.argmax(dim=1)]
        result[some] = (tau(two_axes(place, weight)) / tau(brightest[:, None]).clamp(min=1e-9)).cpu().numpy()
    return result


def looked_at(images):
    """(events, 3): mass, pT, tau21 (nan where many pixels are hit); and the share of hit pixels."""
    images = np.where(images < LEAST, 0, images).astype(float)
    hit = float((images > 0).mean())
    return np.stack([*momentum(images), tau21(images) if hit < SPARSE else np.full(len(images), math.nan)], axis=1), hit


def wasserstein(a, b):
    """W1 of two samples: the mean distance of their quantiles."""
    levels = (np.arange(20000) + 0.5) / 20000
    quantiles = lambda sample: np.interp(levels * (len(sample) - 1), np.arange(len(sample)), np.sort(sample))
    return float(np.mean(np.abs(quantiles(a) - quantiles(b))))


def distances(seen, kinds, truth, true_kinds):
    """W1 of each observable, the mean over classes."""
    return np.array([np.mean([wasserstein(seen[kinds == kind, i], truth[true_kinds == kind, i]) for kind in (0, 1)]) for i in range(3)])
