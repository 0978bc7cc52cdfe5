# Fields that are more than columns with a chain, from file to file: preparations of another block, four-vectors.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { print "px,py,pz,E"; for (i = 1; i <= 400; i++) { x = sin(i); y = cos(2 * i); z = i % 7; printf "%.5f,%.5f,%.5f,%.5f\n", x, y, z, sqrt(x * x + y * y + z * z + 9) } }' > a.csv
awk -F, -v OFS=, 'NR == 1 { print $4, $1, $2, $3; next } { print 10 * $4, 10 * $1, 10 * $2, 10 * $3 }' a.csv > b.csv

# b is ten times a, in another order of columns: prepared with the numbers of a it has ten times the spread
cat > translate.hgm <<'E1'
data one { a: p4 = "{px,py,pz,E}" in GeV |> scale(0.1); c = "E" in GeV |> standardize }
data two { b: one.a; d: one.c }
net shift(a: one.a) -> (b: two.b) { learn w: real[4] = 0; b = a + w }
train { update shift { minimize mse(shift(a), a) + mean(shift(a))^2; minimize sum(b)^2 * mean(shift(b))^2; with sgd(0) }
  batch 100
  steps 3 }
generate forth given a { b = shift(a) * 10 }
generate back given b { a = shift(b) / 10 }
evaluate { metrics wasserstein; assert wasserstein.worst < 1e-4 }
E1
expect_exit 0 "$HGMC" run translate.hgm --train one=a.csv --train two=b.csv -o run --quiet
h5dump -n run/model.h5 > log; expect_text "one.c.1.mean"; grep -q "two.d" log && fail "no statistics of the second block"
expect_exit 0 "$HGMC" sample run forth --given a.csv -o forth.csv
expect_exit 0 "$HGMC" sample run back --given b.csv -o backwards.csv
awk -F, 'NR == FNR { a[FNR] = $4; next } FNR > 1 && ($1 - 10 * a[FNR])^2 > 1e-6 { exit 1 }' a.csv <(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^E/) e = i } { print $e }' forth.csv) || fail "energies ten times as large"
# what is translated is compared with the other block, here the same events; in eval too
grep -q '"wasserstein"' run/evaluation.json || fail "metrics of translated events"
expect_exit 0 "$HGMC" eval run --data one=a.csv --data two=b.csv
expect_text "42 generated events against 42"
expect_exit 1 "$HGMC" eval run --data one=b.csv --data two=b.csv --quiet
expect_text "assert failed (line 9): wasserstein.worst < 1e-4"
expect_exit 2 "$HGMC" eval run --data two=b.csv
expect_text 'no file is named for the data `one`'
expect_exit 2 "$HGMC" run translate.hgm --train a.csv -o other --quiet
expect_text "say NAME=FILE for each"

# numbers of a field by the names of their columns: read, of a net, in physical units, and of what is generated
cat > named.hgm <<'E1'
data d { x: real[2, 2] = "{px,py,pz,E}" |> scale(0.1) }
net f(x: d.x) -> d.x = 2 * x
train { learnt = f(x).pz; update g { minimize (g(x) - learnt)^2; with sgd(0) }; batch 100; steps 1 }
net g(x: d.x) -> real = x |> flatten |> dense(1)
generate { x = [[1.0, 2.0], [3.0, 4.0]] }
score { read = x.pz - x[1, 0]; made = f(x).py - 2 * x[0, 1]; file = physical(x).E }
evaluate { assert abs(mean(batch(x.pz)) - 30) < 1e-4 }
E1
expect_exit 0 "$HGMC" run named.hgm --train a.csv -o named --quiet
expect_exit 0 "$HGMC" score named --data a.csv -o named.csv
awk -F, 'NR == FNR { e[FNR] = $4; next } FNR > 1 && ($1 != 0 || $2 != 0 || ($3 - e[FNR])^2 > 1e-8) { exit 1 }' a.csv named.csv || fail "columns by their names"

