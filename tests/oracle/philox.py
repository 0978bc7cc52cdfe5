"""Counter-based draws, from the rules in runtime/philox.h and Salmon, Moraes, Dror, Shaw (SC'11), in numpy."""
import numpy as np

MASK = (1 << 64) - 1


def splitmix64(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def key_of(seed, site):
    digest = 0xCBF29CE484222325
    for byte in site.encode():
        digest = ((digest ^ byte) * 0x100000001B3) & MASK
    return splitmix64(digest ^ splitmix64(seed))


def philox4x32_10(counter, key):
    """counter: four arrays, key: two numbers -> four arrays of 32-bit words held as uint64."""
    low32 = np.uint64(0xFFFFFFFF)
    c0, c1, c2, c3 = (np.asarray(c, dtype=np.uint64) for c in np.broadcast_arrays(*counter))
    k0, k1 = key
    for _ in range(10):
        first, second = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = ((second >> np.uint64(32)) ^ c1 ^ np.uint64(k0), second & low32,
                          (first >> np.uint64(32)) ^ c3 ^ np.uint64(k1), first & low32)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def words(seed, site, events, step_pass, blocks):
    """(events, 4 * blocks) 32-bit words."""
    key = key_of(seed, site)
    events = np.asarray(events, dtype=np.uint64)[:, None]
    counter = (events & np.uint64(0xFFFFFFFF), events >> np.uint64(32), np.uint64(step_pass), np.arange(blocks, dtype=np.uint64)[None, :])
    out = philox4x32_10(counter, (key & 0xFFFFFFFF, key >> 32))
    return np.stack(out, axis=-1).reshape(len(events), 4 * blocks)


def bits(seed, site, element):
    return int(words(seed, site, [0], 0, element // 4 + 1)[0, element])


def uniform(seed, site, events, step_pass, n, precision):
    """(events, n) in (0, 1) by the rule of f64 or f32, exact."""
    if precision == "f32":
        w = words(seed, site, events, step_pass, (n + 3) // 4)[:, :n]
        return ((w >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23
    w = words(seed, site, events, step_pass, (n + 1) // 2)
    whole = (w[:, 1::2] << np.uint64(32)) | w[:, 0::2]
    return ((whole >> np.uint64(12)).astype(np.float64) + 0.5)[:, :n] * 2.0**-52


def normal(seed, site, events, step_pass, n, precision):
    """(events, n): Box-Muller on pairs of uniforms."""
    u = uniform(seed, site, events, step_pass, n + n % 2, precision)
    radius, turn = np.sqrt(-2 * np.log(u[:, 0::2])), 2 * np.pi * u[:, 1::2]
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1).reshape(len(u), -1)[:, :n]


def permutation(seed, site, n):
    """A fixed order: Fisher-Yates from the top with bits of this site."""
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        k = bits(seed, site, i) * (i + 1) >> 32
        order[i], order[k] = order[k], order[i]
    return order


def check_published_vectors():
    """Known answers of the Random123 distribution."""
    for counter, key, answer in [
        ([0] * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ]:
        out = philox4x32_10([np.array([c], dtype=np.uint64) for c in counter], key)
        assert " ".join(f"{int(w[0]):08x}" for w in out) == answer, "philox disagrees with the published vectors"
