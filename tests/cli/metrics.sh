# Every metric in run, eval, JSON and report: a generator that is exactly the truth's law lies beside truth against truth, one that is
# shifted does not; the same numbers twice; metrics of a model without `generate`; a metric as what `watch` looks at.
. "$ROOT/tests/cli/lib.bash"
cat > exact.hgm <<'END'
param start = 0.0
data d {
  c ~ normal
  kind ~ categorical(2)
  x ~ normal([c, 0.5 * kind], 1)
}
net offset() -> (o: real[2]) { learn o: real[2] = start }
flow density(x | c) { base normal; scale_shift }
train {
  update offset { minimize 1e-12 * sum(offset()^2); with sgd(1e-6) }
  update density { minimize -log_prob(density, x | c); with adam(1e-2) }
  batch 100
  steps 20
}
generate given c, kind { x ~ normal([c, 0.5 * kind] + offset(), 1) }
score { height = sum(x) - c }
evaluate {
  observable total = x[0] + x[1] over -5..5
  events 1000
  metrics chi2(20), js, sigma_sd(kind), covariance, frechet, kernel_distance, sinkhorn, coverage, classifier,
    roc(height, kind == 1), confusion(sigmoid(height), kind), profile(total, c), calibration(x, draws = 10),
    nll(density), inversion(density), holes(x[0], x[1], bins = 20), modes(c, radius = 0.2)
  assert abs(mean(batch(x[1])) - 0.25) < 0.2
  assert classifier < 0.6 and chi2(20).worst < 0.1 and calibration(x, draws = 10).worst < 0.12
  assert roc(height, kind == 1).rejection(0.7) > 1 and max(ks, 0.1) < 0.2
}
END
expect_exit 0 "$HGMC" run exact.hgm -o exact
grep -qE "^classifier: 0\.(4[4-9]|5[0-5])" log || fail "a classifier that cannot tell them apart"
expect_text "roc(height, kind == 1).rejection(0.7)"
expect_exit 0 "$HGMC" run exact.hgm -o again --quiet
sed -E '/events_per_second/d' exact/evaluation.json > a; sed -E '/events_per_second/d' again/evaluation.json > b
same_file a b
grep -q '"calibration(x, draws = 10)"' exact/evaluation.json || fail "the calibration in evaluation.json"
grep -q '<svg.*roc(height, kind == 1)' exact/report.html || fail "a picture of the ROC curve in the report"
[ "$(grep -c '<circle' exact/report.html)" -ge 1 ] || fail "points with error bars in the report"

# what is always 0 on both sides differs by the rounding of sums: not red
awk 'BEGIN { srand(1); print "a,e"; for (i = 0; i < 2500; i++) print rand() ",0" }' > empty.csv
cat > empty.hgm << 'END'
data d { a: real = "a"; e: real = "e"; split 0.5 / 0.2 / 0.3 }
net f(z: real[1]) -> real[1] = z |> dense(1)
train { update f { z ~ normal[1]; minimize mse(f(z), [a]); with adam(1e-3) }; batch 50; steps 5 }
generate { z ~ normal[1]; a = f(z)[0]; e = 0 }
evaluate { metrics ks; events 500 }
END
expect_exit 0 "$HGMC" run empty.hgm --train empty.csv -o empty
grep -qE "<tr><td>a<td class='n far'" empty/report.html || fail "a column that differs in red"
! grep "<tr><td>e<" empty/report.html | grep -q far || fail "a column without a difference, not in red"
expect_exit 1 "$HGMC" run exact.hgm -o shifted --set start=1.0 --quiet
expect_text "assert failed (line 23): abs(mean(batch(x[1])) - 0.25) < 0.2"
expect_text "assert failed (line 24): classifier < 0.6"

expect_exit 0 "$HGMC" eval exact --quiet # the truth is drawn here too
expect_exit 1 "$HGMC" eval exact --data exact/metrics.csv
expect_text 'the model draws its data `d`, so no file is compared with'

cat > look.hgm <<'END'
data d { a = "a" |> standardize; kind: class[2] = "kind"; split 0.5 / 0.2 / 0.3 }
net judge(a: d.a) -> real = a |> mlp([8]) |> dense(1)
train { update judge { minimize bce(judge(a), kind); with adam(1e-2) }
  batch 100
  epochs 3
  watch 1 - roc(p, kind == 1).auc }
