# A law with 30 % negative weights is learnt as well as its twin without weights that tells as much: N events of weights w are worth (sum w)^2 / sum w^2
# of equal weight (Kish 1965), with 30 % of -1 among +1 that is 0.16 N. Compared are distances W1 to the law, mean over columns and over samples of both.
. "$ROOT/tests/cli/lib.bash"
samples=14 twin=4000
[ -n "${HGM_LONG:-}" ] && samples=16 twin=16000
# sample SEED N SHARE: of the law p with the weight 1, and of another with both signs, 1 - SHARE of the events, whose sum is nothing. Park and Miller's numbers.
sample() {
  awk -v state="$1" -v n="$2" -v share="$3" 'function uniform() { state = state * 16807 % 2147483647; return state / 2147483647 }
  function normal() { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()) }
  BEGIN { print "a,b,w"; for (i = 0; i < 20; i++) uniform()
    for (i = 0; i < n; i++) { u = uniform(); x = normal(); y = normal()
      if (u < share) printf "%.6f,%.6f,1\n", x, 0.7 * sin(2 * x) + 0.4 * y
      else printf "%.6f,%.6f,%d\n", 0.8 * x + 0.2, 0.6 * y + 0.2, u < (1 + share) / 2 ? 1 : -1 } }'
}
cat > law.hgm << 'HGM'
data d {
  x = ["a", "b"] |> standardize
  weight = "w"
  split 1 / 0 / 0
}
flow density(x) { base normal; repeat 4 as i { spline_coupling(8, tail = 4, subnet = mlp([32, 32]), flip = i % 2 == 1) } }
train {
  update density { minimize -log_prob(density, x); with adam(cosine(2e-3)), clip(5) }
  batch 256
  epochs 20
}
generate { x ~ density }
evaluate {
  observable residue = x[1] - 0.7 * sin(2 * x[0])
  observable product = x[0] * x[1]
  events 100_000
  metrics wasserstein
}
HGM
sample 1 100000 1 > truth.csv
# learn KIND N SHARE: the distances of all samples into a file, one a line, and what the samples are worth into another
learn() {
  for k in $(seq "$samples"); do
    sample "$k$2" "$2" "$3" > "$1.csv"
    expect_exit 0 "$HGMC" run law.hgm --train "$1.csv" --test truth.csv -o "run_$1" --seed "$k" --threads 1 --force
    grep -oE 'worth [0-9]+ of equal weight' log | head -n 1 | cut -d' ' -f2 >> "worth_$1"
    awk -F: '/"wasserstein":/ { sum += $2; n++ } END { print sum / n }' "run_$1/evaluation.json" >> "w1_$1"
  done
}
mean() { awk '{ sum += $1 } END { print sum / NR }' "$1"; }
learn twin "$twin" 1
learn signed "$((twin * 25 / 4))" 0.4
awk -v found="$(mean worth_signed)" -v wanted="$twin" 'BEGIN { exit !(found > 0.95 * wanted && found < 1.05 * wanted) }' || fail "about $twin events' worth, found $(mean worth_signed)"
echo "W1 signed $(mean w1_signed), twin $(mean w1_twin) of $samples samples"
awk -v signed="$(mean w1_signed)" -v twin="$(mean w1_twin)" 'BEGIN { exit !(signed > 0 && twin < 0.05 && signed <= 1.2 * twin) }' ||
  fail "W1 of the signed law at most 1.2 times its twin's: $(mean w1_signed) and $(mean w1_twin)"
