# eval and run show newly generated images beside those of the file: the same classes in the same rows, the same colours, by the seed; of many pixels the
# report folds all but the worst, and pictures of observables are not behind them.
. "$ROOT/tests/cli/lib.bash"
cat > made.hgm <<'END'
param dim = 1.0
data d { kind ~ categorical(3); image ~ normal[6, 7] }
net still() -> (o: real) { learn o: real = 0 }
train { update still { minimize 1e-12 * still()^2; with sgd(1e-6) }; batch 10; steps 1 }
generate { kind ~ categorical(3); image = dim * reshape(max(range(0, 42) - 7 * kind, 0), 6, 7) }
END
for dim in 1.0 0.3; do
  expect_exit 0 "$HGMC" run made.hgm -o made$dim --quiet --set dim=$dim
  expect_exit 0 "$HGMC" sample made$dim -n 300 -o data$dim.h5 --quiet
done
expect_exit 0 "$HGMC" sample made1.0 -n 200 -o other.h5 --quiet --seed 5
cat > images.hgm <<'END'
param blur = 0.0; param off = 0
data d { image: real[6, 7] = "image" in GeV; kind: class[3] = "kind"; split 0.6 / 0.2 / 0.2 }
net still() -> (o: real) { learn o: real = 0 }
train { update still { minimize 1e-12 * still()^2; with sgd(1e-6) }; batch 10; steps 1 }
generate given kind {
  z ~ normal[6, 7]
  image = reshape(max(range(0, 42) - 7 * sum(one_hot(kind) * [0, 1, 2]) + off, 0), 6, 7) * exp(blur * z)
}
evaluate { observable total = sum(image); metrics wasserstein }
END
expect_exit 0 "$HGMC" run images.hgm --train data1.0.h5 -o run --quiet
same_file run/report_image_truth.png run/report_image_generated.png # the class alone decides what an image is

# another file, whose classes stand in another order; a darker one, in the colours of the new truth
expect_exit 0 "$HGMC" eval run --data other.h5 -o other.html
same_file other_image_truth.png other_image_generated.png
same_file other_image_truth.png run/report_image_truth.png
expect_exit 0 "$HGMC" eval run --data data0.3.h5 -o dim.html
same_file dim_image_truth.png run/report_image_truth.png
! cmp -s dim_image_truth.png dim_image_generated.png || fail "generated images that are brighter than those of the file"
expect_exit 0 "$HGMC" run images.hgm --train data1.0.h5 -o off --quiet --set off=5
same_file off/report_image_truth.png run/report_image_truth.png
! cmp -s off/report_image_truth.png off/report_image_generated.png || fail "images of another class to look otherwise"

# what is drawn is the seed's
expect_exit 0 "$HGMC" run images.hgm --train data1.0.h5 -o blur --quiet --set blur=0.5
for seed in 1 2; do expect_exit 0 "$HGMC" eval blur --data data1.0.h5 -o seed$seed.html --seed $seed; done
same_file seed1_image_generated.png blur/report_image_generated.png
! cmp -s seed1_image_generated.png seed2_image_generated.png || fail "other images of another seed"
same_file seed1_image_truth.png seed2_image_truth.png
for side in truth generated; do grep -qF "base64,$(base64 -w 0 seed2_image_$side.png)'" seed2.html || fail "the picture of $side in the report itself"; done
cp seed2.html log
expect_text "At the same place both have the same kind. From the top, rows 1 to 2: kind 0; rows 3 to 4: kind 1; rows 5 to 6: kind 2."
expect_text "<figcaption>image, generated: colours from 0.0041 to 41 GeV</figcaption>"

# pictures of before are not written over
rm seed2.html
expect_exit 2 "$HGMC" eval blur --data data1.0.h5 -o seed2.html
expect_text "seed2_image_truth.png: exists; add --force to replace it"
expect_exit 0 "$HGMC" eval blur --data data1.0.h5 -o seed2.html --force

# the table: the mean, the 20 worst, the others folded, all in order of the distance
lines() { sed -nE 's,^<tr><td>(&emsp;)?image\[([0-9]+)\]<td[^>]*>([0-9.]+)<.*,\2 \3,p' "$1"; }
[ "$(grep -c '^<tr><td>&emsp;image\[' seed1.html)" -eq 20 ] || fail "20 open lines"
[ "$(lines seed1.html | cut -d' ' -f1 | sort -un | wc -l)" -eq 42 ] && [ "$(lines seed1.html | wc -l)" -eq 42 ] || fail "a line of each pixel"
lines seed1.html | sort -c -k2,2gr -s || fail "the worst first"
cp seed1.html log; expect_text "<tr><td>image: mean of 42, the worst:<td"; expect_text "<details><summary>the other 22 numbers of image, the worst first</summary>"
sed -n '/Columns and observables/,/<details>/p' seed1.html > log; expect_text "total</text>"
[ "$(grep -o '<svg' seed1.html | wc -l)" -eq 21 ] || fail "pictures of the observable and the 20 worst"

# without conditions, and rows, columns and a channel
sed -e 's/real\[6, 7\]/real[6, 7, 1]/; s/generate given kind/generate/; s/7 \* sum(one_hot(kind).*2\])/7/; s/, 6, 7)/, 6, 7, 1)/; s/z ~ normal\[6, 7\]/z ~ normal[6, 7, 1]/' images.hgm > free.hgm
expect_exit 0 "$HGMC" run free.hgm --train data1.0.h5 -o free --quiet
cp free/report.html log; expect_text "<figcaption>image, truth:"; ! grep -q "At the same place" log || fail "no word of conditions"
