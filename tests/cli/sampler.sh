# A standalone sampler: the bits of `hgmc sample` for any threads, shards and precision; in an empty root; what it refuses.
. "$ROOT/tests/cli/lib.bash"
$HGMC run $jets --epochs 1 -o run > log 2>&1; [ $? -le 1 ] || fail "a trained run"
expect_exit 0 $HGMC sample run --given "$ROOT/examples/data/jets.h5" -n 3000 --quiet -o all.csv
cut -d, -f1-8 all.csv > given.csv
expect_exit 0 $HGMC sample run --given given.csv -n 3000 --quiet -o all.csv --force
expect_exit 0 $HGMC build run -o sim
[ -x sim ] || fail "a program"

# ---- the same bits: threads, shards, score, double precision
for threads in 1 2 3; do
  expect_exit 0 ./sim --given given.csv --threads $threads --quiet -o threads.csv --force
  same_file all.csv threads.csv
done
head -n 1 all.csv > joined.csv
for shard in "0 1" "1 16" "17 1000" "1017 1983"; do # few events run the program for few, many the one for many
  set -- $shard
  expect_exit 0 ./sim --given given.csv --first-event $1 -n $2 --quiet -o shard.csv --force
  tail -n +2 shard.csv >> joined.csv
done
same_file all.csv joined.csv
./sim --given given.csv -o - --quiet > piped.csv || fail "events to a pipe"
same_file all.csv piped.csv
expect_exit 0 $HGMC score run --data all.csv --quiet -o score.csv
expect_exit 0 ./sim --score all.csv --quiet -o score2.csv
same_file score.csv score2.csv
expect_exit 0 $HGMC build run --precision f64 --target x86-64-v3 --quiet -o sim64
expect_exit 0 $HGMC sample run --precision f64 --given given.csv --seed 7 --quiet -o all64.csv
expect_exit 0 ./sim64 --given given.csv --seed 7 --quiet -o sim64.csv
same_file all64.csv sim64.csv
cmp -s all.csv all64.csv && fail "double precision and another seed to show"
expect_exit 0 $HGMC sample run --given given.csv --fix GenJet_partonFlavour=5 -n 100 --quiet -o fixed.csv
expect_exit 0 ./sim --given given.csv --fix GenJet_partonFlavour=5 -n 100 --quiet -o fixed2.csv
same_file fixed.csv fixed2.csv
for ending in npy npz; do
  expect_exit 0 $HGMC sample run --given given.csv -n 500 --quiet -o a.$ending
  expect_exit 0 ./sim --given given.csv -n 500 --quiet -o b.$ending
  same_file a.$ending b.$ending
done
expect_exit 0 $HGMC score run --data a.npy --quiet -o score.csv --force
expect_exit 0 ./sim --score a.npy --quiet -o score2.csv --force
same_file score.csv score2.csv

for program in "$HGMC sample run" ./sim; do # said where a row is taken twice, and only there
  expect_exit 0 $program --given given.csv --first-event 2995 -n 5 -o few.csv --force; grep -q "row k mod" log && fail "no note where every event has a row of its own"
  expect_exit 0 $program --given given.csv --first-event 2995 -n 6 -o few.csv --force; expect_text "takes row k mod 3000"
done
expect_exit 0 ./sim --given given.csv -n 5 --keep GenJet_pt,GenJet_pt --quiet -o kept.csv
expect_exit 0 ./sim --given given.csv -n 5 --quiet -o unkept.csv
same_file kept.csv unkept.csv # a given column is written anyway

# ---- a unit that nobody knows says nothing
sed '1s/\[GeV\]/[GeV\/c]/' given.csv > unknown.csv
expect_exit 0 ./sim --given unknown.csv -n 5 --quiet -o unkept.csv --force
same_file kept.csv unkept.csv

# ---- HDF5 without the library: what it writes h5dump reads, and what others pack it reads
expect_exit 0 $HGMC sample run --given "$ROOT/examples/data/jets.h5" -n 20000 --quiet -o a.h5
expect_exit 0 ./sim --given "$ROOT/examples/data/jets.h5" -n 20000 --quiet -o b.h5
h5diff a.h5 b.h5 > log 2>&1 || fail "the same numbers, types and attributes in HDF5"
[ "$(h5dump -H a.h5 | grep -E 'DATASET|H5T_STD|H5T_IEEE')" = "$(h5dump -H b.h5 | grep -E 'DATASET|H5T_STD|H5T_IEEE')" ] || fail "the same types"
expect_exit 0 $HGMC score run --data b.h5 --quiet -o score.csv --force
for way in "-f GZIP=9" "-f SHUF -f GZIP=4 -f FLET" "-l CONTI" "-f NONE -l CHUNK=1000"; do
  h5repack $way b.h5 packed.h5 > log 2>&1 || fail "h5repack $way"
  expect_exit 0 ./sim --score packed.h5 --quiet -o score2.csv --force
  same_file score.csv score2.csv
done
expect_exit 0 $HGMC run "$ROOT/examples/vae/zgamma.hgm" --train "$ROOT/examples/data/zgamma.h5" --epochs 1 --quiet -o frame # a pandas table
expect_exit 0 $HGMC build frame --target native --quiet -o framesim
expect_exit 0 $HGMC score frame --data "$ROOT/examples/data/zgamma.h5" --quiet -o score.csv --force
expect_exit 0 ./framesim --score "$ROOT/examples/data/zgamma.h5" --quiet -o score2.csv --force
same_file score.csv score2.csv
if python3 -c 'import h5py' 2> /dev/null; then
  python3 - << 'PYTHON' || fail "h5py to read what a sampler writes"
