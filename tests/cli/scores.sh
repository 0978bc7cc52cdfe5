# `score`: what a file must have is what the scores read, so drawn events of a weighted model can be scored; vectors that only `evaluate` looks at.
. "$ROOT/tests/cli/lib.bash"
cat > model.hgm <<'END'
data z {
  x = ["pt1", "pt2"] in GeV |> log |> standardize
  q: class of [-1, 1] = "Q1"
  weight = "iso1"^2 + 1
  where "iso2" < 100
}
net tag(x: z.x) -> real[2] = x |> mlp([8]) |> dense(2)
flow law(x) { base normal; affine_coupling(mlp([8])) }
train {
  update law, tag { minimize cross_entropy(tag(x), q) - log_prob(law, x); with adam(1e-3) }
  batch 100
  steps 10
}
generate { x ~ law }
score { p = softmax(tag(x)); said = p[1]; density = log_prob(law, physical(x)) }
evaluate { metrics confusion(p, q) }
END
expect_exit 0 "$HGMC" run model.hgm --train "$ROOT/examples/data/zmumu.csv" -o run
expect_text "confusion(p, q).-1 said of 1: "
expect_exit 0 "$HGMC" sample run -n 20 -o drawn.csv
expect_exit 0 "$HGMC" score run --data drawn.csv -o scores.csv
[ "$(head -n 1 scores.csv)" = said,density ] || fail "two columns, the numbers"
# digits FILE: the most significant digits that each column has; the net computes in float32, densities are float64
digits() { awk -F, 'FNR > 1 { for (k = 1; k <= 2; k++) { gsub(/e.*|[^0-9]/, "", $k); sub(/^0+/, "", $k); if (length($k) > n[k]) n[k] = length($k) } } END { print n[1] + 0, n[2] + 0 }' "$1"; }
read -r said density < <(digits scores.csv)
[ "$said" -gt 6 ] && [ "$said" -lt 10 ] && [ "$density" -gt 14 ] || fail "float32 in at most 9 digits, float64 in more, found $said and $density"
expect_exit 0 "$HGMC" score run --data drawn.csv --precision f64 -o double.csv
read -r said density < <(digits double.csv)
[ "$said" -gt 14 ] || fail "more digits in float64, found $said"
expect_exit 0 "$HGMC" build run -o sampler
expect_exit 0 ./sampler --score drawn.csv -o alone.csv
same_file scores.csv alone.csv
printf 'pt1,eta1\n20,1\n' > lacks.csv
expect_exit 1 "$HGMC" score run --data lacks.csv -o no.csv
expect_text "has no column \`pt2\`"
sed -i '/^evaluate/d; s/said = p.1.; //' model.hgm # nothing looks at the vector
expect_exit 1 "$HGMC" check model.hgm
expect_text "a score is one number per event, \`p\` is real[2]"
