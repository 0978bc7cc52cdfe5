# Convolutions, batch norm and spectral norm train; outside of training they use what they remember, so scores stand for themselves; the same bits for any threads.
. "$ROOT/tests/cli/lib.bash"
cat > image.hgm <<'HGM'
data events { x = "x{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}" }
net norm(x: events.x) -> (y: real[16]) = x |> batch_norm(momentum = 0.9)
net judge(x: events.x) -> (y: real) {
  y = sum(reshape(x, 4, 4, 1) |> conv2d(3, kernel = 3) |> leaky_relu(0.2) |> batch_norm |> locally_connected2d(2, kernel = 2)
        |> flatten |> spectral_norm_dense(3) |> dense(1))
}
train {
  update norm, judge {
    minimize (judge(norm(x)) - x[0])^2
    with adam(1e-3)
  }
  batch 128
  epochs 6
}
score { first = norm(x)[0]; last = norm(x)[15]; judged = judge(norm(x)) }
HGM
awk 'BEGIN { srand(3); for (i = 0; i < 16; i++) printf "x%d%s", i, i < 15 ? "," : "\n"
  for (k = 0; k < 2000; k++) for (i = 0; i < 16; i++) printf "%.6f%s", 7 + 3 * (rand() + rand() + rand() + rand() - 2) * sqrt(3), i < 15 ? "," : "\n" }' > data.csv
for n in 1 2; do expect_exit 0 $HGMC run image.hgm --train data.csv -o run$n --threads $n --seed 5; done
same_weights run1/model.h5 run2/model.h5
expect_exit 0 $HGMC score run1 --data data.csv -o all.csv --force
head -n 1001 data.csv > part_data.csv
expect_exit 0 $HGMC score run1 --data part_data.csv -o part.csv --force
head -n 1001 all.csv > a
same_file a part.csv
awk -F, 'NR > 1 { n++; for (i = 1; i <= 2; i++) { s[i] += $i; q[i] += $i * $i } }
  END { for (i = 1; i <= 2; i++) { m = s[i] / n; d = sqrt(q[i] / n - m * m); if (m < -0.2 || m > 0.2 || d < 0.85 || d > 1.15) { print "component", i, "has mean", m, "and spread", d; exit 1 } } }' all.csv || fail "batch norm does not use what it remembers"
# in `evaluate`, where a field without a preparation is what a net takes, a net says what it says in `score`
echo 'evaluate { metrics roc(judged, x[0] > 7), roc(judge(norm(x)), x[0] > 7) }' >> image.hgm
expect_exit 0 $HGMC run image.hgm --train data.csv -o run3 --seed 5 --quiet
expect_exit 0 $HGMC eval run3 --data data.csv
[ "$(sed -nE 's/^roc\(judge.*x\[0\] > 7\): //p' log | sort -u | wc -l)" = 1 ] && [ "$(grep -c '^roc(judge.*7): 0' log)" = 2 ] || fail "two equal areas: $(grep '^roc' log)"