# a spike and its size, layers of cells: sampled, built and scored; the cells of a layer add up to its total
awk 'BEGIN { print "e,iso,a,b,c,d"; for (i = 1; i <= 600; i++) { t = i % 50 + 1; u = (i % 11) / 20; printf "%d,%.4f,%.4f,%.4f,%.4f,%.4f\n", t, i % 3 ? 0 : exp(sin(i)), t * u * 0.3, t * u * 0.7, t * 0.1, t * 0.2 } }' > cells.csv
cat > cells.hgm <<'E1'
data d {
  e      = "e" in MeV |> log |> standardize
  iso    = "iso" in GeV |> hurdle(0)
  on     = iso.on
  size   = iso.size |> log |> standardize
  shower = "{a,b,c,d}" / "e" |> segments([2, 2])
  total  = shower.total |> logit(1e-3) |> standardize
  share  = shower.share |> logit(1e-3) |> standardize
}
flow cells(total, share, size | e, on) { base normal; spline_coupling(4, subnet = mlp([8])) }
train { update cells { minimize -log_prob(cells, total, share, size | e, on); with adam(1e-3) }
  batch 100
  steps 20 }
generate given e { on ~ bernoulli(0.3); (total, share, size) ~ cells | e, on }
score { s = log_prob(cells, total, share, size | e, on) }
evaluate { observable response = sum(shower.total); observable quiet = if iso.on == 1 then 1 else 0; metrics ks }
E1
expect_exit 0 "$HGMC" run cells.hgm --train cells.csv -o cells --quiet
expect_exit 0 "$HGMC" sample cells --given cells.csv -o s1.csv --threads 1
expect_exit 0 "$HGMC" sample cells --given cells.csv -o s2.csv --threads 2
same_file s1.csv s2.csv
expect_exit 0 "$HGMC" build cells -o cells_sampler
expect_exit 0 ./cells_sampler --given cells.csv -n 600 -o s3.csv
same_file s1.csv s3.csv
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) { sub(/ .*/, "", $i); at[$i] = i } next }
  { off += $at["iso"] == 0; if ($at["a"] + $at["b"] > 1.000001 * $at["e"] || $at["a"] < 0) exit 1 } END { if (off < 340 || off > 480) exit 2 }' s1.csv || fail "totals within the energy, seven of ten sizes absent (exit $?)"
expect_exit 0 "$HGMC" score cells --data cells.csv -o t1.csv
expect_exit 0 ./cells_sampler --score cells.csv -o t2.csv
same_file t1.csv t2.csv
sed 's/given e { on ~ bernoulli(0.3); (total, share, size)/given e { on ~ bernoulli(0.3); (total, _, size)/' cells.hgm > half.hgm
expect_exit 1 "$HGMC" check half.hgm
expect_text "shower.share is not generated"

# matrices and tables as statistics: the sampler carries them; what is drawn lies between the least and the greatest value, and is as correlated
awk 'function u(step) { return i * step % 1 } # evenly in 0 to 1: rand() of some awks has another seed each time
  BEGIN { print "a,b,c,q"; for (i = 0; i < 3000; i++) { x = u(0.8191725) + u(0.6710436); y = u(0.5497005); printf "%.6f,%.6f,%.6f,%.6f\n", x, 3 * x + y, 2 - y, exp(3 * u(0.4503)) } }' > joint.csv
cat > joint.hgm <<'E1'
data d { x = ["a", "b", "c"] |> whiten; q = "q" |> quantile(100) |> probit }
flow f(x, q) { base normal; scale_shift }
train { update f { minimize -log_prob(f, x, q); with sgd(0) }
  batch 100
  steps 2 }
