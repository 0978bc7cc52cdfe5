# Threads share tiles where dealing these would leave one without work: large nets, a batch of seven panels. Both ways are tried in turn, and
# leave the bits of one thread.
. "$ROOT/tests/cli/lib.bash"
cat > wide.hgm <<'E2'
data jets {
  x = ["Jet_pt", "Jet_mass", "Jet_eta", "Jet_phi"] |> standardize
  split 0.02 / 0.02 / 0.02
}
net generator(z: real[4]) -> jets.x = z |> dense(1100) |> batch_norm |> leaky_relu |> dropout(0.1) |> dense(960) |> tanh |> dense(4)
net judge(x: jets.x) -> real = x |> reshape(2, 2, 1) |> conv2d(8, kernel = 2) |> leaky_relu |> flatten |> minibatch_discrimination(4, 3) |> dense(1)
train {
  update generator {
    z ~ normal[4]
    minimize g_gan(judge(generator(z))) + mse(generator(z), x)
    with adam(1e-3)
  }
  update judge {
    z ~ normal[4]
    minimize d_gan(judge(x), judge(generator(z)))
    with adam(1e-3)
  }
  batch 100
  epochs 1
}
generate { z ~ normal[4]; x = generator(z) }
E2
for threads in 1 2 3; do
  expect_exit 0 $HGMC run wide.hgm --train "$ROOT/examples/data/jets.h5" --threads $threads --no-cache --quiet -o run$threads
  same_weights run1/model.h5 run$threads/model.h5
done
