# `plateau`: the rate falls as ReduceLROnPlateau of PyTorch has it, and a run that is killed goes on in the middle of the ladder.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { print "a"; for (i = 0; i < 50; i++) print i % 7 }' > data.csv
cat > ladder.hgm <<'E2'
param length = 7
data d {
  x = "a"
  split 0.8 / 0.2 / 0
}
net down(x: real) -> (y: real) { learn w: real = 0; y = w }
# the slope is 1 always, so w is minus the sum of the rates; what is watched never gains
train {
  update down { minimize down(x); with sgd(plateau(1, factor = 0.5, patience = 1)) }
  batch 64
  epochs length
  watch -validation
  keep last
}
score { w = down(x) }
E2
weight() { $HGMC score $1 --data data.csv -o - --quiet 2> /dev/null | sed -n 2p; }
# one gain at first; then two epochs without one before each fall: 1 1 1 0.5 0.5 0.25 0.25 …
expect_exit 0 $HGMC run ladder.hgm --train data.csv -o seven --quiet
[ "$(weight seven)" = -4.5 ] || fail "w = -4.5 after seven epochs, found $(weight seven)"
expect_exit 0 $HGMC run ladder.hgm --train data.csv --set length=2000 -o whole --quiet
$HGMC run ladder.hgm --train data.csv --set length=2000 -o killed --quiet > log 2>&1 &
pid=$!
twenty() { [ "$(wc -l < killed/metrics.csv)" -gt 20 ]; }
await $pid twenty
kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
[ -e killed/model.h5 ] && echo "the run was finished before it could be killed"
expect_exit 0 $HGMC run ladder.hgm --train data.csv --set length=2000 -o killed --quiet --resume
same_weights whole/model.h5 killed/model.h5
sed 's/, factor = 0.5/, factor = 2/' ladder.hgm > wrong.hgm
expect_exit 1 $HGMC check wrong.hgm; expect_text "a factor between 0 and 1"
