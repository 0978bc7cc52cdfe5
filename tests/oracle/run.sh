#!/usr/bin/env bash
# hgm beside PyTorch: every example in float64 and float32, compiled; `--evaluate`: the reference evaluator instead.
#   BUILD_DIR=build/release tests/oracle/run.sh [--evaluate] [model …]
set -eu
cd "$(dirname "$0")/../.."
. tests/oracle/python.sh
[ -n "$python" ] || { echo "no python with numpy and torch: make oracle installs them into .venv, HGM_PYTHON names another"; exit 77; }
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
how=; [ "${1:-}" = --evaluate ] && { how=--evaluate; shift; }
cases=(vae18:bench/vae18.hgm:- flow10:bench/flow10.hgm:- zgamma:examples/zgamma.hgm:examples/data/zgamma.h5
       zmumu:examples/zmumu.hgm:examples/data/zmumu.csv jets:examples/jets.hgm:examples/data/jets.h5)
pairs=()
for case in "${cases[@]}"; do
  IFS=: read -r name model data <<< "$case"
  [ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
  for precision in f64 f32; do
    "$BUILD_DIR/tests/oracle_dump" "$model" "$data" "$scratch/$name.$precision" --precision "$precision" $how
    pairs+=("$name=$scratch/$name.$precision")
  done
done
"$python" tests/oracle/compare.py "${pairs[@]}"
