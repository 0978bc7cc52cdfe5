# Games: several blocks, formulas of the step, averaged weights, `watch`, several data blocks; the same bits for any number of
# threads and after a stop in the middle of an epoch.
. "$ROOT/tests/cli/lib.bash"
jets=$ROOT/examples/data/jets.h5

cat > wgan.hgm <<'E1'
data jets {
  x = ["Jet_pt" , "Jet_mass"] in GeV |> log1p |> standardize
  split 0.02 / 0.02 / 0.02
}
net generator(z: real[3]) -> jets.x = z |> mlp([16, 16]) |> dense(2)
net critic(x: jets.x) -> real = x |> mlp([16, 16], leaky_relu) |> dense(1)
train {
  update critic repeat (if step < 3 or step % 50 == 0 then 9 else 2) {
    z ~ normal[3]
    fake = generator(z)
    minimize d_wasserstein(critic(x), critic(fake)) + 10 * gradient_penalty(critic, x, fake)
    with adam(1e-3, betas = (0.5, 0.9))
  }
  update generator when batch_mean(critic(x)) < 1000 {
    z ~ normal[3]
    minimize g_wasserstein(critic(generator(z)))
    with adam(1e-3, betas = (0.5, 0.9)), ema(0.9)
  }
  batch 64
  steps 120
  watch wasserstein + 0 * grad_norm.critic every 40
}
generate { z ~ normal[3]; x = generator(z) }
evaluate { metrics wasserstein }
E1
expect_exit 0 "$HGMC" run wgan.hgm --train "$jets" -o one --threads 1
expect_text "step 120: watched"
! grep -q 'ran in none' log || fail "no word of blocks that run"
expect_exit 0 "$HGMC" run wgan.hgm --train "$jets" -o two --threads 2 --quiet
same_weights one/model.h5 two/model.h5
h5dump -n one/best.h5 > log; expect_text "average"
head -1 one/metrics.csv > log; expect_text "gradient of critic"; expect_text "loss of generator"
# what is drawn is drawn with the averages: they have taken the weights' place in the file
[ "$(h5dump -d generator.dense_1.b one/best.h5 | tail -n +4)" != "$(h5dump -d generator.dense_1.b.average one/best.h5 | tail -n +4)" ] || fail "averages that differ from the weights"

# a block that no step runs
sed 's/< 1000/< -1000/; s/steps 120/steps 2/; /watch/d' wgan.hgm > idle.hgm
expect_exit 0 "$HGMC" run idle.hgm --train "$jets" -o idle --quiet
expect_text "warning: train: the update of generator in line 14 ran in none of 2 steps: its \`when\` or \`repeat\` never allowed it"

# what is watched is no number; passes that cannot be counted
sed 's/steps 120/steps 2/; s/watch .*/watch log(-1 - 0 * loss.critic) every 1/' wgan.hgm > none.hgm
expect_exit 0 "$HGMC" run none.hgm --train "$jets" -o none --quiet
expect_text "warning: train: what \`watch\` looks at is no number after step 1"
[ "$(grep -c 'is no number' log)" = 1 ] || fail "it to be said once"
sed 's/critic repeat (.*) {/critic repeat (1 \/ (step - step)) {/' wgan.hgm > many.hgm
expect_exit 1 "$HGMC" run many.hgm --train "$jets" -o many --quiet
expect_text "\`repeat\` of the update of critic in line 8 is inf in step 0; it is how many passes are made, from 0 on"

# a block whose gradient is 0
sed 's/minimize g_wasserstein/minimize 0 * g_wasserstein/; s/steps 120/epochs 2/; /watch/d' wgan.hgm > idle.hgm
expect_exit 0 "$HGMC" run idle.hgm --train "$jets" -o idle --quiet --force
expect_text "warning: the gradient of generator was 0 in each step of the epoch: it moves nothing"
[ "$(grep -c 'was 0 in each step' log)" = 1 ] || fail "it to be said once"

# stopped by SIGTERM somewhere, resumed, the same weights
"$HGMC" run wgan.hgm --train "$jets" -o cut --threads 2 --quiet > log 2>&1 &
pid=$!; await $pid test -e cut/manifest.json; sleep 0.6; kill -TERM $pid 2> /dev/null; wait $pid
[ -e cut/model.h5 ] || expect_exit 0 "$HGMC" run wgan.hgm --train "$jets" -o cut --threads 2 --quiet --resume
same_weights one/model.h5 cut/model.h5

