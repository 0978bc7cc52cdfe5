#!/usr/bin/env bash
# make bench: training and sampling beside the peers (PyTorch, JAX, nflows, zuko), the same model, batch and threads, one run.
# Peers come from PyPI into .venv (made here on request); their driver is run.py of the peers' folder (HGM_PEERS, or ../shared/peers).
# usage: bench/run.sh WORKER [case …]; THREADS="1 2", ROUNDS=5, PEERS="torch-compile jax" choose less
set -eu
cd "$(dirname "$0")/.."
worker=$1; shift
peers=${HGM_PEERS:-../shared/peers}
if [ ! -e "$peers/run.py" ]; then echo "no peers in $peers; HGM_PEERS names the folder of run.py"; exit 2; fi
python=${HGM_PYTHON:-.venv/bin/python}
if [ ! -x "$(command -v "$python")" ]; then
  python3 -m venv .venv && .venv/bin/pip install -q numpy torch jax optax nflows zuko
fi
declare -A weights=([flow10]=192690 [jets]=1499400 [vae18]=40994 [bvae26]=179778 [wgangp]=4806191 [lagan]=4985718)
declare -A others=([flow10]="nflows zuko torch-compile jax" [jets]="nflows torch-compile jax" [vae18]="torch-compile jax" [bvae26]="torch-compile jax"
  [wgangp]="torch torch-compile-chain jax" [lagan]="torch")
cases=${*:-flow10 jets vae18 bvae26 wgangp lagan}
for case in $cases; do
  head=$(echo quit | "$worker" "bench/$case.hgm" | head -n 1)
  [ "$(cut -d' ' -f2 <<< "$head")" = "${weights[$case]}" ] || { echo "bench/$case.hgm has another number of weights: $head"; exit 1; }
  for threads in ${THREADS:-1 2}; do
    chosen=(); for peer in ${PEERS:-${others[$case]}}; do chosen+=(--peer "$peer"); done
    "$python" "$peers/run.py" "$case" "${chosen[@]}" --threads "$threads" --rounds "${ROUNDS:-5}" --also "hgm=$worker bench/$case.hgm"
    echo "$case, $threads threads, beside the floors of docs/performance.md:"
    printf 'floors 3\nquit\n' | taskset -c "0-$((threads - 1))" "$worker" "bench/$case.hgm" | tail -n 2
  done
done
