# Flows of all kinds in two dimensions, on lines and circles, with a mass at a point, trained a little: each density sums to 1, and drawn events lie where it says.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { srand(7); print "a,b,p,q"; for (k = 0; k < 6000; k++) { a = rand() + rand() + rand() - 1.5; b = 0.5 * (rand() + rand() + rand() - 1.5) + 0.7 * a * a
  q = 4 * a + 2 * b; printf "%.6f,%.6f,%.6f,%.6f\n", 1.6 * a, b / sqrt(1 + b * b / 2.25), 2 * a, atan2(sin(q), cos(q)) } }' > bow.csv
# 400,000 points spread by the additive recurrence of the plastic number: a grid along the axes would meet the steps of densities edge on
awk 'BEGIN { pi = atan2(0, -1); print "a,b,p,q"; for (i = 1; i <= 400000; i++) { u = 0.5 + i * 0.7548776662466927; v = 0.5 + i * 0.5698402909980532
  u -= int(u); v -= int(v); printf "%.8f,%.8f,%.8f,%.8f\n", -6 + 12 * u, -2.5 + 5 * v, pi * (2 * u - 1), pi * (2 * v - 1) } }' > points.csv
cat > flows.hgm << 'HGM'
data d {
  x = ["a", "b"] |> standardize
  r = "a" |> standardize
  phi = "{p,q}" in rad |> wrap
  turned = "q" in rad |> wrap
  split 0.9 / 0.1 / 0
}
net parts() -> (logits: real[4], mu: real[4, 2], width: real[4, 2]) {
  learn a: real[4] = 0
  learn m: real[4, 2] ~ normal(0, 1)[4, 2]
  learn s: real[4, 2] = 0
  logits = a
  mu = m
  width = exp(s)
}
flow affine_flow(x) { base normal; repeat 4 as i { affine_coupling(mlp([16]), flip = i % 2 == 1) } }
flow spline(x) { base normal; repeat 2 { spline_coupling(6, subnet = mlp([16])); linear_lu; reverse } }
flow bounded(x) { base normal; repeat 2 { spline_coupling(6, subnet = mlp([16]), most = 20); reverse } }
flow straight(x) { base normal; repeat 2 { linear_coupling(8, subnet = mlp([16])); reverse } }
flow cubic(x) { base normal; repeat 2 { cubic_coupling(6, subnet = mlp([16])); reverse } }
flow masked(x) { base normal; repeat 2 { maf([16]); batch_norm_flow; reverse } }
flow inverse_masked(x) { base normal; repeat 2 { iaf([16]); scale_shift; permute } }
flow learned(x) {
  q = parts()
  base mixture_law(q.logits, normal(q.mu, q.width))
  rotate
  spline_maf(4, widths = [16])
}
flow around(phi) { base uniform(-pi, pi); repeat 2 as i { spline_coupling(6, tail = pi, subnet = mlp([16]), flip = i % 2 == 1); turn } }
flow mixed(r, turned) { base normal; repeat 2 { spline_coupling(6, subnet = mlp([16])); turn; permute } }
flow box(x) { base uniform(-4, 4); repeat 2 { box_coupling(8, reach = 4, subnet = mlp([16])); reverse } }
train {
  update affine_flow, spline, bounded, straight, cubic, masked, inverse_masked, learned, box, around, mixed, parts {
    minimize -(log_prob(affine_flow, x) + log_prob(spline, x) + log_prob(bounded, x) + log_prob(straight, x) + log_prob(cubic, x) + log_prob(masked, x)
               + log_prob(inverse_masked, x) + log_prob(learned, x) + log_prob(box, x) + log_prob(around, phi) + log_prob(mixed, r, turned))
    with adam(2e-3), clip(20)
  }
  batch 256
  epochs 3
}
generate cubes { x ~ cubic }
generate normed { x ~ masked }
generate boxed { x ~ box }
score {
  affine_flow = log_prob(affine_flow, physical(x))
  spline = log_prob(spline, physical(x))
  bounded = log_prob(bounded, physical(x))
  straight = log_prob(straight, physical(x))
  cubic = log_prob(cubic, physical(x))
  masked = log_prob(masked, physical(x))
  inverse_masked = log_prob(inverse_masked, physical(x))
  learned = log_prob(learned, physical(x))
  box = log_prob(box, physical(x))
  around = log_prob(around, physical(phi))
  mixed = log_prob(mixed, physical(r), physical(turned))
}
HGM
expect_exit 0 $HGMC check --test flows.hgm
expect_exit 0 $HGMC run flows.hgm --train bow.csv --quiet -o run
expect_exit 0 $HGMC score run --data points.csv --quiet -o score.csv
sed -i 's/-inf/-1e9/g' score.csv # which not every awk reads as a number
cell=$(awk 'BEGIN { printf "%.12g", 12 * 5 / 400000 }')
awk -F, -v cell="$cell" 'BEGIN { turn = 2 * atan2(0, -1); wide["around"] = turn * turn / (12 * 5); wide["mixed"] = 12 * turn / (12 * 5) } # the plane is 12 by 5
  NR == 1 { for (k = 1; k <= NF; k++) { name[k] = $k; part[k] = cell * ($k in wide ? wide[$k] : 1) } next }
  { for (k = 1; k <= NF; k++) sum[k] += exp($k) * part[k] }
  END { for (k = 1; k in name; k++) { printf "%s %.6f\n", name[k], sum[k]; if (sum[k] < 0.999 || sum[k] > 1.001) bad = 1 } exit bad || k != 12 }' score.csv > sums ||
  fail "densities that sum to 1 within 0.001: $(tr '\n' ';' < sums)"
