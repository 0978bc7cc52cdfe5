# A run goes on only with the data that it began with: the file may have moved, but another size, other bytes or another number of files is
# refused, and the checkpoint stays as it is.
. "$ROOT/tests/cli/lib.bash"
model="$ROOT/examples/vae/zgamma.hgm"; data=$ROOT/examples/data/zgamma.h5
expect_exit 0 $HGMC run $model --train $data --epochs 1 -o run --quiet
cp run/last.h5 before.h5
mkdir elsewhere; cp "$data" elsewhere/moved.h5
resume() { $HGMC run $model --train "$1" ${2:+--train "$2"} --epochs 2 -o run --quiet --resume; }
cp "$data" longer.h5; printf x >> longer.h5
resume longer.h5 > log 2>&1; [ $? -eq 1 ] || fail "a longer file to be refused"
expect_text "longer.h5 has $(($(stat -c %s "$data") + 1))"
cp "$data" other.h5; printf '\1' | dd of=other.h5 bs=1 seek=60 conv=notrunc 2> /dev/null # of the superblock's unused part
cmp -s "$data" other.h5 && fail "another file"
resume other.h5 > log 2>&1; [ $? -eq 1 ] || fail "other bytes to be refused"
expect_text "holds other bytes (SHA-256"
resume elsewhere/moved.h5 elsewhere/moved.h5 > log 2>&1; [ $? -eq 1 ] || fail "another number of files to be refused"
expect_text "was begun with 1 files"
same_file before.h5 run/last.h5
resume elsewhere/moved.h5 > log 2>&1 || fail "the moved file to be taken"
# results that --force replaces are gone before the new manifest stands, so none of them is ever the new run's
rm run/manifest.json; mkdir run/manifest.json # where no file comes to stand
expect_exit 2 $HGMC run $model --train $data --epochs 1 -o run --quiet --force
expect_text "manifest.json"
[ ! -e run/last.h5 ] && [ ! -e run/model.h5 ] || fail "the replaced run's weights to be gone when the manifest is not there yet"
