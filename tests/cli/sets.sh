# Point clouds, and images, from the file to the sampler: what stands in places where nothing is changes no bit of weights, scores and metrics, and neither
# does the number of places change what is learnt; the same bits for any threads; sampler and command draw the same sets.
. "$ROOT/tests/cli/lib.bash"
{ clouds_of 2; cat <<'HGM'; } > make.hgm
  parts = concat(einsum("p,pk->pk", told, z * (1 + 0.5 * kind) + 0.7 * kind) + junk * einsum("p,k->pk", 1 - told, [1, -2]), reshape(told, 6, 1))
  rest  = concat(junk * ones(4, 2), reshape([0; 4], 4, 1))
  cloud = 1 * parts
  more  = reshape(concat(reshape(parts, 18), reshape(rest, 12)), 10, 3)
}
HGM
for junk in 0.0 1e5; do
  expect_exit 0 "$HGMC" run make.hgm -o make$junk --set junk=$junk --quiet
  expect_exit 0 "$HGMC" sample make$junk -n 1500 -o clouds$junk.h5 --quiet
done
cat > set.hgm <<'HGM'
param places = 6
data jets {
  cloud: set[places] of real[2] = "CLOUD" |> present(column = 2) |> standardize
  kind: class[2] = "kind"
  n = count(cloud)
  split 0.7 / 0.1 / 0.2
}
net tagger(cloud: jets.cloud) -> (p: real[2]) {
  h = cloud |> edge_conv(3, [8])(cloud)
  p = concat(mean(h, axis = 0), amax(h, axis = 0), cloud |> deep_set([8], [4])) |> dense(2)
}
net generator(g: real[3], noise: set[places] of real[2]) -> jets.cloud = epic(8, 3)(g, noise |> dense(8)).x2 |> dense(2)
net judge(cloud: jets.cloud) -> (d: real) = sum(cloud |> deep_set([8], [8]) |> dense(1))
fit sizes = collect(n)
train { update tagger { minimize cross_entropy(tagger(cloud), kind); with adam(1e-2) }
  batch 100
  epochs 4 }
train {
  noise ~ normal[places, 2]
  g ~ normal[3]
  fake = generator(g, noise |> first(n))
  update judge     { minimize d_ls(judge(cloud), judge(fake)); with adam(1e-3) }
  update generator { minimize g_ls(judge(fake)); with adam(1e-3) }
  batch 100
  epochs 1
}
generate {
  n ~ sizes
  g ~ normal[3]
  noise ~ normal[places, 2]
  cloud = generator(g, noise |> first(n))
}
score { p = softmax(tagger(cloud)); second = p[1]; size = count(cloud) }
evaluate {
  observable size = count(cloud)
  observable far = amax(sqrt(cloud[..., 0]^2 + cloud[..., 1]^2), axis = 0)
  metrics ks, frechet, roc(second, kind == 1)
  assert roc(second, kind == 1) > 0.6
}
HGM
sed 's/CLOUD/more/' set.hgm > more.hgm; sed 's/CLOUD/cloud/' set.hgm > cloud.hgm
run() { local out=$1; shift; expect_exit 0 "$HGMC" run "$@" -o "$out" --quiet; expect_exit 0 "$HGMC" score "$out" --data "$data" -o "$out.csv" --quiet --force; }
data=clouds0.0.h5 run zeros cloud.hgm --train clouds0.0.h5 --threads 1
data=clouds1e5.h5 run junk cloud.hgm --train clouds1e5.h5 --threads 2
data=clouds0.0.h5 run more more.hgm --train clouds0.0.h5 --set places=10
data=clouds1e5.h5 run more_junk more.hgm --train clouds1e5.h5 --set places=10
same_weights zeros/model.h5 junk/model.h5
same_weights more/model.h5 more_junk/model.h5
same_file zeros.csv junk.csv
same_file more.csv more_junk.csv
for r in zeros junk; do sed -E '/events_per_second|training_seconds/d' $r/evaluation.json > $r.json; done
same_file zeros.json junk.json
paste -d, zeros.csv more.csv | awk -F, 'NR > 1 { d = $1 - $3; if (d < 0) d = -d; if (d > 2e-3 || $2 != $4) { print "row", NR, $0; exit 1 } }' || fail "the same scores of 6 and of 10 places"
# what is drawn
expect_exit 0 "$HGMC" sample zeros -n 500 -o drawn.csv --quiet
expect_exit 0 "$HGMC" build zeros -o sampler
expect_exit 0 ./sampler -n 500 -o sampled.csv --quiet
same_file drawn.csv sampled.csv
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "n") at = i; else if (first == 0 && $i ~ /^cloud/) first = i; next }
  { n = 0; for (p = 0; p < 6; p++) { told = $(first + 3 * p + 2); n += told; if (told == 0 && ($(first + 3 * p) != 0 || $(first + 3 * p + 1) != 0)) exit 1 }
    if (n != $at) exit 1; rows++ } END { exit !(rows == 500) }' drawn.csv || fail "as many elements as n says, zeros elsewhere"
# a cloud of the wrong size
expect_exit 1 "$HGMC" check cloud.hgm --set places=7 --data clouds0.0.h5
expect_text "error[column-shape]"
# an image of one channel is written as the file has it, as rows and columns
cat > image.hgm <<'HGM'
data d { image: real[6, 3, 1] = "cloud" |> standardize }
net paint(z: real[2]) -> d.image = z |> dense(18) |> reshape(6, 3, 1)
train { z ~ normal[2]
  update paint { minimize mse(paint(z), image); with adam(1e-3) }
  batch 100
  epochs 1 }
generate { z ~ normal[2]; image = paint(z) }
HGM
expect_exit 0 "$HGMC" run image.hgm --train clouds0.0.h5 -o image --quiet
expect_exit 0 "$HGMC" sample image -n 7 -o image.h5 --quiet
expect_exit 0 "$HGMC" build image -o image.sampler
expect_exit 0 ./image.sampler -n 7 -o sampled.h5 --quiet
for file in image.h5 sampled.h5; do
  expect_exit 0 h5dump -H "$file"
  expect_text "{ ( 7, 6, 3 ) "
done
