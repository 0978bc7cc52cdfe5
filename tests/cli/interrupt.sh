# SIGTERM finishes the step, saves, says how to go on; the resumed run ends like one that was never stopped.
. "$ROOT/tests/cli/lib.bash"
$HGMC run $jets --epochs 2 -o whole > log 2>&1; [ $? -le 1 ] || fail "a run"
$HGMC run $jets --epochs 2 -o stopped > log 2>&1 &
pid=$!
for _ in $(seq 600); do [ -s stopped/manifest.json ] && break; sleep 0.05; done
sleep 0.4; kill -TERM $pid; wait $pid; status=$?
if [ $status -eq 143 ]; then
  expect_text "--resume"
  $HGMC run $jets --epochs 2 -o stopped --resume > log 2>&1; [ $? -le 1 ] || fail "the resumed run"
fi
same_weights whole/model.h5 stopped/model.h5
