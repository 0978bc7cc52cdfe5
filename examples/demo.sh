#!/usr/bin/env bash
# make demo: trains a conditional flow on the bundled jets, draws reconstructed jets for generator jets, compares them with the truth; and builds
# a sampler that does the same on its own.
set -eu
hgmc=$(realpath "$1"); cd "$(dirname "$0")"
runs=../runs; mkdir -p $runs
echo "== train: a smaller flow than jets.hgm says, so that this takes a minute or two"
"$hgmc" run flows/jets.hgm --train data/jets.h5 -o $runs/demo --force --epochs 12 --set layers=6 --set width=64 || [ $? -eq 1 ]
echo; echo "== sample: 20,000 reconstructed jets for the given generator jets"
"$hgmc" sample $runs/demo --given data/jets.h5 -n 20k -o $runs/demo/fake.h5 --force
echo; echo "== score: log-density of each jet in physical units"
"$hgmc" score $runs/demo --data data/jets.h5 -o $runs/demo/score.h5 --force
echo; echo "== build: the same model as one static file; it needs no compiler, no library and no file beside itself"
"$hgmc" build $runs/demo -o $runs/demo/jetsim --force
$runs/demo/jetsim --given data/jets.h5 -n 20k -o $runs/demo/alone.h5 --force
h5diff $runs/demo/fake.h5 $runs/demo/alone.h5 && echo "the sampler draws the same events, bit for bit"
echo; echo "== compare the two files, without the model"
"$hgmc" eval --data data/jets.h5 --against $runs/demo/fake.h5
echo; echo "the run is in $(realpath $runs/demo); hgmc inspect says what it was made from"