# on_a_ring GENERATOR LOSS CRITIC'S-OPTIMIZER GENERATOR'S-OPTIMIZER EPOCHS: a game on eight Gaussians
on_a_ring() {
  cat <<E6
data ring { k ~ categorical(8); x ~ normal([cos(pi * k / 4), sin(pi * k / 4)], 0.01) }
net generator(z: real[2]) -> real[2] = $1
net critic(x: real[2]) -> real = sum(x |> mlp([16]) |> dense(1))
train {
  update critic { z ~ normal[2]; minimize d_$2(critic(x), critic(generator(z))); with $3 }
  update generator { z ~ normal[2]; minimize g_$2(critic(generator(z))); with $4 }
  batch 32
  epochs $5 steps
}
generate { z ~ normal[2]; x = generator(z) }
evaluate { metrics wasserstein; events 500 }
E6
}
# how often a discriminator is right: in the log, the table and the report
on_a_ring "9 + 0.01 * (z |> dense(2))" gan "adam(0.02)" "sgd(1e-9)" "2 of 100" > told.hgm
expect_exit 0 "$HGMC" run told.hgm -o told
expect_text "(accuracy 1.000), generator"
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "train: accuracy of critic") c = i } NR == 3 { exit !(c && $c > 0.99 && $c <= 1) }' told/metrics.csv || fail "a critic that is always right"
cp told/report.html log; expect_text "How often discriminators are right"

# two data blocks: each loss averages over its own events, a short one begins anew
cat > two.hgm <<'E2'
data base { x = "Jet_pt" in GeV |> log1p |> standardize; split 0.05 / 0.05 }
data back { y = "Jet_mass" in GeV |> log1p |> standardize; split 0.013 / 0.05 }
net judge(x: real) -> real = x |> mlp([8]) |> dense(1)
train {
  update judge {
    minimize softplus(-judge(x))
    minimize softplus(judge(y))
    with adam(1e-2)
  }
  batch 50
  epochs 3
}
score { s = judge(base.x) }
E2
expect_exit 0 "$HGMC" run two.hgm --train base="$jets" --train back="$jets" -o pair1 --threads 1
expect_text "epoch 3: loss"
expect_exit 0 "$HGMC" run two.hgm --train base="$jets" --train back="$jets" -o pair2 --threads 2 --quiet
same_weights pair1/model.h5 pair2/model.h5
expect_exit 2 "$HGMC" run two.hgm --train base="$jets" -o pair3
expect_text "no file is named for the data block \`back\`"

# the Dirac game (1801.04406): simulated data, a gradient penalty, both players at once; every step is known in closed form
cat > dirac.hgm <<'E3'
data truth { x ~ point(0) }
net generator() -> (theta: real) { learn theta: real = 1 }
net judge(x: real) -> (d: real) { learn psi: real = 1; d = psi * x }
train {
  fake = generator()
  update judge { minimize d_gan(judge(x), judge(fake)) + 1 / 2 * r1(judge(x), x); with sgd(0.1) }
  update generator { minimize g_gan(judge(fake)); with sgd(0.1) }
  simultaneous
  batch 1
  steps 40
}
generate { x = generator() }
score { d = judge(x) }
evaluate { metrics wasserstein; events 100 }
E3
expect_exit 0 "$HGMC" run dirac.hgm -o dirac --precision f64 --quiet
h5dump -m %.17g -d generator.theta -d judge.psi dirac/model.h5 | awk '/\(0\)/ { print $2 }' > found
awk 'function s(x) { return 1 / (1 + exp(-x)) }
     BEGIN { t = p = 1; for (k = 0; k < 40; k++) { q = p - 0.1 * (t * s(p * t) + p); t += 0.1 * p * s(-p * t); p = q } printf "%.17g\n%.17g\n", t, p }' > expected
paste found expected > log
awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-14) exit 1; n++ } END { exit n != 2 }' log || fail "theta and psi after 40 steps"
expect_exit 0 "$HGMC" sample dirac -n 5 -o drawn.csv --quiet
[ "$(head -1 drawn.csv)" = x ] || fail "a column named after the field"

