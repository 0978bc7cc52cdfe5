# Laws of counts, waiting times, fractions and angles: moments of what is drawn, densities against numbers of mpmath 1.3 (30 digits).
. "$ROOT/tests/cli/lib.bash"
printf 'x\n%s\n' "$(seq 0 99)" > x.csv
{ begins_with x; cat << 'HGM'; } > laws.hgm
generate {
  x ~ normal
  rare ~ poisson(0.3)
  some ~ poisson(7)
  more ~ poisson(25)
  many ~ poisson(400)
  wait ~ exponential_law(2)
  high ~ beta_law(17, 1)
  both ~ beta_law(0.3, 0.4)
  flat ~ von_mises(1, 0.005)
  wide ~ von_mises(1, 0.5)
  near ~ von_mises(1, 4)
  tight ~ von_mises(1, 200)
  point ~ von_mises(1, 50_000)
}
score {
  rare = log_prob(poisson(0.3), 0)
  some = log_prob(poisson(7), 11)
  many = log_prob(poisson(400), 385)
  wait = log_prob(exponential_law(2), 0.7)
  high = log_prob(beta_law(17, 1), 0.9)
  both = log_prob(beta_law(0.3, 0.4), 0.05)
  wide = log_prob(von_mises(1, 0.5), -2)
  near = log_prob(von_mises(0, 4), 0.3)
  tight = log_prob(von_mises(0, 200), 0.1)
}
HGM
expect_exit 0 $HGMC run laws.hgm --train x.csv --precision f64 --quiet -o run64
expect_exit 0 $HGMC score run64 --data x.csv --quiet -o score.csv
[ "$(sed -n 1p score.csv)" = "rare,some,many,wait,high,both,wide,near,tight" ] || fail "nine densities"
echo "-0.3,-3.0972962062654395,-4.1806097147402003,-0.7068528194400546,1.1474450935309957,0.4961800021321311,-2.3944230338950495,-0.4415039054223807,0.73042663497233789" > wanted
sed -n 2p score.csv | paste -d, - wanted |
  awk -F, '{ for (k = 1; k <= 9; k++) { d = $k - $(k + 9); if (d < 0) d = -d; if (d > 1e-12) bad = 1 } } END { exit bad }' || fail "densities in double to 1e-12: $(sed -n 2p score.csv)"

# ---- first and second moments within 4.5 standard errors; of angles those of the cosine of the distance, A = I1(k) / I0(k) and 1 - A / k
cat > moments << 'TABLE'
rare 0.3 0.39
some 7 56
more 25 650
many 400 160400
wait 0.5 0.5
high 0.944444444444 0.894736842105
both 0.428571428571 0.327731092437
flat 0.00249999218753 0.500001562
wide 0.242499612581 0.515000774838
near 0.863522611025 0.784119347244
tight 0.997496859252 0.995012515704
point 0.99998999995 0.99998000010
TABLE
expect_exit 0 $HGMC run laws.hgm --train x.csv --quiet -o run32
for run in run32 run64; do
  precision=f32; [ $run = run64 ] && precision=f64
  expect_exit 0 $HGMC sample $run --precision $precision -n 100000 --quiet --force -o drawn.csv
  awk 'NR == FNR { first[$1] = $2; second[$1] = $3; next }
    FNR == 1 { n = split($0, name, ","); next }
    { split($0, v, ","); for (k = 1; k <= n; k++) { x = k > 8 ? cos(v[k] - 1) : v[k]; y = x * x; a[k] += x; b[k] += y; c[k] += y * y } }
    END { N = FNR - 1
      for (k = 1; k <= n; k++) if (name[k] in first) { seen++; m = a[k] / N; q = b[k] / N
        p = (m - first[name[k]]) / sqrt((q - m * m) / N); r = (q - second[name[k]]) / sqrt((c[k] / N - q * q) / N)
        printf "%s %.2f %.2f\n", name[k], p, r
        if (p * p > 20 || r * r > 20) bad = 1 }
      exit bad || seen != 12 }' moments drawn.csv > pulls || fail "moments of $run: $(tr '\n' ';' < pulls)"
done

# ---- threads and shards change nothing, also in a sampler
expect_exit 0 $HGMC sample run32 -n 3000 --threads 1 --quiet -o one.csv
expect_exit 0 $HGMC build run32 --target native --quiet -o sim
expect_exit 0 ./sim -n 1000 --first-event 2000 -o shard.csv
sed 1d shard.csv > tail; tail -n 1000 one.csv | cmp -s - tail || fail "events 2000.. of the sampler to be those of the whole"
for law in 'poisson(-1)' 'exponential_law(0)' 'beta_law(1, 0)' 'von_mises(0, -2)'; do
  sed "s/rare ~ .*/rare ~ $law/" laws.hgm > wrong.hgm
  expect_exit 1 $HGMC check wrong.hgm; expect_text "is positive, this is"
done

# ---- the digits of a `bits` field drawn by a Bernoulli law: yes and no are the numbers 1 and 0, and its likelihood is that of the digits
cat > digits.hgm << 'HGM'
data d { x = "x" |> bits(3); split 1 / 0 / 0 }
net f(x: d.x) -> real[3] = x |> dense(3)
train { update f { minimize -log_prob(bernoulli(sigmoid(f(x))), x); with adam(1e-3) }; batch 32; epochs 1 }
generate { x ~ bernoulli([1.0, 0.0, 1.0]) }
score { log_p = log_prob(bernoulli([0.5, 0.25, 0.125]), x) }
HGM
expect_exit 0 $HGMC run digits.hgm --train x.csv --quiet -o digits
expect_exit 0 $HGMC sample digits -n 5 --quiet -o digits.csv
[ "$(sort -u digits.csv | tr '\n' ' ')" = "68.0625 x " ] || fail "the middle of the sixth of eight intervals, 99 * 5.5 / 8: $(sort -u digits.csv | tr '\n' ' ')"
expect_exit 0 $HGMC score digits --data x.csv --quiet -o digits.csv --force
for row in "2 0.5 0.75 0.875" "101 0.5 0.25 0.125"; do # 0 is 000, 99 is 111
  set -- $row; sed -n "$1p" digits.csv | awk "{ d = \$1 - log($2 * $3 * $4); exit !(d < 1e-6 && d > -1e-6) }" || fail "log $2 $3 $4 in line $1: $(sed -n "$1p" digits.csv)"
done
