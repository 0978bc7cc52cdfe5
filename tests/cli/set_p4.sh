# Sets of four-vectors from the file to the sampler: components found by their names, masses and momenta of elements and of their sum as awk (and, where
# h5py is there, numpy) has them; in a net, a loss, scores and observables; what is drawn is written with the component that tells.
. "$ROOT/tests/cli/lib.bash"
# ---- events: e px py pz with mass 1 and what tells in front; junk where nothing is
{ clouds_of 3; cat <<'HGM'; } > make.hgm
  q         = z * (10 + 5 * kind)
  e         = sqrt(sum(q^2, axis = 1) + 1)
  particles = concat(reshape(told, 6, 1), reshape(e, 6, 1), q) * einsum("p,k->pk", told, ones(5)) + junk * einsum("p,k->pk", 1 - told, [0, 1, -1, 2, 3])
}
HGM
expect_exit 0 "$HGMC" run make.hgm -o make --set junk=7e3 --quiet
expect_exit 0 "$HGMC" sample make -n 1500 -o events.h5 --quiet
expect_exit 0 "$HGMC" sample make -n 1500 -o events.csv --quiet
cat > set.hgm <<'HGM'
data jets {
  cloud: set[6] of p4 = "particles" in GeV |> present(column = 0) |> scale(0.1)
  kind: class[2] = "kind"
  split 0.7 / 0.1 / 0.2
}
fn scalar_sum(s: set[n] of p4) = sum(pt(s))
net tagger(cloud: jets.cloud) -> (p: real[2]) {
  h = concat(reshape(pt(cloud), 6, 1), reshape(eta(cloud), 6, 1), reshape(cloud.e, 6, 1), cloud)
  p = concat(h |> deep_set([8], [4]), [mass(sum(cloud, axis = 0))]) |> dense(2)
}
net generator(noise: set[6] of real[3]) -> (cloud: jets.cloud) {
  h = noise |> dense(8) |> tanh |> dense(3)
  cloud = p4(pt = exp(h[..., 0]), eta = h[..., 1], phi = pi * tanh(h[..., 2]), m = 0.1)
}
train { update tagger { minimize cross_entropy(tagger(cloud), kind); with adam(1e-2) }
  batch 100
  epochs 12 }
train {
  noise ~ normal[6, 3]
  fake = generator(noise |> first(count(cloud)))
  update generator {
    minimize (scalar_sum(fake) - scalar_sum(cloud))^2 + (mass(sum(physical(fake), axis = 0)) / 10 - mass(sum(cloud, axis = 0)))^2 + mean(phi(fake)^2)
    with adam(1e-3)
  }
  batch 100
  epochs 1
}
generate { noise ~ normal[6, 3]; n ~ uniform(0, 6.5); cloud = generator(noise |> first(n)) }
score {
  second   = softmax(tagger(cloud))[1]
  jet_mass = mass(sum(physical(cloud), axis = 0))
  ht       = scalar_sum(physical(cloud))
  far      = amax(abs(eta(cloud)), axis = 0)
  masses   = sum(mass(physical(cloud)))
  turned   = sum(cos(phi(cloud)))
}
evaluate {
  observable size = count(cloud)
  observable jet_pt = pt(sum(cloud, axis = 0)) over 0..100 GeV
  observable m = mass(sum(cloud, axis = 0))
  metrics ks, roc(second, kind == 1)
  assert roc(second, kind == 1) > 0.65
}
HGM
expect_exit 0 "$HGMC" run set.hgm --train events.h5 -o out --quiet
expect_exit 0 "$HGMC" score out --data events.h5 -o scores.csv --quiet
paste -d, events.csv scores.csv > both.csv
awk -F, 'function abs(x) { return x < 0 ? -x : x }
  function asinh(x) { return x < 0 ? -log(-x + sqrt(x * x + 1)) : log(x + sqrt(x * x + 1)) }
  function same(x, y, what) { if (abs(x - y) > 2e-4 * (1 + abs(y))) { print "row", NR, what, x, y; exit 1 } }
  NR == 1 { for (i = 1; i <= NF; i++) { at[$i] = i; if (!first && $i ~ /^particles/) first = i }; next }
  { e = x = y = z = ht = far = turned = n = 0
    for (p = 0; p < 6; p++) { c = first + 5 * p; if ($c != 1) continue
      t = sqrt($(c + 2)^2 + $(c + 3)^2); n++; e += $(c + 1); x += $(c + 2); y += $(c + 3); z += $(c + 4); ht += t; turned += $(c + 2) / t
      eta = abs(asinh($(c + 4) / t)); if (eta > far) far = eta }
    rows++; m = e * e - x * x - y * y - z * z
    same($at["jet_mass"], m > 0 ? sqrt(m) : 0, "mass"); same($at["ht"], ht, "ht"); same($at["far"], far, "eta"); same($at["masses"] / 100, n / 100, "masses")
    same($at["turned"], turned, "phi") }
  END { if (rows != 1500) exit 1 }' both.csv || fail "kinematics of the elements and of their sum"
