# Games on data that do not fit: images of another size, labels that are none, a batch of one event; a number that is not finite
# names the block, the term and the event.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { print "a,b,kind,score"; for (i = 0; i < 129; i++) print sin(i) "," cos(3 * i) "," i % 3 "," i / 128 }' > data.csv
cat > game.hgm <<'M'
data d { x = ["a", "b"]; split 1 / 0 / 0 }
net generator(z: real[2]) -> d.x = z |> dense(4) |> tanh |> dense(2)
net critic(x: d.x) -> real = x |> dense(4) |> batch_norm |> leaky_relu |> dense(1)
train {
  z ~ normal[2]
  fake = generator(z)
  update critic { minimize d_gan(critic(x), critic(fake)); with adam(1e-3) }
  update generator { minimize g_gan(critic(fake)); with adam(1e-3) }
  batch 64
  epochs 2
}
generate { z ~ normal[2]; x = generator(z) }
M
# ---- 129 events: the rest of one joins the batch before, two steps an epoch; without batch norm it is a step of its own
expect_exit 0 $HGMC run game.hgm --train data.csv -o joined --quiet
[ "$(cut -d, -f1-3 joined/metrics.csv | paste -sd' ')" = "epoch,phase,step 1,0,2 2,0,4" ] || { cat joined/metrics.csv > log; fail "two steps an epoch"; }
expect_exit 0 $HGMC run game.hgm --train data.csv -o twice --quiet --threads 1
same_weights joined/model.h5 twice/model.h5
sed 's/ |> batch_norm//' game.hgm > plain.hgm
expect_exit 0 $HGMC run plain.hgm --train data.csv -o plain --quiet
[ "$(cut -d, -f1-3 plain/metrics.csv | paste -sd' ')" = "epoch,phase,step 1,0,3 2,0,6" ] || { cat plain/metrics.csv > log; fail "three steps an epoch"; }
head -n 2 data.csv > single.csv
expect_exit 1 $HGMC run game.hgm --train single.csv -o single --quiet
expect_text "one event of single.csv is left to train on, which has no spread to normalise by"

# ---- columns as they are, of two files that name them alike: each loss has its own
for name in "a 1 2 20" "b 10 20 9"; do
  read -r block u v n <<< "$name"
  { echo u,v; yes "$u,$v" | head -n "$n"; } > "$block.csv"
done
cat > raw.hgm <<'M'
data a { x = ["u", "v"] |> scale(2); split 1 / 0 / 0 }
data b { y: a.x; split 1 / 0 / 0 }
net f(z: real[2]) -> a.x = z |> dense(2)
train {
  z ~ normal[2]
  update f { minimize sum(physical(x)) + 0 * sum(f(z)); minimize sum(physical(y)) + sum(y); with sgd(0) }
  batch 8
  steps 6
}
M
expect_exit 0 $HGMC run raw.hgm --train a=a.csv --train b=b.csv -o raw --quiet
[ "$(tail -n 1 raw/metrics.csv | cut -d, -f4)" = 93 ] || { cat raw/metrics.csv > log; fail "3 and 30 as they are, and 60 prepared"; }

# ---- labels
cat > label.hgm <<'M'
data d { x = ["a", "b"]; k: class[2] = "score" }
net judge(x: d.x) -> real[2] = x |> dense(2)
train { update judge { minimize cross_entropy(judge(x), k); with adam(1e-3) }; batch 64; epochs 1 }
M
expect_exit 1 $HGMC run label.hgm --train data.csv -o label
expect_text "column \`score\` of data.csv has the value 0.0078125 in row 1, which is no class: labels are whole numbers; what is measured is \`real\`"
sed 's/"score"/"kind"/' label.hgm > kind.hgm
expect_exit 1 $HGMC run kind.hgm --train data.csv -o label
expect_text "column \`kind\` of data.csv has the value 2 in row 2, which the model does not list (0, 1); so have "
sed 's/class\[2\] = "score"/class[3] = "kind"/; s/real\[2\] = x |> dense(2)/real[3] = x |> dense(3)/' label.hgm > three.hgm
expect_exit 0 $HGMC run three.hgm --train data.csv -o label --quiet

# ---- a number that is not finite: the generator's loss, its logarithm, which event
sed 's/minimize g_gan(critic(fake))/minimize g_gan(critic(fake)) + log(0.5 - epoch)/' plain.hgm > burst.hgm
expect_exit 1 $HGMC run burst.hgm --train data.csv -o burst --quiet
expect_text "the loss of \`update generator\` is not finite in step 3: \`log\` at burst.hgm:8:53 gives the first number that is not finite"
M2='s/minimize d_gan(critic(x), critic(fake))/minimize d_gan(critic(x), critic(fake)) * (1 - log(x[0] + 0.99))/'
sed "$M2" plain.hgm > edge.hgm
expect_exit 1 $HGMC run edge.hgm --train data.csv -o burst --quiet --force
expect_text "the loss of \`update critic\` is not finite in step 0: \`log\` at edge.hgm:7:66"
expect_text "for event 55 (row 55)"

# ---- images of another size than the model's
images() { # SHAPE: of 16 pixels
  printf '\x93NUMPY\x01\x00\x76\x00'
  printf '%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (20, $1,), }"
  head -c $((20 * 16 * 4)) /dev/zero
}
images "4, 4" > image.npy
cat > image.hgm <<'M'
data jets { image: real[5, 5, 1] = "image" }
net judge(image: jets.image) -> real = image |> flatten |> dense(1)
train { update judge { minimize judge(image)^2; with adam(1e-3) }; batch 10; epochs 1 }
M
expect_exit 1 $HGMC run image.hgm --train image.npy -o image
expect_text "error[column-shape]"
expect_text "(N, 4, 4)"
expect_text "real[4, 4, 1] = \"image\""
sed -i 's/5, 5, 1/8, 2, 1/' image.hgm # as many pixels, and other rows
images "2, 8" > image.npy
expect_exit 1 $HGMC run image.hgm --train image.npy -o image
expect_text "(N, 2, 8)"; expect_text "real[2, 8, 1] = \"image\""
for shape in "8, 2" "16" "8, 2, 1" "2, 4, 2"; do # what the file joins or parts
  images "$shape" > image.npy
  expect_exit 0 $HGMC run image.hgm --train image.npy -o image --force
done