import h5py
a, b = h5py.File("a.h5"), h5py.File("b.h5")
assert list(a) == list(b) and dict(a.attrs) == dict(b.attrs)
assert all((a[c][...] == b[c][...]).all() and a[c].dtype == b[c].dtype and dict(a[c].attrs) == dict(b[c].attrs) for c in a)
PYTHON
fi

# ---- what it is
expect_exit 0 ./sim --info
expect_text "jets.hgm"; expect_text "layers                   4"; expect_text "jets.h5"; expect_text "x86-64-v4"; expect_text "Jet_jetId                int32"
expect_exit 0 $HGMC inspect sim; expect_text "layers                   4"
expect_exit 0 ./sim --version
expect_exit 0 ./sim --help
if [ "$(id -u)" -eq 0 ]; then
  mkdir root; cp sim given.csv root
  chroot root /sim --given given.csv -o - --quiet > piped.csv 2> log || fail "a sampler in an empty root"
  same_file all.csv piped.csv
fi
file -b sim 2> /dev/null | grep -q dynamic && fail "a static program"

# ---- refusals
refuse() { local code=$1 text=$2; shift 2; rm -f out.csv; expect_exit $code ./sim "$@"; expect_text "$text"; [ -e out.csv ] && fail "no output after: $*"; :; }
sed 1s/GenJet_eta/GenJet_etta/ given.csv > wrong.csv
refuse 1 "did you mean \`GenJet_etta\`" --given wrong.csv -o out.csv
(cat given.csv; echo 1,2,3) > short.csv
refuse 1 "line 3002" --given short.csv -o out.csv
sed '3s/[^,]*/nan/' given.csv > hole.csv
refuse 1 "first in row 1" --given hole.csv -o out.csv
sed '4s/[0-9-]*$/17/' given.csv > flavour.csv
refuse 1 "17 in row 2" --given flavour.csv -o out.csv
refuse 2 "-n N: expected a count such as 1000, 10k or 2M, found \`-5\`" --given given.csv -n -5 -o out.csv
refuse 2 "--score needs a value: --score FILE" --score -o out.csv
refuse 2 "--keep Jet_pt: the model draws a column of that name" --given all.csv --keep Jet_pt -o out.csv
refuse 2 "how many" --fix GenJet_pt=1 --fix GenJet_eta=0 --fix GenJet_phi=0 --fix GenJet_mass=1 --fix GenJet_nMuons=0 --fix GenJet_muonPtRel=0 \
  --fix Pileup_nPU=1 --fix GenJet_partonFlavour=5 -o out.csv
refuse 2 "it lists" --given given.csv --fix GenJet_partonFlavour=99 -o out.csv
refuse 2 "no option --bogus" --bogus
refuse 2 "GenJet_partonFlavour" -n 5 -o out.csv
refuse 2 "no generator" other --given given.csv -o out.csv
refuse 2 "unknown ending" --given given.csv -o out.xyz
expect_exit 2 ./sim --given given.csv -o all.csv; expect_text "--force"
expect_exit 2 $HGMC build run -o sim; expect_text "--force"
expect_exit 2 $HGMC build run -o other --target riscv; expect_text "native"
./sim --given given.csv -o - --quiet > /dev/full 2> log; [ $? -eq 2 ] || fail "a full disk to be said"
expect_text "standard output"
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=64k none small 2> /dev/null; then
  timeout "${HGM_LIMIT:-300}" ./sim --given given.csv -o small/out.csv > log 2>&1; status=$?
  left=$(ls -A small); umount small
  [ $status -eq 2 ] || fail "exit 2 on a full disk, got $status"
  expect_text "No space"
  [ -z "$left" ] || fail "nothing to be left on a full disk, found $left"
fi

# ---- killed: no file under the asked name
./sim --given given.csv -n 2G --quiet -o killed.csv & pid=$!
writing() { ls killed.csv.tmp*; }
await $pid writing
sleep 0.1; kill -9 $pid; wait $pid 2> /dev/null
[ -e killed.csv ] && fail "no file of a killed sampler"

# ---- damage: every byte of the model is under a checksum; nothing that was changed ever gives other events
size=$(stat -c %s sim)
flip() { # byte
  cp sim damaged
  local old=$(od -An -tu1 -j "$1" -N 1 sim)
  printf "$(printf '\\x%02x' $((old ^ 16)))" | dd of=damaged bs=1 seek="$1" conv=notrunc 2> /dev/null
  rm -f damaged.csv
  timeout "${HGM_LIMIT:-300}" ./damaged --given given.csv -n 300 --quiet -o damaged.csv > log 2>&1
  status=$?
}
head -n 301 all.csv > few.csv
caught=0
for i in $(seq 1 60); do
  flip $((size * i / 61 + i))
  [ $status -eq 0 ] && { cmp -s few.csv damaged.csv || fail "a flipped byte $((size * i / 61 + i)) of $size to be seen"; }
  [ $status -ne 0 ] && [ -e damaged.csv ] && fail "no output of a damaged sampler"
  [ $status -eq 3 ] && caught=$((caught + 1))
done
[ $caught -ge 45 ] || fail "damage to be said, $caught of 60"
flip $((size - 50000)) # in the model, however large the program is
expect_exit 3 $HGMC inspect damaged; expect_text "checksum"
head -c $((size - 5000)) sim > cut; chmod +x cut
./cut --given given.csv -o - > log 2>&1 && fail "a sampler that is cut short to be refused"
:
