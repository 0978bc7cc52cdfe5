# Observables of images that an algorithm finds: of truth and of generated events, of all events at once, in metrics, for any threads.
. "$ROOT/tests/cli/lib.bash"
cat > image.hgm <<'HGM'
data d {
  a ~ uniform(1, 2)
  x = [a, 0.5, 0, 0, 0, 0, 0, 0, 1]
}
net still() -> (o: real) { learn o: real = 0 }
train { update still { minimize 1e-12 * still()^2; with sgd(1e-6) }
  batch 100
  steps 3 }
generate { a ~ uniform(1, 2); x = [a, 0.5, 0, 0, 0, 0, 0, 0, 1] }
evaluate {
  image = reshape(x, 3, 3)
  observable tau1 = subjettiness(image, 1, 1.5)
  observable tau2 = subjettiness(image, 2, 1.5)
  off1 = abs(tau1 - (0.5 + sqrt(8)) / (x[0] + 1.5))
  off2 = abs(tau2 - 0.5 / (x[0] + 1.5))
  events 1000
  metrics roc(tau1, x[0] < 1.5), roc(off1 + off2, x[0] < 1.5)
  assert mean(batch(off1)) < 1e-6 and mean(batch(off2)) < 1e-6 and mean(batch(tau2)) > 0.15
  assert roc(tau1, x[0] < 1.5).auc > 0.9999 and ks.worst < 0.1
}
HGM
for n in 1 2; do
  expect_exit 0 $HGMC run image.hgm -o run$n --threads $n --quiet
  sed -E '/events_per_second|training_seconds/d' run$n/evaluation.json > numbers$n
done
same_file numbers1 numbers2