# every pass of a `repeat` takes the next batch; the other blocks see the first of them. Row k holds 2^k, so a sum says which rows were in it
{ echo x; for k in $(seq 0 23); do echo $((1 << k)); done; } > powers.csv
cat > passes.hgm <<'E5'
data d { x = "x"; split 1 / 0 / 0 }
net three() -> (v: real) { learn w: real = 0; v = w }
net one() -> (v: real) { learn w: real = 0; v = w }
train {
  update three repeat 3 { maximize three() * x; with sgd(1) }
  update one { maximize one() * x; with sgd(1) }
  batch 1
  steps 4
}
E5
expect_exit 0 "$HGMC" run passes.hgm --train powers.csv --precision f64 --quiet -o passes
read -r three one <<< "$(h5dump -m %.0f -d three.w -d one.w passes/model.h5 | awk '/\(0\)/ { print $2 }' | paste -sd' ')"
ones() { local n=$1 k=0; while [ "$n" -gt 0 ]; do k=$((k + (n & 1))); n=$((n >> 1)); done; echo $k; }
[ "$(ones $three)" -eq 12 ] && [ "$(ones $one)" -eq 4 ] && [ $((three & one)) -eq $one ] || fail "12 rows and 4 of them, found $three and $one"

# a drawn condition: it is drawn in the sampler too, and written
cat > smear.hgm <<'E4'
data toy { gen ~ uniform(5, 10); reco ~ normal(gen, 0.1 * gen); k ~ categorical(3); both = gen + reco * k }
net f(z: real, gen: real) -> (mu: real) = sum([z, gen] |> dense(1))
train {
  z ~ normal
  update f { minimize (f(z, gen) - reco)^2; with adam(0.1) }
  batch 100
  epochs 2 of 50 steps
}
generate given gen { z ~ normal; reco = f(z, gen) }
score { pull = (reco - f(0, gen)) / gen }
evaluate { observable response = reco / gen; metrics wasserstein; events 1000 }
E4
expect_exit 0 "$HGMC" run smear.hgm -o smear --threads 2
expect_text "response"
expect_exit 0 "$HGMC" sample smear -n 1000 -o smeared.csv --quiet
[ "$(head -1 smeared.csv)" = "gen,reco" ] || fail "gen,reco, found $(head -1 smeared.csv)"
awk -F, 'NR > 1 { if ($1 < 5 || $1 > 10) exit 1; s += $2 / $1; n++ } END { exit !(n == 1000 && s / n > 0.9 && s / n < 1.1) }' smeared.csv || fail "a response near 1"
expect_exit 0 "$HGMC" score smear --data smeared.csv -o pulls.csv --quiet
[ "$(head -1 pulls.csv)" = pull ] && [ "$(wc -l < pulls.csv)" -eq 1001 ] || fail "a thousand scores"

# a game is watched: pictures of the same noise, norms of gradients; what goes wrong is said in the log and in the report
on_a_ring "0 * z + ([1.0] |> dense(2))" wasserstein "sgd(0.03)" "sgd(1e-12)" "4 of 80" > bad.hgm
expect_exit 0 "$HGMC" run bad.hgm -o bad
expect_text "the generator has collapsed"
expect_text "critic has diverged"
for epoch in 1 2 3 4; do [ "$(head -c 8 bad/samples/epoch_000$epoch.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] || fail "a PNG of epoch $epoch"; done
cp bad/report.html log; expect_text "the generator has collapsed"; expect_text "critic has diverged"; expect_text "<figcaption>epoch_0004"
for epoch in 1 4; do grep -qF "base64,$(base64 -w 0 bad/samples/epoch_000$epoch.png)'" bad/report.html || fail "the picture of epoch $epoch in the report itself"; done
head -1 bad/metrics.csv > log; expect_text "gradient of generator"; expect_text "spread"
expect_exit 0 "$HGMC" run bad.hgm -o bad --force --epochs 1 --quiet
[ "$(ls bad/samples)" = epoch_0001.png ] || fail "pictures of the old run to be gone"
[ ! -e two.hgm ] || [ ! -d pair1/samples ] || fail "no pictures where there is one block"
