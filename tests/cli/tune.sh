# hgmc tune: a search is the same whoever does it: alone, two processes on one directory, stopped and begun again.
. "$ROOT/tests/cli/lib.bash"
cat > toy.hgm << 'HGM'
param width = 8      tune 2..32 log
param kind  = "relu" tune ["relu", "tanh"]
param rate  = 1e-2   tune 1e-4..1e-1 log
param depth = 1      tune 1..3 when kind == "tanh"
data d {
  x = "GenJet_pt" |> log |> standardize
  y = "Jet_pt" |> log |> standardize
  split 0.8 / 0.1 / 0.1
}
net f(x: d.x) -> d.y = x |> mlp([width for i in range(0, depth)], act = if kind == "relu" then relu else tanh) |> dense(1)
train {
  update f { minimize (f(d.x) - d.y)^2; with adam(rate) }
  batch 1024
  epochs 4
}
HGM
data=$ROOT/examples/data/jets.h5
tune() { timeout "${HGM_LIMIT:-300}" $HGMC tune toy.hgm --train "$data" --trials 5 --prune 2 "$@" > log 2>&1 < /dev/null; }
tune -o one || fail "a search"
expect_text "rung 3 of 3"
[ "$(sed 1d one/tune.csv | wc -l)" -eq 5 ] || fail "five trials in tune.csv"
[ "$(cut -d, -f2 one/tune.csv | tr '\n' ' ')" = "epochs 4 4 2 1 1 " ] || fail "the best half to go on, twice as long: $(cat one/tune.csv)"
sed 1d one/tune.csv | cut -d, -f3 | head -2 | sort -gc || fail "the best first"
grep -q '^0,[124],[0-9.e-]*,8,relu,1e-2,1$' one/tune.csv || fail "the defaults among them: $(cat one/tune.csv)"
grep ',relu,' one/tune.csv | grep -vq ',1$' && fail "depth to keep its default where its condition does not hold"
awk -F, 'NR > 1 && ($4 < 2 || $4 > 32 || $6 < 1e-4 || $6 > 1e-1 || $7 < 1 || $7 > 3) { exit 1 }' one/tune.csv || fail "values inside their ranges"

# ---- the line of the best gives the same weights in one go as by rungs
best=$(sed -n '2s/,.*//p' one/tune.csv)
again=$(sed -n 's/^  hgmc //p' log)
[ -n "$again" ] || fail "the command of the best"
eval "$HGMC $again --quiet -o again" > log 2>&1 || fail "the command of the best to run"
same_weights again/model.h5 "one/trial-$(printf %03d "$best")/model.h5"

# ---- again, together, and after a stop
cp one/tune.csv first.csv
tune -o one || fail "the same search again"; same_file first.csv one/tune.csv
tune -o two & pid=$!
timeout "${HGM_LIMIT:-300}" $HGMC tune toy.hgm --train "$data" --trials 5 --prune 2 -o two > log.2 2>&1 < /dev/null || { cat log.2; fail "a second process"; }
wait $pid || fail "the first process"
same_file first.csv two/tune.csv
$HGMC tune toy.hgm --train "$data" --trials 5 --prune 2 -o three > log 2>&1 < /dev/null & pid=$!
compared() { ls three/*.rung-0; }
await $pid compared
kill -TERM $pid; wait $pid; status=$?
[ $status -eq 143 ] || [ $status -eq 0 ] || fail "exit code 143, found $status"
tune -o three || fail "to go on"; same_file first.csv three/tune.csv

# ---- random points differ; what cannot be trained is said and comes last
tune -o random --search random || fail "random search"
cmp -s first.csv random/tune.csv && fail "other points"
sed -e 's/rate  = 1e-2   tune 1e-4..1e-1 log/rate = 1e-2 tune [1e-2, 1e38]/' toy.hgm > wild.hgm
expect_exit 0 $HGMC tune wild.hgm --train "$data" --trials 4 --prune 1 --epochs 1 -o wild
expect_text "failed"
tail -n 1 wild/tune.csv | grep -q '^[0-9]*,[0-9]*,,' || fail "a failed trial last: $(cat wild/tune.csv)"

# ---- refusals
expect_exit 2 $HGMC tune toy.hgm --train "$data" --trials 6 --prune 2 -o one; expect_text "another search"
expect_exit 2 $HGMC tune toy.hgm --train "$data" --search grid -o grid; expect_text "--search quasi|random: expected one of these, found \`grid\`"
expect_exit 1 $HGMC tune toy.hgm --train "$data" --set width=4 --set 'kind="relu"' --set rate=0.1 --set depth=2 -o none; expect_text "which leaves nothing to search"
expect_exit 2 $HGMC tune toy.hgm --train missing.h5 --trials 2 -o missing; expect_text "missing.h5"

# ---- few points: each is tried once; the line of the best has what the search was told; a search that never began leaves its directory free
sed -e 's/ tune 2..32 log//; s/1e-4..1e-1 log/[1e-2, 0.01, 3e-2]/; s/ tune 1..3 when.*//; s/epochs 4/epochs 1/' toy.hgm > few.hgm
expect_exit 2 $HGMC tune few.hgm --train none.h5 --valid "$data" -o few --quiet
cp few.hgm "it's few.hgm"
few() { expect_exit 0 $HGMC tune "it's few.hgm" --train "$data" --valid "$data" --precision f64 --trials 9 -o few; }
few; expect_text "note: the ranges have 4 points, and not 9"; expect_text "--valid $data --precision f64"
expect_text "hgmc run 'it'\\''s few.hgm' --train $data"
[ "$(sed 1d few/tune.csv | wc -l)" -eq 4 ] || fail "four trials: $(cat few/tune.csv)"
[ "$(sed 1d few/tune.csv | cut -d, -f4,5 | sed 's/1e-2/0.01/' | sort -u | wc -l)" -eq 4 ] || fail "that differ: $(cat few/tune.csv)"
expect_exit 1 $HGMC tune few.hgm --train "$data" --set 'kind="tanh"' --set rate=1e-2 -o none
expect_text "each param of few.hgm with a range is turned by --set"
