#!/usr/bin/env bash
# Six derivatives of the VAE on the Z gamma events, each searched by `hgmc tune` with the same number of points and epochs a phase and the same
# pruning, all judged by ks + spearman on the validation split; of the best point what its evaluation of the test split says. One row a model.
# usage: bench/vae_table.sh HGMC [DATA.h5]   TRIALS=12 EPOCHS=36 THREADS=1 SEED=1, OUT=runs/vaes: the same command goes on where it stopped
set -eu
cd "$(dirname "$0")/.."
hgmc=$(realpath "$1") data=$(realpath "${2:-examples/data/zgamma.h5}") out=${OUT:-runs/vaes}
mkdir -p "$out/models"
cp examples/vae/*.hgm "$out/models/"
grep -q watch "$out/models/zgamma.hgm" || sed -i 's/^  patience 20/  watch ks + spearman/' "$out/models/zgamma.hgm" # a loss with beta in it is no judge of beta
printf '%-14s %8s %8s %8s %9s %9s %9s %8s  %s\n' model weights "KS mean" "KS worst" "W1 mean" "W1 worst" Spearman seconds "best point"
for model in zgamma vae_d vae_nf vae_nf_d copula_vae copula_vae_d; do
  began=$SECONDS
  "$hgmc" tune "$out/models/$model.hgm" --train "$data" --trials "${TRIALS:-12}" --epochs "${EPOCHS:-36}" --threads "${THREADS:-1}" --seed "${SEED:-1}" \
    --quiet -o "$out/$model" > "$out/$model.log"
  best=$(sed -nE 's/^best: trial [0-9]+, trained in (.*); again by$/\1/p' "$out/$model.log")
  weights=$("$hgmc" check "$out/models/$model.hgm" $(awk -F, 'NR == 1 { split($0, name) } NR == 2 { for (i = 4; i <= NF; i++) if ($i != "") printf "--set %s=%s ", name[i], $i }' "$out/$model/tune.csv") | grep -oE '[0-9]+ parameters' | cut -d' ' -f1)
  awk -F'": ' -v model="$model" -v weights="${weights:-?}" -v seconds=$((SECONDS - began)) -v best="$(awk -F, 'NR == 1 { split($0, name) } NR == 2 { for (i = 4; i <= NF; i++) printf "%s=%s ", name[i], $i }' "$best/../tune.csv")" '
    function number(s) { sub(/,.*/, "", s); return s + 0 }
    /"wasserstein"/ { w = number($2); sum += w; if (w > most) most = w; n++ }
    /"ks"/ { k = number($2); ks += k; if (k > worst) worst = k }
    /"spearman"/ && !rank { rank = number($2) }
    END { printf "%-14s %8s %8.4f %8.4f %9.4f %9.4f %9.4f %8d  %s\n", model, weights, ks / n, worst, sum / n, most, rank, seconds, best }' "$best/evaluation.json"
done
