#!/usr/bin/env bash
# The metrics of one model, without event weights, with positive ones and with ones of both signs, beside numpy and scipy: BUILD_DIR=build/release tests/oracle/metrics.sh
set -eu
. "$(dirname "$0")/begin.sh"
"$python" -c 'import h5py, scipy' 2> /dev/null || { echo "no scipy and h5py beside numpy: pip install them where $python looks"; exit 77; }
hgmc=$BUILD_DIR/hgmc
for weights in none positive signed; do
  folder=$scratch/$weights; mkdir "$folder"
  "$python" tests/oracle/metrics.py make "$folder" $weights
  model=$folder/metrics.hgm
  case $weights in
    none) sed '/weight = "w"/d' tests/oracle/metrics.hgm > "$model" ;;
    positive) cp tests/oracle/metrics.hgm "$model" ;;
    signed) sed -E 's/ (kernel_distance|sinkhorn|coverage\(4\)|nearest|modes\(.*\)),//g; s/, modes\(.*\)//' tests/oracle/metrics.hgm > "$model" ;; # the others refuse negative weights
  esac
  "$hgmc" run "$model" --train "$folder/train.h5" --valid "$folder/valid.h5" --test "$folder/test.h5" --precision f64 --quiet -o "$folder/run" > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
  "$hgmc" sample "$folder/run" --given "$folder/test.h5" -n 16800 -o "$folder/drawn.h5" --quiet
  "$hgmc" score "$folder/run" --data "$folder/test.h5" -o "$folder/true_scores.h5" --quiet
  "$hgmc" score "$folder/run" --data "$folder/drawn.h5" -o "$folder/drawn_scores.h5" --quiet
  "$python" tests/oracle/metrics.py compare "$folder" $weights "$folder/run/evaluation.json"
done
