"""h5py beside hgm's reader: python3 bench/read_bench.py build/release/bench/read_bench FILE.h5 … (needs h5py and numpy).

Reads the datasets of numbers of each file whole, in h5py and in read_bench with one and two threads, alternating; prints medians and the ratio.
h5py gives the file's own type, read_bench doubles that were looked through for NaN, infinities and sentinels.
"""
import statistics
import subprocess
import sys
import time

import h5py

REPEATS = 7


def columns(path):
    names = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu" and item.ndim > 0 else None)
    return names


def by_h5py(path, names):
    start = time.perf_counter()
    with h5py.File(path) as file:
        for name in names:
            file[name][...]
    return time.perf_counter() - start


def by_hgm(program, path, threads, names):
    out = subprocess.run([program, path, str(threads), *names], check=True, capture_output=True, text=True).stdout
    return float(out.split()[0])


program, *paths = sys.argv[1:]
for path in paths:
    names = columns(path)
    times = {"h5py": [], 1: [], 2: []}
    for _ in range(REPEATS):
        times["h5py"].append(by_h5py(path, names))
        for threads in (1, 2):
            times[threads].append(by_hgm(program, path, threads, names))
    h5, one, two = (statistics.median(times[key]) for key in ("h5py", 1, 2))
    print(f"{path}: {len(names)} columns, h5py {1e3 * h5:.1f} ms; hgm 1 thread {1e3 * one:.1f} ms ({h5 / one:.2f}x), 2 threads {1e3 * two:.1f} ms ({h5 / two:.2f}x)")