# ---- drawing agrees with the density: the mean of a function over draws is its sum under the density
for g in cubes:5 normed:6 boxed:9; do
  expect_exit 0 $HGMC sample run "${g%:*}" -n 20000 --quiet --force -o drawn.csv
  paste -d, <(sed 1d points.csv) <(sed 1d score.csv) | awk -F, -v cell="$cell" -v column="${g#*:}" '{ p = exp($(4 + column)) * cell; f = $1 * $2 + cos(3 * $1); s += p * f; q += p * f * f } END { print s, sqrt(q - s * s) / sqrt(20000) }' > wanted
  sed 1d drawn.csv | awk -F, '{ s += $1 * $2 + cos(3 * $1) } END { print s / NR }' > found
  paste -d' ' wanted found | awk '{ d = $1 - $3; if (d < 0) d = -d; exit !(d < 4.5 * $2 + 1e-3) }' || fail "${g%:*} to draw from its density: $(paste -d' ' wanted found)"
done
# ---- a column that is 0 for many events: the mass at 0 and the density above it sum to 1 together
awk 'BEGIN { srand(5); print "a,b"; for (k = 0; k < 6000; k++) { a = 1.5 * (rand() + rand() + rand() - 1.5); on = rand() < 1 / (1 + exp(-1 - a))
  printf "%.6f,%.6f\n", a, on ? exp(0.4 * a + 0.5 * (rand() + rand() + rand() - 1.5)) : 0 } }' > often_zero.csv
# 200,000 points on the line b = 0, then 200,000 where log b lies within -6..6
awk 'BEGIN { print "a,b"; for (i = 1; i <= 400000; i++) { u = 0.5 + i * 0.7548776662466927; v = 0.5 + i * 0.5698402909980532; u -= int(u); v -= int(v)
  printf "%.8f,%.8g\n", -6 + 12 * u, i <= 200000 ? 0 : exp(-6 + 12 * v) } }' > zeros.csv
cat > hurdle.hgm << 'HGM'
data d {
  a = "a" |> standardize
  b = "b" |> scale(2) |> hurdle(0)
  on = b.on
  size = b.size |> log |> standardize
  split 0.9 / 0.1 / 0
}
net present(a) -> real = a |> mlp([16]) |> dense(1)
flow where_it_is(a) { base normal; spline_coupling(6, subnet = mlp([16])); linear_lu }
flow how_much(size | a, on) { base normal; repeat 2 { spline_coupling(6, subnet = mlp([16])); scale_shift } }
train {
  update present, where_it_is, how_much {
    minimize -(log_prob(where_it_is, a) + log_prob(bernoulli(sigmoid(present(a))), on) + log_prob(how_much, size | a, on))
    with adam(2e-3), clip(20)
  }
  batch 256
  epochs 3
}
generate { a ~ where_it_is; on ~ bernoulli(sigmoid(present(a))); size ~ how_much | a, on }
score {
  log_p = log_prob(where_it_is, physical(a)) + log_prob(bernoulli(sigmoid(present(a))), on) + (if on == 1 then log_prob(how_much, physical(size) | a, on) else 0)
}
HGM
expect_exit 0 $HGMC run hurdle.hgm --train often_zero.csv --quiet -o hurdle
expect_exit 0 $HGMC score hurdle --data zeros.csv --quiet -o hurdle.csv
paste -d, zeros.csv hurdle.csv | awk -F, 'NR > 1 { p = exp($3) * 12 / 200000; if ($2 == 0) zero += p; else above += p * $2 * 12 }
  END { printf "%.6f at 0, %.6f above, together %.6f\n", zero, above, zero + above; exit !(zero + above > 0.999 && zero + above < 1.001 && zero > 0.2 && above > 0.5) }' > sums ||
  fail "a density with a mass at 0 that sums to 1 within 0.001: $(cat sums)"
