# The main job on real data: train, sample, score, evaluate, look, and nothing is overwritten.
. "$ROOT/tests/cli/lib.bash"
expect_exit 0 $HGMC check $ROOT/examples/flows/jets.hgm --data $ROOT/examples/data/jets.h5
expect_text "no errors"
expect_exit 0 $HGMC show $ROOT/examples/flows/jets.hgm
expect_text "response"
$HGMC run $jets --epochs 1 -o run > log 2>&1; [ $? -le 1 ] || fail "a run (assertions on quality may fail after one epoch)"
for file in manifest.json metrics.csv best.h5 last.h5 model.h5 evaluation.json report.html; do [ -s run/$file ] || fail "run/$file"; done
expect_exit 0 $HGMC sample run --given $ROOT/examples/data/jets.h5 -n 3000 -o fake.h5
h5dump -H fake.h5 > log
for column in Jet_pt Jet_phi Jet_nConstituents Jet_puId GenJet_pt; do expect_text "DATASET \"$column\""; done
expect_text 'ATTRIBUTE "seed"'
h5dump -d Jet_puId fake.h5 | sed -n '/DATA {/,/}/p' | grep -oE '[0-9]+(,|$)' | tr -d , | sort -u | tr '\n' ' ' > ids
for id in $(cat ids); do case $id in 0|4|6|7) ;; *) fail "puId in 0 4 6 7, found $id" ;; esac; done
expect_exit 2 $HGMC sample run --given $ROOT/examples/data/jets.h5 -n 10 -o fake.h5
expect_text "--force"
expect_exit 0 $HGMC sample run --given $ROOT/examples/data/jets.h5 -n 10 -o fake.h5 --force
expect_exit 0 $HGMC sample run --given $ROOT/examples/data/jets.h5 -n 5 --keep GenJet_pt,GenJet_pt -o kept.csv
[ "$(head -n 1 kept.csv | tr , '\n' | grep -c '^GenJet_pt')" -eq 1 ] || fail "a given column once, found $(head -n 1 kept.csv)"
expect_exit 2 $HGMC sample run --given $ROOT/examples/data/jets.h5 -n 5 --keep Jet_pt -o kept2.csv
expect_text "--keep Jet_pt: the model draws a column of that name"
[ ! -e kept2.csv ] || fail "no file after a refusal"
expect_exit 0 $HGMC score run --data $ROOT/examples/data/jets.h5 -o score.h5
h5dump -H score.h5 > log; expect_text "( 44000 )"
$HGMC eval run --data $ROOT/examples/data/jets.h5 --json eval.json > log 2>&1; [ $? -le 1 ] || fail "an evaluation"
expect_text "Wasserstein"
[ -s eval.json ] || fail "eval.json"
$HGMC eval run --data $ROOT/examples/data/jets.h5 -o report.html > log 2>&1; [ $? -le 1 ] || fail "a report"
[ "$(grep -o '<svg' report.html | wc -l)" -eq "$(grep -v ' correlation: ' log | grep -cE '[0-9]  \([0-9.]+ \+- ')" ] || fail "a picture of each column"
tail -n 1 report.html | grep -qF '</html>' || fail "a whole page"
expect_exit 2 $HGMC eval run --data $ROOT/examples/data/jets.h5 -o report.html
expect_text "report.html: exists; add --force to replace it"
expect_exit 2 $HGMC eval run --data $ROOT/examples/data/jets.h5 --json eval.json
expect_text "eval.json: exists; add --force to replace it"
expect_exit 2 $HGMC eval run --data $ROOT/examples/data/jets.h5 -o nowhere/report.html
expect_text "nowhere/report.html: nothing can be written into nowhere: No such file or directory"
expect_exit 0 $HGMC inspect run
expect_text "sha256"
expect_exit 2 $HGMC run $jets --epochs 1 -o run
expect_text "--force"
