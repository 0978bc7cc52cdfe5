# The log-probability of a drawn event is known from the draw; evaluated again from the file it is the same: in float32 p99.9 <= 1e-4 and at most
# 5e-4 where slopes are bounded, in float64 1e-10. The flows are trained a little, so that their splines bend.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { print "a,b,c"; for (i = 1; i <= 4000; i++) { u = i * 0.8191725134 % 1; v = i * 0.6710436067 % 1; w = i * 0.5497004779 % 1
  a = u + v - 1; printf "%.6f,%.6f,%.6f\n", a, a * a + 0.3 * w, a * w + 0.2 * v } }' > data.csv
cat > flows.hgm <<'E1'
data d { x = ["a", "b", "c"] |> standardize; split 0.9 / 0.1 / 0 }
flow coupling(x) { base normal; repeat 4 { spline_coupling(8, tail = 4, subnet = mlp([16]), most = 10); linear_lu; permute } }
flow affine_flow(x) { base normal; repeat 4 as i { affine_coupling(mlp([16]), flip = i % 2 == 1) } }
flow masked(x) { base normal; repeat 3 { maf([16]); reverse } }
flow inverse_masked(x) { base normal; repeat 3 { iaf([16]); reverse } }
train {
  update coupling, affine_flow, masked, inverse_masked {
    minimize -log_prob(coupling, x) - log_prob(affine_flow, x) - log_prob(masked, x) - log_prob(inverse_masked, x)
    with adam(3e-3), clip(20)
  }
  batch 256
  epochs 4
}
generate coupling    { x ~ coupling; drawn = log_prob(coupling, x) }
generate affine_flow { x ~ affine_flow; drawn = log_prob(affine_flow, x) }
generate masked      { x ~ masked; drawn = log_prob(masked, x) }
generate inverse_masked { x ~ inverse_masked; drawn = log_prob(inverse_masked, x) }
score {
  coupling = log_prob(coupling, x)
  affine_flow = log_prob(affine_flow, x)
  masked = log_prob(masked, x)
  inverse_masked = log_prob(inverse_masked, x)
}
E1
# closest PRECISION P99.9 MOST
closest() {
  expect_exit 0 "$HGMC" run flows.hgm --train data.csv --precision $1 -o run_$1 --quiet
  for flow in coupling affine_flow masked inverse_masked; do
    expect_exit 0 "$HGMC" sample run_$1 $flow -n 10000 -o drawn.h5 --force
    expect_exit 0 "$HGMC" sample run_$1 $flow -n 10000 -o drawn.csv --force
    expect_exit 0 "$HGMC" score run_$1 --data drawn.h5 -o again.csv --force
    column=$(head -n 1 again.csv | tr ',' '\n' | grep -nx $flow | cut -d: -f1)
    paste -d, <(tail -n +2 drawn.csv | cut -d, -f4) <(tail -n +2 again.csv | cut -d, -f$column) |
      awk -F, '{ d = $1 - $2; print d < 0 ? -d : d }' | sort -g > apart
    [ "$(wc -l < apart)" = 10000 ] || fail "10000 numbers of $flow"
    echo "$1 $flow: p99.9 $(sed -n 9990p apart), most $(tail -n 1 apart)"
    awk -v at="$(sed -n 9990p apart)" -v most="$(tail -n 1 apart)" "BEGIN { exit !(at <= $2 && most <= $3) }" ||
      fail "$1 $flow: p99.9 at most $2, all at most $3, found $(sed -n 9990p apart) and $(tail -n 1 apart)"
  done
}
closest f32 1e-4 5e-4
closest f64 1e-10 1e-10
