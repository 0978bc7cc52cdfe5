# Wrong data, wrong files, wrong runs: each is refused with its place and a cure, and nothing that was good is lost.
. "$ROOT/tests/cli/lib.bash"

# flow_model FILE SOURCE [extra term of the loss]: an affine flow over columns a and b.
flow_model() {
  cat > "$1" << END
data d {
  x = $2 |> standardize
}
flow f(x) {
  base normal
  repeat 2 { affine_coupling(subnet = mlp([8])); reverse }
}
train {
  update f {
    minimize -log_prob(f, x) ${3:-}
    with adam(1e-3)
  }
  batch 32
  epochs 4
}
generate { x ~ f }
END
}
# table FILE [LINE TEXT]: 200 rows of a and b, one line replaced.
table() {
  awk -v line="${2:-0}" -v text="${3:-}" 'BEGIN {
    srand(5); print "a,b"
    for (i = 2; i <= 201; i++) { row = sprintf("%.6f,%.6f", rand() - 0.5, rand() + rand()); print i == line ? text : row }
  }' > "$1"
}
# refused CODE TEXT… : `check` and `run` on bad.csv with flow.hgm end with CODE and say each text
refused() {
  local code=$1; shift
  for mode in "check flow.hgm --data" "run flow.hgm -o refused --epochs 1 --train"; do
    expect_exit $code $HGMC $mode $bad
    for text in "$@"; do expect_text "$text"; done
    [ ! -e refused/model.h5 ] || fail "no weights after a refusal"
  done
}
# run_refused CODE TEXT… : what only the values tell
run_refused() {
  local code=$1; shift
  expect_exit $code $HGMC run flow.hgm --train $bad -o refused --epochs 1 --force
  for text in "$@"; do expect_text "$text"; done
  [ ! -e refused/model.h5 ] || fail "no weights after a refusal"
}
flow_model flow.hgm '["a", "b"]'
table good.csv
bad=bad.csv

# ---- a missing column, with the nearest names
sed '1s/.*/A,bb/' good.csv > bad.csv
refused 1 "error[column-missing]" "bad.csv has no column \`a\`; did you mean \`A\`?" "its columns are \`A\`, \`bb\`" "flow.hgm:2:8" "bad.csv has no column \`b\`; did you mean \`A\` or \`bb\`?"
sed '1s/.*/something,else/' good.csv > bad.csv
refused 1 "bad.csv has none of the columns that the model reads: \`a\`, \`b\`; it has \`something\`, \`else\`; is it the right file?"
flow_model four.hgm '["Jet_pt", "Jet_mass", "Jet_phi", "Jet_nMuons"]'
printf 'mlly,MET_phi,Nj\n1,2,3\n' > dilepton.csv # one name alike of four is chance
expect_exit 1 $HGMC check four.hgm --data dilepton.csv
expect_text "\`Jet_nMuons\`; it has \`mlly\`, \`MET_phi\`, \`Nj\`; is it the right file?"
printf 'jet_pt,jet_mass,x,y\n1,2,3,4\n' > spelt.csv # two of four were spelt otherwise
expect_exit 1 $HGMC check four.hgm --data spelt.csv
expect_text "spelt.csv has no column \`Jet_pt\`; did you mean \`jet_pt\`?"
sed '1s/.*/a,c/' good.csv > other.csv
expect_exit 1 $HGMC check flow.hgm --data good.csv --data other.csv
expect_text "other.csv has no column \`b\`, which good.csv has"

# ---- text where numbers should be
sed '2,$s/,.*/,muon/' good.csv > bad.csv
refused 1 "error[column-text]" "\`b\` of bad.csv holds text" "flow.hgm:2:13" "class of ["
table bad.csv 17 "0.5,many"
refused 1 "column \`b\` should hold numbers, but line 17 has \`many\`" "correct the file"
table bad.csv 18 '0.5,"1,5"'
refused 1 "line 18 has \`1,5\` (a decimal comma?)"

# ---- rows
table bad.csv 52 "0.5"
refused 1 "bad.csv, line 52: 1 cells where the header has 2" "correct the line"
table bad.csv 53 "0.5,1,2"
refused 1 "bad.csv, line 53: 3 cells where the header has 2"
{ cat good.csv; printf '0.5'; } > bad.csv
refused 1 "bad.csv, line 202: the file ends in the middle of a row"
: > bad.csv
refused 1 "bad.csv: the file is empty"
echo a,b > bad.csv
refused 1 "bad.csv: column \`a\` has no rows"
tail -n +2 good.csv > bad.csv
refused 1 "line 1: holds numbers where the names of the columns should stand"

