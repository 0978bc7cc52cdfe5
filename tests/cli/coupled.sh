# A game whose events know each other (batch norm, minibatch discrimination, MMD, spectral norm) has the same bits for any number of threads, and when it
# was stopped in the middle of an epoch: with what batch norms remember, averages, the optimizers of both players, draws and turned targets.
. "$ROOT/tests/cli/lib.bash"
cat > game.hgm <<'M'
data d { x = ["a", "b", "c"] |> standardize; kind: class[2] = "k"; split 1 / 0 / 0 }
net generator(z: real[4], kind: class[2]) -> d.x = z * embedding(4)(kind) |> dense(8) |> leaky_relu |> batch_norm |> dense(3)
net judge(x: d.x) -> (real: real, kind: real[2]) {
  h    = x |> spectral_norm_dense(8) |> leaky_relu |> batch_norm |> dropout(0.2)
  both = concat(h, h |> minibatch_discrimination(4, 3))
  real = both |> dense(1)
  kind = both |> dense(2)
}
train {
  update judge { out = judge(x); minimize verdict(out.real, flip(1, 0.05)) + cross_entropy(out.kind, kind); with adam(1e-3, betas = (0.5, 0.999)) }
  update judge {
    z ~ normal[4]
    out = judge(generator(z, kind))
    minimize verdict(out.real, flip(0, 0.05)) + cross_entropy(out.kind, kind)
    with adam(1e-3, betas = (0.5, 0.999))
  }
  update generator repeat (if step % 7 == 0 then 3 else 1) {
    z ~ normal[4]
    fake = generator(z, kind)
    minimize bce(judge(fake).real, 1) + mmd(fake, x, mixture(gaussian, [0.5, 2.0]))
    with rmsprop(1e-3), ema(0.99)
  }
  batch 100
  epochs 2
}
generate { kind ~ categorical(2); z ~ normal[4]; x = generator(z, kind) }
M
awk 'BEGIN { srand(1); print "a,b,c,k"; for (i = 0; i < 60000; i++) { k = i % 2; u = rand(); v = rand(); printf "%.4f,%.4f,%.4f,%d\n", u + k, u * v - k, sin(7 * v), k } }' > d.csv
run="$HGMC run game.hgm --train d.csv --quiet --epochs 4"
for n in 1 2 3; do expect_exit 0 $run --threads $n -o of_$n; done
same_weights of_1/last.h5 of_2/last.h5
same_weights of_1/last.h5 of_3/last.h5
$run --threads 2 -o cut > log 2>&1 &
pid=$!; await $pid test -e cut/manifest.json; sleep 0.2
kill -TERM $pid 2> /dev/null; wait $pid
number() { h5dump -d "position.$1" cut/last.h5 | sed -n 's/.*(0): //p'; }
if [ -e cut/model.h5 ]; then
  echo "the run was finished before it could be stopped"
else
  echo "stopped in epoch $(number epoch), step $(number step_in_epoch) of 480"
  h5dump -n cut/last.h5 > log
  for kept in batch_norm_1.running_2 spectral_1.iterated_1 dense_1.w.average; do grep -qF "$kept" log || fail "$kept in what was saved"; done
  expect_exit 0 $run --threads 1 -o cut --resume
fi
same_weights of_1/last.h5 cut/last.h5
