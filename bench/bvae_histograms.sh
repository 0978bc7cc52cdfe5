#!/usr/bin/env bash
# The 27 histograms of 1901.00875 (22 columns and 5 invariant masses; 25 bins, energies, momenta and masses in the logarithm), events of the
# B-VAE and of plain VAEs with the same networks against events that neither has seen: chi2 = sum (p - q)^2 / (p + q), and how many of
# the 27 the B-VAE wins by more than the bootstrap's error of the difference.
# usage: bench/bvae_histograms.sh HGMC DATA.h5   SHARE=1/40 of the recipe's 1320 epochs, PLAIN="0.5 1e-3 1e-6" (b of the plain VAEs),
# GAMMA=0.05 (widening of the buffer), BOOTSTRAPS=200, SEED=1, THREADS=1, OUT=runs/bvae: trainings that are there are not
# repeated, and one that was cut off goes on
set -eu
cd "$(dirname "$0")/.."
hgmc=$(realpath "$1") data=$(realpath "$2") out=${OUT:-runs/bvae} share=${SHARE:-1/40}
mkdir -p "$out"
long=$(awk "BEGIN { e = int(240 * $share + 0.5); print e < 1 ? 1 : e }") short=$(awk "BEGIN { e = int(120 * $share + 0.5); print e < 1 ? 1 : e }")
names=MET,MET_phi$(for o in jet1 jet2 jet3 jet4 lep1 lep2; do printf ',%s' ${o}_{E,pt,eta,phi}; done)

# ---- 7 of 10 events to train and validate on, 3 of 10 to compare with
if [ ! -e "$out/truth.csv" ]; then
  h5dump -d events -w 0 -y -o "$out/events.txt" "$data" > /dev/null
  awk -F', *' -v names="$names" -v train="$out/train.csv" -v truth="$out/truth.csv" 'BEGIN { print names > train; print names > truth; OFS = "," }
    { gsub(/^ +|[, ]+$/, "") } NF >= 26 && $16 > 0 { $1 = $1; print > (n++ % 10 < 7 ? train : truth) }' "$out/events.txt"
  rm "$out/events.txt"
fi
events=$(($(wc -l < "$out/truth.csv") - 1))

# ---- one training a value of b; the recipe's own is drawn from its buffer
train() { # B
  [ -e "$out/b_$1/evaluation.json" ] || "$hgmc" run bench/bvae_histograms.hgm --train "$out/train.csv" --set b="$1" --set epochs_adam="$long" \
    --set epochs_sgd="$short" --set gamma="${GAMMA:-0.05}" --seed "${SEED:-1}" --threads "${THREADS:-1}" $([ ! -d "$out/b_$1" ] || echo --resume) -o "$out/b_$1" > "$out/b_$1.log" 2>&1
}
draw() { "$hgmc" sample "$out/b_$1" "${@:3}" -n "$events" --quiet --force -o "$out/$2.csv"; } # B FILE GENERATE …
echo "$((4 * long + 3 * short)) epochs of $((($(wc -l < "$out/train.csv") - 1) / 2)) events; $events events in each histogram"
train 1e-6; draw 1e-6 bvae
for b in ${PLAIN:-0.5 1e-3 1e-6}; do train "$b"; draw "$b" "plain_$b" prior; done

# ---- the histograms, and what changes when events are drawn again with replacement (each bin's count is Poisson's)
for b in ${PLAIN:-0.5 1e-3 1e-6}; do
  echo; echo "plain VAE: b = $b, drawn from its prior"
  awk -F, -v boots="${BOOTSTRAPS:-200}" -v seed="${SEED:-1}" '
    function bin(x, low, high, logarithm,   t) {
      if (logarithm) { if (x <= low) return 0; t = log(x / low) / log(high / low) } else t = (x - low) / (high - low)
      t = int(25 * t)
      return t < 0 ? 0 : t > 24 ? 24 : t
    }
    function poisson(mean,   limit, p, k) {
      if (mean > 50) { k = int(mean + sqrt(mean) * sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand()) + 0.5); return k < 0 ? 0 : k }
      limit = exp(-mean); p = rand()
      for (k = 0; p > limit; k++) p *= rand()
      return k
    }
    function chi2(h, a, b,   i, p, q, sum) {
      for (i = 0; i < 25; i++) { p = a[h, i] / total[1]; q = b[h, i] / total[1]; if (p + q > 0) sum += (p - q)^2 / (p + q) }
      return sum
    }
    function again(from, to, h,   i) { for (i = 0; i < 25; i++) to[h, i] = poisson(from[h, i] + 0) }
    BEGIN {
      srand(seed)
      label[1] = "MET"; low[1] = 0.1; label[2] = "MET_phi"
      for (o = 0; o < 5; o++) for (k = 0; k < 4; k++) {
        c = 3 + 4 * o + k; lepton = o == 4
        label[c] = (lepton ? "lep1" : "jet" (o + 1)) "_" substr("E  pt eta phi", 1 + (k == 0 ? 0 : k == 1 ? 3 : k == 2 ? 6 : 10), k < 2 ? 2 : 3)
        if (k < 2) low[c] = lepton ? 10 : 20
        else { low[c] = k == 3 ? -3.14159265 : lepton ? -2.5 : -5; high[c] = -low[c] }
      }
      low[2] = -3.14159265; high[2] = 3.14159265
      split("m_2j m_3j m_4j m_4j1l m_4j2l", mass, " ")
      for (m = 1; m <= 5; m++) { label[22 + m] = mass[m]; low[22 + m] = 10 }
      for (c = 1; c <= 27; c++) if (!(c in high)) { high[c] = c > 22 ? 10000 : 7000; logarithm[c] = 1 }
    }
    FNR == 1 { file++; next }
    {
      total[file]++
      e = x = y = z = 0
      for (c = 1; c <= 22; c++) n[c] = $c
      for (o = 0; o < 6; o++) {
        c = 3 + 4 * o; e += $c; x += $(c + 1) * cos($(c + 3)); y += $(c + 1) * sin($(c + 3)); z += $(c + 1) * (exp($(c + 2)) - exp(-$(c + 2))) / 2
        if (o > 0) { square = e * e - x * x - y * y - z * z; n[22 + o] = square > 0 ? sqrt(square) : 0 }
      }
      for (c = 1; c <= 27; c++) { i = bin(n[c], low[c], high[c], logarithm[c]); if (file == 1) t[c, i]++; else if (file == 2) v[c, i]++; else w[c, i]++ }
    }
    END {
      printf "%-10s %10s %10s %10s   error %s\n", "", "B-VAE", "plain", "plain less", "of the difference"
      for (c = 1; c <= 27; c++) {
        ours = chi2(c, t, v); theirs = chi2(c, t, w); s = ss = 0
        for (k = 0; k < boots; k++) { again(t, t2, c); again(v, v2, c); again(w, w2, c); d = chi2(c, t2, w2) - chi2(c, t2, v2); s += d; ss += d * d }
        error = sqrt(ss / boots - (s / boots)^2); d = theirs - ours
        word = d > 2 * error ? "better by 2 errors" : d > error ? "better" : d >= -error ? "even" : "WORSE"
        one += d > error; two += d > 2 * error; worse += d < -error
        printf "%-10s %10.5f %10.5f %10.5f   %.5f  %s\n", label[c], ours, theirs, d, error, word
      }
      printf "better beyond the error: %d of 27 (beyond two: %d), worse: %d; asked: 24\n", one, two, worse
    }' "$out/truth.csv" "$out/bvae.csv" "$out/plain_$b.csv"
done