# ---- values
table bad.csv 12 "nan,1"
run_refused 1 "bad.csv: column \`a\` has 1 NaN (first in row 10), rows counted from 0" "missing(nan, replace ="
table bad.csv 13 "0.5,"
run_refused 1 "column \`b\` has 1 NaN (first in row 11)"
table bad.csv 14 "0.5,-inf"
run_refused 1 "column \`b\` has 1 infinity (first in row 12)" "leave those rows out"
sed '5~9s/,.*/,-999/' good.csv > bad.csv
expect_exit 0 $HGMC run flow.hgm --train bad.csv -o sentinel --epochs 1
expect_text "warning: bad.csv: column \`b\` has 22 times -999, far from the rest (first in row 3)"
expect_text "missing(-999, replace ="
sed '2,$s/,.*/,7/' good.csv > bad.csv
expect_exit 0 $HGMC run flow.hgm --train bad.csv -o constant --epochs 1
expect_text "warning: column \`b\` of bad.csv is constant (7 everywhere)"
! grep -qi 'nan' constant/metrics.csv || fail "a loss that is a number with a constant column"
# ---- a row alone is neither trained on, where the split gives it away, nor compared
sed 2q good.csv > single.csv
flow_model cut.hgm '["a", "b"]'
sed -i '2s/$/\n  split 0.1 \/ 0.1 \/ 0.8/' cut.hgm
expect_exit 1 $HGMC run cut.hgm --train single.csv -o refused --force
expect_text "no event of single.csv is left to train on: of 1 row \`split\` gives all away; give more events, or a larger first part"
expect_exit 1 $HGMC eval constant --data single.csv; expect_text "d has 1 event after the cuts; two at least are compared"
# ---- a validation loss that is none: the block, the operation, its place and the event, said once
cat > logs.hgm << 'END'
data d { a = "a" }
net f(a: d.a) -> real = a |> dense(1)
train { update f { minimize (f(a) - log(a + 0.4))^2; with adam(1e-3) }; batch 32; epochs 3 }
END
awk -F, 'NR == 1 || $1 > -0.3' good.csv > above.csv
expect_exit 0 $HGMC run logs.hgm --train above.csv --valid good.csv -o logs --quiet
expect_text "warning: validation: the loss of \`update f\` is not finite in step "
expect_text ": \`log\` at logs.hgm:3:37 gives the first number that is not finite, of -0."
expect_text "an epoch without a validation loss is not taken for the best"
[ "$(grep -c validation: log)" = 1 ] || fail "it to be said once"
# ---- cuts that leave nothing: which of them, what they looked at, and the unit, which may be the reason; those that only together leave nothing
cut_away() { # COLUMNS CUTS TEXT…: the table with energies from 20 to 118 in place of a
  flow_model cut.hgm "$1"
  sed -i "2s/\$/\n  $2/" cut.hgm
  shift 2
  awk -F, -v OFS=, 'NR > 1 { $1 = 20 + (NR - 2) % 99 } 1' good.csv > bad.csv
  expect_exit 1 $HGMC run cut.hgm --train bad.csv -o refused --force
  for text in "$@"; do expect_text "$text"; done
}
cut_away '"a"' 'where x > 300 GeV and "b" > -1' "no event of bad.csv is left to train on: \`where\` cuts all 200 rows: \`x > 300 GeV\` holds in none of 200, where \`x\` lies between 20 and 118; widen it, or give the columns the unit that the file has: \`in GeV\`"
! grep -q '`"b"' log || fail "no word of a cut that leaves all"
cut_away '"a" in MeV' 'where abs(x) > 5 * 1e3' "\`abs(x) > 5 * 1e3\` holds in none of 200, where \`abs(x)\` lies between 20 and 118 MeV and \`5 * 1e3\` is 5000; widen it, or give"
cut_away '"a"' 'where x < 30; where x > 69' "cuts all 200 rows: \`x < 30\` holds in 22, where \`x\` lies between 20 and 118; \`x > 69\` holds in 98, where" "118; widen one of them"
cut_away '"a"' 'where x < 0 or x > 500' "cuts all 200 rows: \`x < 0 or x > 500\` holds in none of 200; widen it"
cat > log.hgm << 'END'
data d { x = ["a", "b"] |> log |> standardize }
flow f(x) { base normal; affine_coupling(subnet = mlp([8])) }
train { update f { minimize -log_prob(f, x); with adam(1e-3) }; batch 32; epochs 1 }
END
expect_exit 1 $HGMC run log.hgm --train good.csv -o refused --force
said='`log` of `x` takes positive numbers, and [0-9]* of 160 rows of good.csv have others: the first is row \([0-9]*\) with \([-.0-9]*\);.*'
read -r row value < <(sed -n "s/.*$said/\1 \2/p" log)
[ -n "$value" ] || fail "the first row that has no logarithm"
awk -F, -v row="$row" -v value="$value" 'NR == row + 2 { d = $1 - value; near = value < 0 && d < 1e-5 && d > -1e-5 } END { exit !near }' good.csv || fail "$value in row $row of good.csv"

