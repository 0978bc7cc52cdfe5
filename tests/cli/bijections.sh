# `check --test`: bijections on random points. Wrong ones are named with a point; those of the library hold.
. "$ROOT/tests/cli/lib.bash"
cat > wrong.hgm <<'E1'
data d { x = ["a", "b", "c"] |> standardize; c = "c0" |> standardize }
bijection wrong_back(k)(x: real -> y: real) {
  forward { y = k * x + 0.1 * x^3; log_det = log(k + 0.3 * x^2) }
  inverse { x = y / k; log_det = -log(k + 0.3 * x^2) }
}
bijection wrong_det(x: real[n] -> y: real[n]) {
  forward { y = 2 * x; log_det = log(2) }
  inverse { x = y / 2; log_det = -log(2) }
}
bijection wrong_sign(x: real[n] -> y: real[n] | c: real[m]) {
  forward { y = x * exp(c[0]); log_det = 3 * c[0] }
  inverse { x = y * exp(-c[0]); log_det = 3 * c[0] }
}
bijection wrong_map(log_scale, shift)(x: real -> y: real) {
  forward { y = x * exp(log_scale) + shift; log_det = log_scale }
  inverse { x = (y - shift) * exp(-log_scale); log_det = log_scale }
}
flow f(x | c) {
  base normal
  wrong_back(2.0)
  wrong_det
  wrong_sign
  coupling(fn (p) = wrong_map(p[..., 0], p[..., 1]), 2, mlp([8]))
}
train { update f { minimize -log_prob(f, x | c); with adam(1e-3) }; batch 10; epochs 1 }
E1
expect_exit 0 "$HGMC" check wrong.hgm
expect_exit 1 "$HGMC" check --test wrong.hgm
expect_text "error[sides-differ]: \`wrong_back\`: inverse(forward(x)) differs from x by"
expect_text "error[det-differs]: \`wrong_det\`: log_det of forward differs from the Jacobian's by 1.4"
expect_text "0.693147, and the Jacobian has 2.07944"
expect_text "error[det-differs]: \`wrong_sign\`: log_det of inverse is not minus that of forward"
expect_text "error[det-differs]: \`wrong_map\`"
expect_text "4 errors" # and none about the library's coupling that is made of a wrong map

# the library: every bijection that has both directions, with and without a condition and an angle
cat > library.hgm <<'E2'
data d { x = ["a", "b", "c", "e"] |> standardize; phi = "phi" in rad |> wrap; image: real[2, 4, 2] = "image"; c = ["c0", "c1"] |> standardize }
flow f(x | c) {
  base normal
  linear_lu
  affine_coupling(mlp([8]))
  reverse
  spline_coupling(6, subnet = mlp([8]), flip = true)
  permute
  maf([8])
  iaf([8])
  spline_maf(4, widths = [8])
  rotate
  scale_shift
  act_norm
  continuous(mlp([8], act = tanh), steps = 40)
  spline_coupling(6, subnet = mlp([8]), most = 20)
  linear_coupling(6, subnet = mlp([8]))
  cubic_coupling(6, subnet = mlp([8]), flip = true)
  batch_norm_flow
}
flow i(image | c) {
  base normal
  image_coupling(1, 2, 8, 4)
  conv1x1(8)
  unsqueeze(2, 4, 2)
  image_coupling(2, 4, 2, 4, spline_map(4, tail = 4.0), size = 11)
  conv1x1(2)
}
flow g(x, phi) { base normal; spline_coupling(5, subnet = mlp([8])); turn; permute; spline_coupling(5, subnet = mlp([8]), flip = true) }
flow b(x) { base uniform(-8, 8); box_coupling(5, reach = 8, subnet = mlp([8])); reverse }
flow p(z: real[3] | c) { base normal; planar; radial; sylvester }
train {
  z ~ p | c
  update f, g, b, i, p { minimize -log_prob(f, x | c) - log_prob(i, image | c) - log_prob(g, x, phi) - log_prob(b, x) + log_prob(p, z | c) + sum(z^2); with adam(1e-3) }
  batch 10
  epochs 1
}
E2
expect_exit 0 "$HGMC" check --test library.hgm
tried=$(sed -n 's/ bijections tried on random points.*//p' log)
[ "${tried:-0}" -ge 35 ] || fail "35 bijections or more, found ${tried:-none}"

# an integral in few steps is a warning with the worst point; a field that reads a condition is named as not tried
cat > steps.hgm <<'E3'
data d { x = ["a", "b"] |> standardize; c = "c0" |> standardize }
net velocity(x: real[2], t: real, c: real) -> (v: real[2]) = concat(x, t, c) |> mlp([8], act = tanh) |> dense(2)
flow f(x) { base normal; continuous(mlp([8], act = tanh), steps = 2) }
flow g(x | c) { base normal; transport(fn (x, t) = velocity(x, t, c)) }
train { update f, velocity { minimize -log_prob(f, x) - log_prob(g, x | c); with adam(1e-3) }; batch 10; epochs 1 }
E3
expect_exit 0 "$HGMC" check --test steps.hgm
expect_text "warning[inexact]: \`continuous\`: inverse(forward(x)) differs from x by"
expect_text "not tried, because a setting needs the rest of the model: \`transport\`"
# points outside of what a bijection takes: counted, and not held for tried
cat > part.hgm <<'E4'
data d { x = ["a", "b"] |> standardize }
bijection curve(x: real -> y: real) {
  forward { y = log(x); log_det = -log(x) }
  inverse { x = exp(y); log_det = y }
}
flow f(x) { base normal; linear_lu; curve }
train { update f { minimize -log_prob(f, x); with adam(1e-3) }; batch 10; epochs 1 }
E4
expect_exit 0 "$HGMC" check --test part.hgm
grep -Eq 'warning\[partly-tried\]: `curve` gives no number at [1-9][0-9] of 64 random points' log || fail "how many points were left out: $(cat log)"
