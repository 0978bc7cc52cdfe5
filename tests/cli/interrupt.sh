# SIGTERM finishes the step, saves, says how to go on; the command that it prints ends like a run that was never stopped.
. "$ROOT/tests/cli/lib.bash"
$HGMC run $jets --epochs 2 -o whole > log 2>&1; [ $? -le 1 ] || fail "a run"
cp -r "$ROOT/examples/data" .; cp "$ROOT/examples/flows/jets.hgm" "my jets.hgm" # a name that a shell takes apart
$HGMC run "my jets.hgm" --train data/jets.h5 $quick --epochs 2 -o stopped > log 2>&1 &
pid=$!
for _ in $(seq 600); do [ -s stopped/manifest.json ] && break; sleep 0.05; done
sleep 0.4; kill -TERM $pid; wait $pid; status=$?
if [ $status -eq 143 ]; then
  expect_text "--resume"
  tail -n 1 log > command
  expect_exit 0 $HGMC sample stopped --given data/jets.h5 -n 10 -o early.csv
  expect_text "note: the training of stopped has not ended; its weights so far are used"
  sh ./command > log 2>&1; [ $? -le 1 ] || fail "the resumed run"
fi
same_weights whole/model.h5 stopped/model.h5
$HGMC run "my jets.hgm" --train data/jets.h5 --set layers=4 --set width=16 --set bins=4 --epochs 9 -o stopped --resume > log 2>&1; [ $? -le 1 ] || fail "a run that is resumed at its end"
expect_text "this run was trained to its end, so nothing is left to do"
[ "$(wc -l < stopped/metrics.csv)" -eq 3 ] || fail "a header and two epochs in the metrics"
same_weights whole/model.h5 stopped/model.h5