# ---- files that are not what their name says
bad=bad.h5
echo "hello, I am text" > bad.h5
refused 1 "bad.h5: this is not an HDF5 file"
: > bad.h5
refused 1 "bad.h5" "empty"
head -c 300000 "$ROOT/examples/data/jets.h5" > bad.h5
refused 1 "bad.h5: the HDF5 file is truncated or damaged" "copy or make it again"
expect_exit 0 $HGMC run flow.hgm --train good.csv -o archived --epochs 1
expect_exit 0 $HGMC sample archived -n 200 -o bad.npz
entry=$(LC_ALL=C grep -abo "$(printf 'PK\1\2')" bad.npz | head -n 1 | cut -d: -f1)
printf '\377\377\0\0' | dd of=bad.npz bs=1 seek=$((entry + 24)) conv=notrunc 2> /dev/null # a stored member that says it is longer than what it holds
bad=bad.npz; refused 1 "bad.npz, member a.npy: the archive is truncated or damaged"
bad=nowhere.csv; refused 2 "nowhere.csv: cannot be opened: No such file"
mkdir folder; bad=folder; refused 2 "folder: is a directory, not a file"
gzip -c good.csv > good.csv.gz; bad=good.csv.gz; refused 2 "good.csv.gz: packed files are not read; unpack it first"
mkdir folder.csv; bad=folder.csv; refused 2 "folder.csv: is a directory, not a file"
cp good.csv data.root; bad=data.root; refused 2 "data.root: ROOT files are not read; convert it with uproot"
cp good.csv data.dat; bad=data.dat; refused 2 "save it as .csv"
bad='none*.csv'; refused 2 "no file matches none*.csv"

# ---- a condition file without the needed columns; texts that the model does not list
cat > given.hgm << 'END'
data d {
  x = ["a", "b"] |> standardize
  region: class of ["EB", "EE"] = "region"
}
flow f(x | region) {
  base normal
  repeat 2 { affine_coupling(subnet = mlp([8])); reverse }
}
train {
  update f { minimize -log_prob(f, x | region); with adam(1e-3) }
  batch 32
  epochs 1
}
generate given region { x ~ f | region }
END
awk -F, -v OFS=, 'NR == 1 { print $0, "region"; next } { print $0, NR % 3 ? "EB" : "EE" }' good.csv > regions.csv
expect_exit 0 $HGMC run given.hgm --train regions.csv -o given
expect_exit 1 $HGMC sample given --given good.csv -n 10 -o drawn.csv
expect_text "good.csv has no column \`region\`"
[ ! -e drawn.csv ] || fail "no output after a refusal"
printf 'region\nEB\nHF\n' > regions2.csv
expect_exit 1 $HGMC sample given --given regions2.csv -n 10 -o drawn.csv
expect_text "column \`region\` has \"HF\" in row 1, which the model does not list (\"EB\", \"EE\"); add it to the list or correct the file"
expect_exit 2 $HGMC sample given -n 10 -o drawn.csv
expect_text "this generator is given \`region\`: say where they are with --given FILE, or pin them with --fix"
expect_exit 2 $HGMC sample given --fix region=HF -n 10 -o drawn.csv
expect_text "--fix region=HF: the model does not list this value; it lists EB, EE"
expect_exit 0 $HGMC sample given --fix region=EE -n 10 -o drawn.csv --force
! grep -q EB drawn.csv || fail "only the pinned region"
rm drawn.csv
expect_exit 1 $HGMC score given --data regions.csv -o score.csv
expect_text "score"