# ---- what is drawn: e from the other three, zeros where nothing is, as many as n says; the same of a sampler
expect_exit 0 "$HGMC" sample out -n 400 -o drawn.csv --quiet
expect_exit 0 "$HGMC" build out -o sampler
expect_exit 0 ./sampler -n 400 -o sampled.csv --quiet
same_file drawn.csv sampled.csv
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if (!first && $i ~ /^particles/) first = i; next }
  { for (p = 0; p < 6; p++) { c = first + 5 * p; s = $(c + 2)^2 + $(c + 3)^2 + $(c + 4)^2
      if ($c == 1) { some++; d = $(c + 1)^2 - s; if ((d - 1)^2 > (1e-5 * s + 1e-2)^2) exit 1 } else if ($c != 0 || $(c + 1) != 0 || s != 0) exit 2; else none++ } rows++ }
  END { if (rows != 400 || some < 500 || none < 500) exit 3 }' drawn.csv || fail "elements of mass 1 GeV, and zeros (exit $?)"
# ---- components found by their names, in any order of the file
if python3 -c 'import h5py' 2> /dev/null; then
  python3 - << 'PYTHON' || fail "the same events in another order"
import h5py
with h5py.File("events.h5") as f, h5py.File("named.h5", "w") as named, h5py.File("turned.h5", "w") as turned:
    x = f["particles"][...]
    for file, order in (named, [0, 1, 2, 3, 4]), (turned, [0, 4, 2, 1, 3]):
        file["particles"] = x[..., order]
        file["particles"].attrs["columns"] = [["told", "part_E", "part_px", "part_py", "part_pz"][k] for k in order]
        file["kind"] = f["kind"][...]
PYTHON
  expect_exit 0 "$HGMC" run set.hgm --train turned.h5 -o turned --quiet
  expect_exit 0 "$HGMC" score turned --data turned.h5 -o turned.csv --quiet
  same_file scores.csv turned.csv
  expect_exit 1 "$HGMC" score turned --data named.h5 -o named.csv --quiet
  expect_text "the components of \`particles\` stand in another order in named.h5 than in the training file"
  expect_exit 0 "$HGMC" sample turned -n 400 -o order.csv --quiet
  awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if (!first && $i ~ /^particles/) first = i; next }
    FNR == NR { for (k = 0; k < 30; k++) x[FNR, k] = $(first + k); next }
    FNR > 1 { for (p = 0; p < 6; p++) { c = first + 5 * p; o = 5 * p; if ($c != x[FNR, o] || $(c + 1) != x[FNR, o + 4] || $(c + 2) != x[FNR, o + 2] || $(c + 3) != x[FNR, o + 1] || $(c + 4) != x[FNR, o + 3]) exit 1 } }' \
    drawn.csv order.csv || fail "written in the order of the file"
fi
