# The same bits: for one thread and two, after kill -9 and --resume, for events drawn alone or among others.
. "$ROOT/tests/cli/lib.bash"
run() { $HGMC run $jets --epochs 8 "$@" > log 2>&1; [ $? -le 1 ] || fail "run $*"; }
run --threads 1 -o one
run --threads 2 -o two
same_weights one/model.h5 two/model.h5
$HGMC run $jets --epochs 8 --threads 2 -o killed > log 2>&1 &
pid=$!
await $pid test -s killed/last.h5
sleep 0.15; kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
[ -e killed/model.h5 ] && echo "the run was finished before it could be killed"
run --threads 1 -o killed --resume
same_weights one/model.h5 killed/model.h5
given="--given $ROOT/examples/data/jets.h5 --quiet"
expect_exit 0 $HGMC sample one $given -n 10000 -o all.csv --threads 2
expect_exit 0 $HGMC sample one $given -n 1000 --first-event 1000 -o part.csv --threads 1
sed -n '1002,2001p' all.csv > a; tail -n +2 part.csv > b
[ "$(wc -l < a)" -eq 1000 ] || fail "a thousand events"
same_file a b
