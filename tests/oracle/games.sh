#!/usr/bin/env bash
# Losses of the example games beside PyTorch, with first and second derivatives, in float64: every update of each, on random events.
#   BUILD_DIR=build/release tests/oracle/games.sh [NAME …]      HGM_LONG=1: in float32 too, and of images (four events, up to 5 million weights)
set -eu
. "$(dirname "$0")/begin.sh"
cases=("dirac:gan/dirac_gan" "gan:gan/gan" "least_squares:gan/gan --set game=least_squares" "roth:gan/regularised_gan" "r1:gan/regularised_gan --set penalty=r1_term"
       "r2:gan/regularised_gan --set penalty=r2_term" "conditional:gan/conditional_gan" "bits:gan/bit_gan" "wgan_gp:gan/wgan_gp --set width=32"
       "unrolled:gan/unrolled_gan" "cyclegan:gan/cyclegan" "subtraction:gan/subtraction" "eventgan:gan/eventgan --set width=64 --set depth=3"
       "particlenet:clouds/particlenet" "epicgan:clouds/epicgan --set width=16" "image_classifier:images/image_classifier")
images=(fcgan dcgan lagan hybridgan)
[ -n "${HGM_LONG:-}" ] && cases+=("wgan:gan/wgan" "wgan_gp_toys:gan/wgan_gp_toys" "subtraction_ee:gan/subtraction_ee" "calogan:calorimeter/calogan --set latent=8")
[ -n "${HGM_LONG:-}" ] && for name in "${images[@]}"; do cases+=("$name:images/$name"); done
[ -n "${HGM_LONG:-}" ] && cases+=("lagan_published:images/lagan --set faint=0")
failed=0 pairs=()
compare() {
  [ ${#pairs[@]} -eq 0 ] || "$python" tests/oracle/games.py "${pairs[@]}" || failed=1
  rm -f "$scratch"/*
  pairs=()
}
for case in "${cases[@]}"; do
  IFS=: read -r name model <<< "$case"
  [ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
  read -r model options <<< "$model"
  events=24; [[ $model = images/* || $model = calorimeter/* ]] && events=4 && compare # up to 160 MB an update
  for precision in f64 ${HGM_LONG:+f32}; do
    [ $name.$precision = lagan.f32 ] && continue # a slope of 50 at an empty pixel: docs/numerics.md
    "$BUILD_DIR/tests/oracle_dump" "examples/$model.hgm" - "$scratch/$name.$precision" --precision $precision --games $options --events $events
  done
  for file in "$scratch/$name".*; do pairs+=("${file##*/}=$file"); done
done
compare
exit $failed