generate { (x, q) ~ f }
score { s = log_prob(normal, physical(x)); t = log_prob(normal, physical(q)) }
E1
expect_exit 0 "$HGMC" run joint.hgm --train joint.csv -o joint --quiet
expect_exit 0 "$HGMC" sample joint -n 20000 -o j1.csv
expect_exit 0 "$HGMC" build joint -o joint_sampler
expect_exit 0 ./joint_sampler -n 20000 -o j2.csv
same_file j1.csv j2.csv
awk -F, 'NR > 1 { for (i = 1; i < 5; i++) m[i] += $i; aa += $1 * $1; ab += $1 * $2; bb += $2 * $2; n++; if ($4 < 1 || $4 > 20.1) exit 1; low += $4 < 4.48 }
  END { a = aa / n - (m[1] / n)^2; b = bb / n - (m[2] / n)^2; ab = ab / n - m[1] * m[2] / n^2; r = ab / sqrt(a * b); if ((r - 0.974)^2 > 0.0001) exit 2; if ((low / n - 0.5)^2 > 0.0004) exit 3 }' j1.csv || fail "correlation 0.974, half below exp(1.5) (exit $?)"
# the density of what is uniform in the logarithm: 1 / (3 q), times what quantile does with it, comes out of the Jacobian
expect_exit 0 "$HGMC" score joint --data joint.csv -o js.csv
paste -d, joint.csv js.csv | awk -F, 'NR > 1 { d = $6 + log(3 * $4); n++; s += d; if (d > 1 || d < -1.5) bad++ } END { if (s / n > 0.05 || s / n < -0.05 || bad > n / 50) exit 1 }' || fail "densities of quantiles"

# values that a step does not take: how many, where, and what can be done; odd ones that are used all the same are said
awk 'BEGIN { print "a,b,n,phi,iso"; for (i = 0; i < 500; i++) printf "%g,%g,%g,%g,%g\n", i == 77 || i == 80 ? -1.5 : i + 1, i == 300 ? 1.2 : i / 500, i == 9 ? 3.5 : i % 4, i == 5 ? 4.1 : sin(i), i % 2 ? 0 : i == 40 ? -3 : 2 }' > bad.csv
expect_of_field() { # EXIT TEXT FIELD …
  local code=$1 text=$2; shift 2
  printf '%s\n' "data d { $*; split 1 }" 'net f(z: real[1]) -> real = z |> dense(1)' 'train { z ~ normal[1]; update f { minimize (f(z) - sum(flatten(x)))^2; with sgd(0) }' '  batch 100' '  steps 1 }' > bad.hgm
  rm -rf bad
  expect_exit "$code" "$HGMC" run bad.hgm --train bad.csv -o bad --quiet
  expect_text "$text"
}
expect_of_field 1 '`log` of `x` takes positive numbers, and 2 of 500 rows of bad.csv have others: the first is row 77 with -1.5' 'x = "a" |> log |> standardize'
expect_of_field 1 'the first is row 77 with -1.5' 'x = "a" |> log'
expect_of_field 1 '`logit` of `x` takes numbers from 0 to 1, and 1 of 500 rows of bad.csv have others: the first is row 300 with 1.2' 'x = "b" |> logit |> standardize'
expect_of_field 1 '`log` of `x` takes positive numbers, and 1 of 500 rows of bad.csv have others: the first is row 40 with -3' 'iso = "iso" |> hurdle(0); x = iso.size |> log |> standardize'
expect_of_field 0 'column `n` of bad.csv has 1 values that are no whole numbers, the first in row 9: 3.5' 'x = "n" |> dequantize |> standardize'
expect_of_field 0 'column `phi` of bad.csv has 1 values beyond half a turn, the first in row 5: 4.1; they are wrapped' 'x = "phi" in rad |> wrap |> standardize'

