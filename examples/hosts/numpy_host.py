"""Python with numpy arrays: columns by name, the same events however they are asked for, scores, own random numbers."""
import sys

import jetsim
import numpy as np

n = 1000
model = jetsim.Model()
rng = np.random.default_rng(1)
given = {name: 0.0 for name, _, _ in jetsim.given_columns}
given.update(GenJet_pt=rng.exponential(40, n) + 20, GenJet_mass=8.0, Pileup_nPU=rng.integers(10, 50, n))
events = model.sample(n, given, seed=3)
jets = jetsim.by_name(events, jetsim.out_columns)
print("mean response", (jets["Jet_pt"] / jets["GenJet_pt"]).mean())

table = np.zeros(n, [(name, float) for name, _, _ in jetsim.given_columns])  # a structured array does as well
for name, column in given.items():
    table[name] = column
late = model.sample(100, table[900:], seed=3, first_event=900)
assert (late == events[900:]).all(), "events 900 to 999 drawn alone"
scores = model.score(events)
assert scores.shape == (n, jetsim.width(jetsim.score_columns)) and np.isfinite(scores).all()
latent = rng.normal(size=(n, jetsim.width(jetsim.latent_columns)))
assert np.isfinite(model.transform(latent, given)).all()
try:
    model.sample(n, {"GenJet_pt": 1.0})
except KeyError as error:
    print("refused:", error)
else:
    sys.exit("missing columns were accepted")