score { p = sigmoid(judge(a)) }
evaluate { metrics roc(p, kind == 1), confusion(p, kind); assert roc(p, kind == 1).auc > 0.6 and parameters < 100 }
END
awk 'BEGIN { srand(3); OFS = ","; print "a,kind,w"; for (i = 0; i < 4000; i++) { k = rand() < 0.4; print k + 1.5 * (rand() + rand() - 1), k, 1 - 2 * (rand() < 0.1) } }' > look.csv
expect_exit 0 "$HGMC" run look.hgm --train look.csv -o look
expect_text "watched 0."
expect_text "nothing is generated, so metrics look at the truth alone"
expect_exit 0 "$HGMC" eval look --data look.csv --json -
expect_text '"roc(p, kind == 1)"'
sed -i 's/metrics roc/metrics classifier, roc/' look.hgm
expect_exit 1 "$HGMC" run look.hgm --train look.csv -o no --quiet
expect_text "classifier compares generated events, and there is no"
sed -i 's/metrics classifier, roc/metrics profile(p, a), roc/; s/ and parameters/ and profile(p, a) < 1 and parameters/' look.hgm
expect_exit 1 "$HGMC" run look.hgm --train look.csv -o no --force
expect_text "profile(p, a): not compared  (0."
expect_text "no generated events have all of these columns: the picture shows the truth"
expect_text "assert cannot be computed (line 8): roc(p, kind == 1).auc > 0.6 and profile(p, a) < 1 and parameters < 100: no generated events have all columns of \`profile(p, a)\` to compare"

cat > signed.hgm <<'END'
data d { a = "a" |> standardize; weight = "w" }
net g(z: real) -> d.a = z |> mlp([8]) |> dense(1)
train { z ~ normal; update g { minimize (g(z) - a)^2; with adam(1e-2) }
  batch 100
  epochs 1 }
generate { z ~ normal; a = g(z) }
evaluate { metrics frechet, js, classifier, sinkhorn }
END
expect_exit 1 "$HGMC" run signed.hgm --train look.csv -o signed --quiet
expect_text "negative weights" # transport has no meaning with them; the others have
sed -i 's/, sinkhorn//' signed.hgm
expect_exit 0 "$HGMC" run signed.hgm --train look.csv -o signed --force
expect_text "classifier: "

# budgets: the sampler is the one that `build` makes, the seconds are those of all epochs, also where `eval` asks
cat > budget.hgm <<'END'
param most = 9000000
data d { x = "x" |> standardize }
flow f(x) { base normal; scale_shift }
train { update f { minimize -log_prob(f, x); with adam(1e-2) }
  batch 100
  steps 200 }
generate { x ~ f }
evaluate { metrics ks; events 100; assert sampler_bytes < most; assert training_time > 1e-6 }
END
printf 'x\n%s\n' "$(seq 0.001 0.01 3)" > x.csv
expect_exit 0 "$HGMC" run budget.hgm --train x.csv -o budget --quiet
expect_exit 0 "$HGMC" build budget -o sampler
size=$(stat -c %s sampler)
expect_exit 0 "$HGMC" run budget.hgm --train x.csv -o budget_above --set most=$((size + 1000)) --quiet
expect_exit 1 "$HGMC" run budget.hgm --train x.csv -o budget_below --set most=$((size - 1000)) --quiet
expect_text "assert failed (line 8): sampler_bytes < most"
expect_exit 0 "$HGMC" eval budget --data x.csv
sed -i '2,$d' budget/metrics.csv # a course without epochs
expect_exit 1 "$HGMC" eval budget --data x.csv
expect_text "assert failed (line 8): training_time > 1e-6"

# an array of many numbers has two lines, one of few a line each
cat > array.hgm <<'END'
data d { x ~ normal[40]; y ~ normal[3] }
flow f(x) { base normal; scale_shift }
train { update f { minimize -log_prob(f, x); with adam(1e-2) }
  batch 100
  steps 5 }
generate { x ~ f; y ~ normal[3] }
evaluate { metrics ks; events 100 }
END
expect_exit 0 "$HGMC" run array.hgm -o array
expect_text "mean of 40 numbers"
[ "$(grep -cE '^x(\[[0-9]+\])? ' log)" -eq 2 ] && [ "$(grep -cE '^y\[[0-2]\] ' log)" -eq 3 ] || fail "lines of the arrays"
[ "$(grep -cE '"x\[[0-9]+\]": ' array/evaluation.json)" -eq 40 ] || fail "every number in evaluation.json"
# in a file that was not trained on there is no event of the training to be near to: that number is not known, the others are
two_columns > trained.csv; sed 's/^0/1/' trained.csv > other.csv
{ begins_with a; echo 'generate { z ~ normal; x = f(z) }'; echo 'evaluate { metrics nearest, frechet }'; } > near.hgm
expect_exit 0 "$HGMC" run near.hgm --train trained.csv -o near
grep -qE '^nearest: [0-9.]+ \+- ' log || fail "a distance from events of the training"
expect_exit 0 "$HGMC" eval near --data other.csv --json other.json
expect_text "nearest: not known"; expect_text "no event of the training stands beside those that are judged"
grep -q '^frechet: [0-9]' log || fail "the other metrics"
grep -A2 '"nearest"' other.json | grep -q '"value": null' || fail "null in JSON"
