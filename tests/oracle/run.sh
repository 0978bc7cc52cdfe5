#!/usr/bin/env bash
# hgm beside PyTorch: every example in float64, and in float32 with seven neighbours of its weights, compiled; `--evaluate`: the reference evaluator instead.
#   BUILD_DIR=build/release tests/oracle/run.sh [--evaluate] [model …]      HGM_LONG=1: an image model too
set -eu
. "$(dirname "$0")/begin.sh"
how=; [ "${1:-}" = --evaluate ] && { how=--evaluate; shift; }
cases=(image:tests/oracle/image.hgm:- vae18:bench/vae18.hgm:- flow10:bench/flow10.hgm:- zgamma:examples/vae/zgamma.hgm:examples/data/zgamma.h5
       zmumu:examples/flows/zmumu.hgm:examples/data/zmumu.csv wgan_gp:examples/gan/wgan_gp.hgm:examples/data/jets.h5
       jets:examples/flows/jets.hgm:examples/data/jets.h5 "unrolled:examples/gan/unrolled_gan.hgm:-:--set k=2 --events 64")
[ -n "${HGM_LONG:-}" ] && cases+=("lagan:examples/images/lagan.hgm:-:--events 32") # 1.4 million weights
pairs=()
for case in "${cases[@]}"; do
  IFS=: read -r name model data options <<< "$case"
  [ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
  "$BUILD_DIR/tests/oracle_dump" "$model" "$data" "$scratch/$name.f64" --precision f64 $options $how
  pairs+=("$name=$scratch/$name.f64")
  list=
  for neighbour in 1 2 3 4 5 6 7; do
    "$BUILD_DIR/tests/oracle_dump" "$model" "$data" "$scratch/$name.f32.$neighbour" --precision f32 --nudge $neighbour $options $how
    list+=${list:+,}$scratch/$name.f32.$neighbour
  done
  pairs+=("$name=$list")
done
"$python" tests/oracle/compare.py "${pairs[@]}"
