# The last batch of an epoch has fewer events: it is a step of its own, and its mean is over its own events (numerics.md 12).
. "$ROOT/tests/cli/lib.bash"
cat > model.hgm <<'M'
data d { x = "x"; split 1 / 0 / 0 }
layer shift(x: real) -> (y) {
  learn b: real = 0
  y = x + b
}
net n(x: d.x) -> (y: real) = x |> shift
train {
  update n {
    minimize n(x)^2
    with sgd(0.1)
  }
  batch 4
  epochs 1
}
score { left = n(x) }
M
{ echo x; yes 1 | head -n 10; } > data.csv
expect_exit 0 $HGMC run model.hgm --train data.csv -o run --precision f64
expect_text "loss 0.73792" # (4 x 1 + 4 x 0.64 + 2 x 0.4096) / 10
expect_exit 0 $HGMC score run --data data.csv -o left.csv --precision f64
# each of three steps leaves 0.8 of n; without the third it were 0.64, with the third counted as half a batch 0.576
awk -F, 'NR > 1 && ($1 - 0.512)^2 > 1e-24 { exit 1 } END { exit NR != 11 }' left.csv || { cat left.csv > log; fail "0.512 ten times"; }
