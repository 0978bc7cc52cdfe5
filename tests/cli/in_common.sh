# Neighbouring update blocks that compute the same run as one program: what they have in common is computed once, each sees what those before it
# have moved, and what is said stays said of each block. Judges that do not see each other move to the same bits as in programs of their own.
. "$ROOT/tests/cli/lib.bash"
jets=$ROOT/examples/data/jets.h5

cat > judges.hgm <<'E1'
data jets {
  x = ["Jet_pt" , "Jet_mass"] in GeV |> log1p |> standardize
  split 0.02 / 0.02 / 0.02
}
net generator(z: real[3]) -> jets.x = z |> dense(32) |> batch_norm |> tanh |> dropout(0.1) |> dense(32) |> leaky_relu |> dense(2)
net flat(x: jets.x) -> real = x |> mlp([16], leaky_relu, drop = 0.1) |> dense(1)
net steep(x: jets.x) -> real = x |> spectral_norm_dense(16) |> batch_norm |> leaky_relu |> dense(1)
train {
  z ~ normal[3]
  fake = generator(z)
  update flat {
    minimize d_gan(flat(x), flat(fake))
    with adam(1e-3), clip(0.5)
  }
  update steep {
    e ~ normal[2]
    minimize d_hinge(steep(x), steep(fake)) + 0.01 * steep(x + 0.1 * e)^2
    with rmsprop(1e-3), ema(0.9)
  }
  update generator {
    minimize g_gan(flat(fake)) + g_hinge(steep(fake))
    with adam(1e-3)
  }
  batch 64
  epochs 4
  watch wasserstein + 0 * grad_norm.steep + 0 * loss.flat
}
generate { z ~ normal[3]; x = generator(z) }
evaluate { metrics wasserstein }
E1
apart() { sed 's/update steep\( repeat 2\)\?/& when step >= 0/' "$1"; } # MODEL: the same with programs of their own: nothing says beforehand that both run
numbers() { dump "$1" | sed '/ATTRIBUTE "model_hash"/,/^   }/d'; }
told() { cut -d, -f1-6,9- "$1/metrics.csv"; } # but for rates and times
same_training() { # RUN RUN
  [ "$(numbers "$1/model.h5" | sha256sum)" = "$(numbers "$2/model.h5" | sha256sum)" ] || fail "$1 and $2 to hold the same numbers"
  [ "$(told "$1")" = "$(told "$2")" ] || fail "$1 and $2 to tell the same"
}
programs() { expect_exit 0 $HGMC show "$1"; [ "$(grep -c '^  update' log)" = "$2" ] || fail "$2 programs of $1"; } # MODEL NUMBER

# one program of all, which has the generator once (what it computes is counted in game_test)
programs judges.hgm 1; expect_text "update flat and update steep and update generator: "
expect_exit 0 $HGMC check judges.hgm --dump plan --no-cache
expect_text "train.update_1_2_3"
# … of the judges
mv judges.hgm all.hgm
sed 's/update generator/& when step >= 0/' all.hgm > judges.hgm
programs judges.hgm 2; expect_text "update flat and update steep: "
apart judges.hgm > apart.hgm
programs apart.hgm 3

expect_exit 0 $HGMC run judges.hgm --train "$jets" -o together --threads 1
expect_text "flat 1."; expect_text "steep 1."; grep -q 'epoch 4: flat .* (accuracy 0[0-9.]*), steep .* (accuracy 0[0-9.]*), generator ' log || fail "each block's loss and accuracy"
told together | head -n 1 > log
for column in "loss of flat" "gradient of flat" "accuracy of flat" "loss of steep" "gradient of steep" "accuracy of steep"; do expect_text "train: $column"; done
expect_exit 0 $HGMC run apart.hgm --train "$jets" -o apart --threads 2 --quiet
same_training together apart

# several passes a step: they alternate, and both take the next batch
for model in judges apart; do
  sed 's/update flat {/update flat repeat 2 {/; s/update steep \(when .* \)\?{/update steep repeat 2 \1{/; s/epochs 4/epochs 2/' $model.hgm > passes_$model.hgm
  expect_exit 0 $HGMC run passes_$model.hgm --train "$jets" -o passes_$model --threads 1 --quiet
done
programs passes_judges.hgm 2; expect_text "update flat and update steep: "
programs passes_apart.hgm 3
same_training passes_judges passes_apart

# stopped somewhere, resumed
sed 's/epochs 4/epochs 60/' judges.hgm > long.hgm
expect_exit 0 $HGMC run long.hgm --train "$jets" -o whole --threads 1 --quiet
$HGMC run long.hgm --train "$jets" -o cut --threads 2 --quiet > log 2>&1 &
pid=$!; await $pid test -s cut/last.h5; kill -TERM $pid 2> /dev/null; wait $pid
[ -e cut/model.h5 ] && echo "the run was finished before it could be stopped"
[ -e cut/model.h5 ] || expect_exit 0 $HGMC run long.hgm --train "$jets" -o cut --threads 2 --quiet --resume
same_training whole cut

# what is not finite is told of its block, in the same words
for model in judges apart; do
  sed 's/+ 0.01 \* steep(x/+ 1e-9 * log(4 - step) &/' $model.hgm > never_$model.hgm
  expect_exit 1 $HGMC run never_$model.hgm --train "$jets" -o never_$model --quiet
  expect_text "the loss of \`update steep\` is not finite in step 4: \`log\` at never_$model.hgm:"; sed "s/never_$model/never/" log > never_$model.log
done
same_file never_judges.log never_apart.log

# two versions differ in the block that was changed
sed 's/0.01 \* steep/0.02 * steep/' judges.hgm > other.hgm
expect_exit 0 $HGMC diff judges.hgm other.hgm; expect_text "~ training train: update steep"; expect_text "1 difference"

# a judge that looks at what the other has become, and a generator: not to the bit, since a product that two blocks read becomes part of no fma
sed 's/0.01 \* steep(x/0.01 * flat(x/; s/epochs 4/epochs 2/' all.hgm > after.hgm
sed 's/update [sg][a-z]*/& when step >= 0/' after.hgm > after_apart.hgm
programs after.hgm 1; programs after_apart.hgm 3
for model in after after_apart; do
  expect_exit 0 $HGMC run $model.hgm --train "$jets" -o $model --threads 1 --quiet --precision f64
done
h5diff -d 1e-9 after/last.h5 after_apart/last.h5 > log
! grep -q '^dataset: ' log || fail "the same but for rounding"

# … and what is not finite behind what another block has moved: the same event, with the weights that the whole batch has made
sed 's/minimize g_gan(flat(fake))/& + 1e-9 * log(0.4 + flat(x) - 0.01 * step)/; s/adam(1e-3), clip(0.5)/sgd(0.2), clip(0.5)/' after.hgm > edge.hgm
sed 's/update [sg][a-z]*/& when step >= 0/' edge.hgm > edge_apart.hgm
programs edge.hgm 1; programs edge_apart.hgm 3
for model in edge edge_apart; do
  expect_exit 1 $HGMC run $model.hgm --train "$jets" -o $model --quiet --precision f64
  expect_text "the loss of \`update generator\` is not finite in step 3: \`log\` at $model.hgm:"; expect_text "the first number that is not finite, of -0.1"
  sed "s/at $model[^ ]*//" log > $model.log
done
same_file edge.log edge_apart.log

# with draws of their own blocks have nothing in common
sed 's/^  z ~ .*//; s/^  fake = .*//; s/^  update .*{$/&\n    z ~ normal[3]; fake = generator(z)/' all.hgm > own.hgm
programs own.hgm 3
