# From the moment when the manifest stands a run can be ended and loses nothing: SIGTERM finishes the step, saves, says how to go on; the command
# that it prints, and --resume after a kill that nobody can catch, end like a run that was never stopped.
. "$ROOT/tests/cli/lib.bash"
sed '/patience/d' "$ROOT/examples/vae/zgamma.hgm" > "my model.hgm" # a name that a shell takes apart
cp -r "$ROOT/examples/data" .
model() { $HGMC run "my model.hgm" --train data/zgamma.h5 --set widths=[16] --quiet "$@"; }
# like_whole DIR COMMAND …: the command trains the stopped run on for two epochs more than it has, to the weights of one that was never stopped
like_whole() {
  local dir=$1; shift
  epochs=$(($(cat $dir/metrics.csv 2> /dev/null | grep -c '^[0-9]') + 2))
  "$@" > log 2>&1; [ $? -le 1 ] || fail "the resumed run: $*"
  model --epochs $epochs -o whole --force > log 2>&1; [ $? -le 1 ] || fail "a run"
  same_weights whole/model.h5 $dir/model.h5
  [ "$(wc -l < $dir/metrics.csv)" -eq $((epochs + 1)) ] || fail "a header and $epochs epochs in the metrics"
}

exec_model() { exec $HGMC run "my model.hgm" --train data/zgamma.h5 --set widths=[16] --quiet --epochs 100000 -o "$1"; } # for hours
exec_model stopped > log 2>&1 &
pid=$!
await $pid test -s stopped/manifest.json
kill -TERM $pid; wait $pid; status=$?
[ $status -eq 143 ] || fail "exit 143 of a run that was told to stop, got $status"
expect_text "--resume"
tail -n 1 log > command
expect_exit 0 $HGMC sample stopped -n 10 -o early.csv
expect_text "note: the training of stopped has not ended; its weights so far are used"
printed() { sed "s/ 100000 / $epochs /" command | sh; }
like_whole stopped printed
$HGMC run "my model.hgm" --train data/zgamma.h5 --set widths=[16] --epochs $((epochs + 9)) -o stopped --resume > log 2>&1; [ $? -le 1 ] || fail "a run that is resumed at its end"
expect_text "this run was trained to its end, so nothing is left to do"
same_weights whole/model.h5 stopped/model.h5

exec_model killed > log 2>&1 &
pid=$!
await $pid test -s killed/manifest.json
kill -9 $pid; wait $pid 2> /dev/null
resumed() { model --epochs $epochs -o killed --resume; }
like_whole killed resumed

# what writes events leaves no half of a file, `hgmc sample` and a sampler alike
expect_exit 0 $HGMC build killed -o alone --quiet
for draw in "$HGMC sample killed" ./alone; do
  $draw -n 1G -o drawn.npy --quiet > log 2>&1 &
  pid=$!; await $pid sh -c 'test -s drawn.npy.tmp*'
  kill -TERM $pid; wait $pid; status=$?
  [ $status -eq 143 ] || fail "exit 143 of $draw, got $status"
  expect_text "events; drawn.npy is not written"
  [ -z "$(ls drawn.npy* 2> /dev/null)" ] || fail "nothing of a file that was not finished: $(ls drawn.npy*)"
done
