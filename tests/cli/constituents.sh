# Jet images made of constituents: what the standard library's functions give, in f64, against the same steps written in awk, on 600 jets of the data; and a
# jet that was moved, turned and mirrored beforehand has the same image.
. "$ROOT/tests/cli/lib.bash"
data=$ROOT/../shared/data/anomaly.h5
[ -e "$data" ] || exit 77
cat > pixels.hgm << 'END'
data jets {
  cloud: set[30] of real[3] = "particle_features" |> present(column = 3)
  split 0.8 / 0.1 / 0.1
}
net f(x: real[36]) -> real = (x |> dense(1))[0]
train {
  update f { minimize f(flatten(jet_pixels(cloud, 6, 0.4)))^2; with adam(1e-3) }
  batch 256
  steps 1
}
fn disturbed(c) = stack_columns(0.3 + 0.8 * c[..., 0] - 0.6 * c[..., 1], 3 - 0.6 * c[..., 0] - 0.8 * c[..., 1], c[..., 2])
fn told(image) = (image |> flatten) * range(1, 37)
score {
  first = sum(told(jet_pixels(cloud, 6, 0.4)))
  second = sum(told(jet_pixels(cloud, 6, 0.4))^2)
  first_again = sum(told(jet_pixels(disturbed(cloud), 6, 0.4)))
  second_again = sum(told(jet_pixels(disturbed(cloud), 6, 0.4))^2)
}
END
expect_exit 0 "$HGMC" run pixels.hgm --train "$data:/qcd" --precision f64 --quiet -o run
expect_exit 0 "$HGMC" score run --data "$data:/qcd" --precision f64 --quiet -o score.csv
h5dump -m %.9g -y -w 0 -d /qcd/particle_features -c 600,30,4 "$data" | grep -E '^ +-?[0-9.e+-]+, ' | tr -d ' ' > cloud.csv
[ "$(wc -l < cloud.csv)" = 18000 ] || fail "18000 constituents"
awk -F, '
  function side(x, i, s) { s = 0; for (i = 0; i < n; i++) s += pt[i] * (x[i] > 0 ? 1 : x[i] < 0 ? -1 : 0); return s < 0 ? -1 : 1 }
  function far(a, b) { return !((a - b)^2 < 1e-14 * (1 + b * b)) }
  FNR == NR { if (FNR > 1 && FNR <= 601) line[FNR - 2] = $0; next }
  FNR % 30 == 1 { n = 0 }
  $4 == 1 { x[n] = $1; y[n] = $2; pt[n++] = $3 }
  FNR % 30 == 0 {
    all = sx = sy = sxy = sdd = 0
    for (i = 0; i < n; i++) { all += pt[i]; sx += pt[i] * x[i]; sy += pt[i] * y[i] }
    for (i = 0; i < n; i++) { x[i] -= sx / all; y[i] -= sy / all; sxy += pt[i] * x[i] * y[i]; sdd += pt[i] * (x[i] * x[i] - y[i] * y[i]) }
    angle = atan2(2 * sxy, sdd) / 2
    for (i = 0; i < n; i++) { a = x[i]; x[i] = a * cos(angle) + y[i] * sin(angle); y[i] = y[i] * cos(angle) - a * sin(angle) }
    right = side(x); up = side(y); split("", image)
    for (i = 0; i < n; i++) {
      row = int((right * x[i] + 0.4) * 7.5 + 10) - 10; column = int((up * y[i] + 0.4) * 7.5 + 10) - 10
      if (row >= 0 && row < 6 && column >= 0 && column < 6) image[6 * row + column] += pt[i]
    }
    split(line[FNR / 30 - 1], score, ",")
    first = second = 0
    for (p in image) { first += image[p] * (p + 1); second += (image[p] * (p + 1))^2; filled++ }
    if (far(score[1], first) || far(score[2], second)) { wrong++; print "jet " FNR / 30 - 1 ": " score[1] " " score[2] ", awk has " first " " second }
    if (far(score[3], first) || far(score[4], second)) { moved++; print "jet " FNR / 30 - 1 ": " score[3] " " score[4] " after a motion, awk has " first " " second }
  }
  END { print wrong + 0 " differ, " moved + 0 " by a motion, " filled " pixels are filled"; exit wrong > 0 || moved > 0 || filled < 3000 }' score.csv cloud.csv > log ||
  fail "the same images"