# a formula on the right of a formula: undone with what is given and with what is generated beside it, in training, of the command and of a sampler
awk 'BEGIN { print "a,b,c,d"; for (i = 0; i < 400; i++) printf "%.9g,%.9g,%.9g,%.9g\n", (2 + sin(i)) * sqrt((3 + cos(i))^2 + 4 * (i % 7 + 1)), 3 + cos(i), i % 7 + 1, 5 + sin(2 * i) }' > sides.csv
cat > sides.hgm <<'E1'
param two = 2
data events {
  c = "c" |> standardize
  r = { a = "a" / sqrt("b"^2 + two^2 * "c") |> log |> standardize, b = "b" |> log |> standardize }
  v = ["d"] - [two * "c"] |> standardize
  split 1
}
net make(z: real[3], c: real) -> events.r = concat(z, [c]) |> dense(4) |> tanh |> dense(2)
train { z ~ normal[3]
  fake = make(z, c)
  update make { minimize (physical(fake).a - physical(r).a)^2 + sse(fake, r); with adam(1e-2) }
  batch 100
  epochs 30 }
generate given c { z ~ normal[3]; r = make(z, c); v = 0.5 }
score { a = physical(r).a; ra = r.a }
E1
expect_exit 0 "$HGMC" run sides.hgm --train sides.csv -o sides --quiet
expect_exit 0 "$HGMC" score sides --data sides.csv -o known.csv
paste -d, sides.csv known.csv | awk -F, 'NR > 1 { if (($1 - $5)^2 > 1e-9 * $1 * $1) exit 1; x = log(2 + sin(NR - 2)); s += x; ss += x * x; sy += $6; sxy += x * $6; n++ }
  END { m = s / n; sd = sqrt(ss / n - m * m); if (sy / n > 1e-4 || sy / n < -1e-4 || (sxy / n / sd - 1)^2 > 1e-8) exit 2 }' || fail "forwards (exit $?)"
expect_exit 0 "$HGMC" sample sides --given sides.csv -n 400 -o made.csv --quiet
expect_exit 0 "$HGMC" build sides -o sides.sampler
expect_exit 0 ./sides.sampler --given sides.csv -n 400 -o own.csv --quiet; same_file made.csv own.csv
expect_exit 0 "$HGMC" sample sides --given sides.csv -n 400 -o made.h5 --quiet
expect_exit 0 "$HGMC" score sides --data made.h5 -o made_scores.csv
awk -F, 'NR == FNR { if (FNR == 1) for (i = 1; i <= NF; i++) at[$i] = i; else { a[FNR] = $at["a"]; d[FNR] = $at["d"] - 2 * $at["c"] } next }
  FNR > 1 { if (($1 - a[FNR])^2 > 1e-9 * a[FNR]^2 || (FNR > 2 && (d[FNR] - d[2])^2 > 1e-6)) exit 1; if ($2 > -5 && $2 < 5) n++ } END { if (n != 400) exit 2 }' made.csv made_scores.csv || fail "backwards (exit $?)"

data=$ROOT/../shared/data
[ -d "$data" ] || exit 0
# components in the order px py pz E, which an attribute names: masses come out right, and what is written has that order
cat > top.hgm <<'E1'
data events { x: p4[6] = "partons" in GeV |> scale(1 / 450); where mass(x[0] + x[1] + x[2]) > 160 GeV and mass(x[0] + x[1] + x[2]) < 186 GeV; split 0.1 / 0.1 / 0.1 }
net f(z: real[2]) -> events.x = z |> dense(24) |> reshape(6, 4)
train { z ~ normal[2]; update f { minimize mse(f(z), x); with adam(1e-3) }
  batch 100
  steps 5 }
generate same { z ~ normal[2]; x = [p4(e = 4, px = 1, py = 2, pz = 3) for _ in 0:6] }
E1
expect_exit 0 "$HGMC" run top.hgm --train "$data/ttbar.h5" -o top
cut=$(grep -o '[0-9]* cut by' log | cut -d' ' -f1)
[ "$cut" -gt 0 ] && [ "$cut" -lt 9000 ] || fail "most top quarks within 13 GeV of their mass, $cut of 90000 cut"
expect_exit 0 "$HGMC" sample top same -n 1 -o same.h5
h5dump -d partons same.h5 > log; expect_text "(0,0,0): 450, 900, 1350, 1800"
# the same file serves both groups
printf '%s\n' 'data base from "base" { x: p4[2] = "{em,ep}_{E,px,py,pz}" in GeV |> scale(0.01); split 0.1 / 0.1 }' 'data back from "background" { y: base.x; split 0.1 / 0.1 }' \
  'net f(x: base.x) -> real = x |> flatten |> dense(1)' 'train { update f { minimize f(x)^2; minimize f(y)^2; with adam(1e-3) }' '  batch 100' '  steps 3 }' 'generate { x = [p4(e = 4, px = 1, py = 2, pz = 3) for _ in 0:2] }' > groups.hgm
