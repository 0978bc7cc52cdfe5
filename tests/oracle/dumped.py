"""Reads what oracle_dump wrote: records of one header line and raw little-endian data (see dump.c)."""
import numpy as np


def read(path):
    """name -> float64 or int64 array, or text."""
    found = {}
    with open(path, "rb") as file:
        while line := file.readline():
            name, kind, extents = line.decode().rstrip("\n").split("\t")
            shape = [int(extent) for extent in extents.split()]
            count = int(np.prod(shape)) if shape else 1
            if kind == "text":
                found[name] = file.read(count).decode()
            else:
                found[name] = np.frombuffer(file.read(8 * count), dtype="<" + kind).reshape(shape)
    return found


class Dump:
    """One run of hgm: what went in and what came out, by name."""

    def __init__(self, path):
        self.all = read(path)
        self.precision = self.all["text:precision"]
        self.seed, self.step_pass = int(self.all["seed"]), int(self.all["pass"])
        self.train, self.batch = self.all["train"], self.all["batch"]
        self.params = dict(line.split("=", 1) for line in self.all["text:params"].splitlines())

    def __getitem__(self, name):
        return self.all[name]

    def starting(self, prefix):
        """The part after the prefix -> array, of all names that begin so."""
        return {name[len(prefix):]: value for name, value in self.all.items() if name.startswith(prefix)}

    def number(self, name):
        return float(self.params[name])

    def whole(self, name):
        return int(self.params[name])

    def column(self, name, rows):
        values = self.all["column:" + name]
        return values[rows, 0] if values.shape[1] == 1 else values[rows]
