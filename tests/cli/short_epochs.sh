# Epochs shorter than a second share a checkpoint: what waits in memory is written when training stops, whatever stops it, so best.h5 always has the
# best epoch of metrics.csv, last.h5 the last one, and a run that was killed ends in the same weights.
. "$ROOT/tests/cli/lib.bash"
{ small_flow mlp | sed -e 's/epochs 1$/epochs 3000/' -e 's/^data.*/data d { x = ["a", "b"] |> standardize; split 0.5 \/ 0.5 }/'; } > m.hgm
two_columns > t.csv
number() { h5dump -y -d "position.$2" "$1" | sed -n 's/^ *\([-0-9.e+]*\)$/\1/p' | tr -d '\n'; } # FILE NAME
best() { awk -F, 'NR > 1 && $5 != "" && (best == "" || $5 + 0 < best + 0) { best = $5; step = $3 } END { print step }' "$1/metrics.csv"; }
last() { tail -n 1 "$1/metrics.csv" | cut -d, -f3; }
agrees() { # RUN
  [ "$(number "$1/best.h5" step)" = "$(best "$1")" ] || fail "$1/best.h5 at step $(best "$1"), found $(number "$1/best.h5" step)"
  [ "$(number "$1/last.h5" step)" -ge "$(last "$1")" ] || fail "$1/last.h5 at step $(last "$1"), found $(number "$1/last.h5" step)"
}
lines() { [ "$(wc -l < "$1/metrics.csv")" -gt "$2" ]; } # RUN N

$HGMC run m.hgm --train t.csv --quiet -o stopped > log 2>&1 &
pid=$!
await $pid lines stopped 40
kill -INT $pid; wait $pid
expect_text "--resume"
agrees stopped

$HGMC run m.hgm --train t.csv --quiet -o killed > log 2>&1 &
pid=$!
await $pid lines killed 40
kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
for run in killed stopped; do expect_exit 0 $HGMC run m.hgm --train t.csv --quiet -o $run --resume; done
expect_exit 0 $HGMC run m.hgm --train t.csv --quiet -o whole
[ "$(number whole/best.h5 step)" = "$(best whole)" ] || fail "whole/best.h5 at step $(best whole), found $(number whole/best.h5 step)"
for run in killed stopped; do same_weights whole/model.h5 $run/model.h5; done

# A loss that is no number any more: the best weights of the epochs before are there.
sed 's/adam(1e-3)/sgd(if step < 2000 then 1e-3 else 1e30)/' m.hgm > bad.hgm
expect_exit 1 $HGMC run bad.hgm --train t.csv --quiet -o bad
expect_text "finite"
[ "$(number bad/best.h5 step)" = "$(best bad)" ] || fail "bad/best.h5 at step $(best bad), found $(number bad/best.h5 step)"