# ---- a run directory of another model, and no run at all
expect_exit 0 $HGMC run flow.hgm --train good.csv -o run --epochs 1
sed 's/mlp(\[8\])/mlp([16])/' flow.hgm > wide.hgm
cp run/model.h5 before.h5
expect_exit 1 $HGMC run wide.hgm --train good.csv -o run --resume --epochs 2
expect_text "another model"
expect_text "train into a new directory"
same_file run/model.h5 before.h5
mkdir empty; expect_exit 1 $HGMC sample empty -n 10 -o drawn.csv
expect_text "empty: is no run of hgmc"
expect_exit 2 $HGMC run flow.hgm --train good.csv -o empty --resume
expect_text "empty: holds no run to resume"
cp -r run broken; head -c 1000 run/model.h5 > broken/model.h5
expect_exit 1 $HGMC sample broken -n 10 -o drawn.csv
expect_text "broken/model.h5: the checkpoint is truncated or damaged"
cp -r run mixed; cp given/model.h5 mixed/model.h5
expect_exit 1 $HGMC sample mixed -n 10 -o drawn.csv
expect_text "mixed/model.h5 belongs to another model"
cp -r run torn; head -c 100 run/manifest.json > torn/manifest.json
expect_exit 1 $HGMC sample torn -n 10 -o drawn.csv
expect_text "torn/manifest.json"
expect_exit 2 $HGMC sample run --given good.csv -n 10 -o drawn.csv
expect_text "this generator is given nothing"
expect_exit 0 $HGMC run flow.hgm --train good.csv -o run --epochs 2 --force
[ "$(wc -l < run/metrics.csv)" -eq 3 ] || fail "two lines and a header in the metrics of a run that replaced another"

# ---- a loss that becomes non-finite: term, step, source line, event; the last good weights are kept
flow_model burst.hgm '["a", "b"]' '+ log(1.5 - epoch)'
expect_exit 1 $HGMC run burst.hgm --train good.csv -o burst
expect_text "the loss of"
expect_text "is not finite in step"
expect_text "burst.hgm:10:"
expect_text "for event"
expect_text "the last good weights are kept"
expect_exit 0 $HGMC sample burst -n 100 -o drawn.csv
! grep -qi nan drawn.csv || fail "numbers from the last good weights"
flow_model fast.hgm '["a", "b"]'
sed -i 's/adam(1e-3)/sgd(1e30)/' fast.hgm
expect_exit 1 $HGMC run fast.hgm --train good.csv -o fast
expect_text "is not finite in step"
expect_text "a smaller learning rate"
[ ! -e fast/model.h5 ] || fail "no model after the first steps failed"

# ---- a full disk: what was saved before stays whole, and the run goes on when there is room again
mkdir small
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=200k none small 2> /dev/null; then
  trap 'umount "$SCRATCH/small"' EXIT
  room() { rm -f small/filler; head -c $(($(df -k --output=avail small | tail -n 1) * 1024 - $1 * 1024)) /dev/zero > small/filler; }
  expect_exit 0 $HGMC run flow.hgm --train good.csv -o whole --epochs 3
  expect_exit 0 $HGMC run flow.hgm --train good.csv -o small/run --epochs 2
  cp -r small/run kept
  room 0
  expect_exit 2 $HGMC run flow.hgm --train good.csv -o small/run --epochs 3 --force
  expect_text "small/run/manifest.json: cannot be written: No space left on device"
  expect_text "the file as it was before is untouched"
  for file in best.h5 last.h5 model.h5 manifest.json metrics.csv; do same_file small/run/$file kept/$file; done
  for free in 0 4 8 12; do
    room $free
    for ending in h5 csv npy npz; do
      expect_exit 2 $HGMC sample small/run -n 20000 -o small/drawn.$ending
      expect_text "small/drawn.$ending"
      expect_text "No space left on device"
      [ -z "$(ls small | grep drawn)" ] || fail "no half file"
    done
  done
  rm -r small/run
  room 40 # enough for the first epoch's weights, best and last, and not for the second's
  expect_exit 2 $HGMC run flow.hgm --train good.csv -o small/run --epochs 3
  expect_text "train epoch 1"
  expect_text "cannot be written: No space left on device; the file as it was before is untouched"
  ls small/run > log
  ! grep -q tmp log || fail "no half file"
  expect_exit 0 $HGMC sample small/run -n 10 -o fulldisk.csv
  rm small/filler
  expect_exit 0 $HGMC run flow.hgm --train good.csv -o small/run --epochs 3 --resume
  same_weights whole/model.h5 small/run/model.h5
else
  echo "a disk of 200 kB could not be mounted: saving to a full disk was left out"
fi

# ---- a run that came to nothing leaves no directory
expect_exit 2 $HGMC run $ROOT/examples/flows/jets.hgm
expect_text "--train"
[ -z "$(ls runs)" ] || fail "no directory of a run that did not begin, found $(ls runs)"
mkdir mine
expect_exit 2 $HGMC run $ROOT/examples/flows/jets.hgm --train nothing.h5 -o mine
[ -d mine ] || fail "a directory that was there before to stay"
expect_exit 2 $HGMC run flow.hgm --train good.csv -o above/between/$(printf 'x%.0s' {1..300})
expect_text "cannot be made"
[ ! -e above ] || fail "the folders above one that cannot be made to go with it"
