# hgmc bench: a row for training and one for each number of events drawn at a time, all of them positive; as JSON too.
. "$ROOT/tests/cli/lib.bash"
$HGMC run $jets --epochs 1 -o run > log 2>&1; [ $? -le 1 ] || fail "a run"
expect_exit 0 $HGMC bench run --threads 1 --seconds 0.01 --json rates.json
[ "$(grep -cE '^(train|generate) +1 +[1-9][0-9]* +[1-9][0-9]* +[0-9.]+( +[0-9.]+)?$' log)" -eq 6 ] || fail "six rows"
[ "$(grep -cE '"rate": [0-9.]+' rates.json)" -eq 6 ] || fail "six rates in rates.json"
expect_exit 2 $HGMC bench run --data missing.h5
expect_text "missing.h5"
mv run moved; sed -i 's,/jets.h5,/gone.h5,' moved/manifest.json
expect_exit 2 $HGMC bench moved --threads 1 --seconds 0.01
expect_text "--data"
expect_exit 0 $HGMC bench moved --threads 1 --seconds 0.01 --data $ROOT/examples/data/jets.h5