expect_exit 0 "$HGMC" run groups.hgm --train "$data/ee_subtraction.h5" -o groups --quiet

# groups of one file, one behind the other, and the class that says which
cat > which.hgm <<'E1'
data jets from "{qcd,t}" { x: real[4] = "jet_features" |> standardize; kind = group; split 0.5 / 0.2 / 0.3 }
net f(x: jets.x) -> real[2] = x |> dense(2)
train { update f { minimize cross_entropy(f(x), kind); with adam(1e-2) }
  batch 256
  epochs 1 }
score { k = if kind == 1 then 1 else 0; mass = physical(x)[2] }
generate { kind ~ categorical(2); x = [1.0, 2.0, 3.0, 4.0] }
E1
expect_exit 0 "$HGMC" run which.hgm --train "$data/anomaly.h5" -o which --quiet
expect_exit 0 "$HGMC" score which --data "$data/anomaly.h5" -o which.csv
awk -F, 'NR > 1 { n[$1]++; m[$1] += $2; if ((NR - 1 > 5000) != $1) exit 1 } END { if (n[0] != 5000 || n[1] != 5000 || m[1] / n[1] < 150 || m[1] / n[1] > 200) exit 2 }' which.csv || fail "5000 QCD jets, then 5000 top jets of about 173 GeV (exit $?)"
expect_exit 0 "$HGMC" sample which -n 20 -o which_drawn.csv
grep -q qcd which_drawn.csv && grep -q ',t$' which_drawn.csv || fail "groups by their names"
expect_exit 1 "$HGMC" run which.hgm --train "$data/ttbar.h5" -o other --quiet

# fractions of one whole: what is drawn never sums to more; a row that does is named
cat > fractions.hgm <<'E1'
data d { f = ["a", "b", "c"] |> fractions |> logit(1e-3) |> standardize }
flow p(f) { base normal; repeat 2 { linear_lu; affine_coupling(subnet = mlp([8])) } }
train { update p { minimize -log_prob(p, f); with adam(3e-3) }
  batch 100
  steps 20 }
generate { f ~ p }
score { l = log_prob(p, physical(f)) }
E1
awk 'BEGIN { print "a,b,c"; for (i = 1; i <= 800; i++) { a = (1 + sin(i)) / 2; b = (1 - a) * (1 + sin(2.3 * i)) / 2; c = i % 5 ? (1 - a - b) / 3 : 1 - a - b; printf "%.7f,%.7f,%.7f\n", a, b, (c > 0 ? c : 0) } }' > whole.csv
expect_exit 0 "$HGMC" run fractions.hgm --train whole.csv -o whole --quiet
expect_exit 0 "$HGMC" sample whole -n 3000 -o parts.csv
awk -F, 'FNR > 1 && ($1 < 0 || $2 < 0 || $3 < 0 || $1 + $2 + $3 > 1.000001) { exit 1 }' parts.csv || fail "fractions of one whole"
expect_exit 0 "$HGMC" score whole --data whole.csv -o density.csv
sed '500s/.*/0.7,0.2,0.3/' whole.csv > more.csv
expect_exit 1 "$HGMC" run fractions.hgm --train more.csv -o other --quiet
expect_text "takes numbers from 0 to 1 with a sum of at most 1"
expect_text "row 498 with 1.2"
