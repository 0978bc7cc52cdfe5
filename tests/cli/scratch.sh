# Data that does not fit --memory goes to a scratch file and is shuffled within windows: the same bits for any number of threads and after
# kill -9 and --resume, the same fitted statistics as in memory, nothing left behind, a clear error where the disk is full.
. "$ROOT/tests/cli/lib.bash"
small="$ROOT/examples/flows/jets.hgm --train $ROOT/examples/data/jets.h5 --set layers=4 --set width=16 --set bins=4 --epochs 3"
run() { $HGMC run $small "$@" > log 2>&1; [ $? -le 1 ] || fail "run $*"; }
run --threads 1 --memory 3M -o one
rows=$(sed -n 's/.*shuffled within windows of \([0-9]*\).*/\1/p' log)
[ -n "$rows" ] && [ "$rows" -ge 4096 ] && [ "$rows" -lt 20000 ] || fail "a window of some thousand rows, got ${rows:-none}"
[ $((rows % 2048)) -eq 0 ] || fail "a window of whole batches"
run --threads 2 --memory 3M -o two
same_weights one/model.h5 two/model.h5
[ "$(ls -A one | grep -c scratch)" -eq 0 ] || fail "no scratch file to be left"

$HGMC run $small --threads 2 --memory 3M -o killed > log 2>&1 &
pid=$!
await $pid test -s killed/last.h5
sleep 0.1; kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
run --threads 1 -o killed --resume # keeps the memory, and with it the order, that the run began with
same_weights one/model.h5 killed/model.h5

run -o memory
grep -q "windows" log && fail "data that fits to stay in memory"
[ "$(dump one/model.h5 | sha256sum)" != "$(dump memory/model.h5 | sha256sum)" ] || fail "another order of the rows"
fits=$(h5ls -r one/model.h5 | awk '/fit|mean|std|scale/ {print $1}' | head -n 20)
[ -n "$fits" ] || fail "fitted statistics in the model"
for fit in $fits; do
  [ "$(h5dump -d "$fit" one/model.h5 | tail -n +2)" = "$(h5dump -d "$fit" memory/model.h5 | tail -n +2)" ] || fail "the same statistics $fit"
done

# ---- columns as they are, of which a loss reads, are read ahead with the rest: a window counts them among what a row takes
awk 'BEGIN { print "a,b,c,d,e,f,g,h"; for (i = 0; i < 20000; i++) { printf "%d", i % 101; for (k = 1; k < 8; k++) printf ",%g", i * k % 97 / 7; print "" } }' > raw.csv
for target in x "physical(x)"; do
  cat > fit.hgm << M
data d { x = ["a", "b", "c", "d", "e", "f", "g", "h"] |> standardize }
net f(x: d.x) -> real[8] = x |> dense(8)
train { update f { minimize sum((f(x) - $target)^2); with adam(1e-3) }; batch 512; epochs 2 }
M
  for threads in 1 2; do
    $HGMC run fit.hgm --train raw.csv --memory 1800k --threads $threads -o "$target $threads" > log 2>&1 || fail "train on $target"
    rows=$(sed -n 's/.*shuffled within windows of \([0-9]*\).*/\1/p' log)
  done
  same_weights "$target 1/model.h5" "$target 2/model.h5"
  [ "$target" = x ] && prepared=$rows
done
[ "$prepared" -eq $((600000 / (8 + 8 * 4) / 512 * 512)) ] || fail "a window of 40 bytes a row, got $prepared rows"
[ "$rows" -eq $((600000 / (8 + 8 * 4 + 8 * 8) / 512 * 512)) ] || fail "a window of 104 bytes a row, got $rows rows"

# ---- a page that cannot be read back: what cuts the file short under the process does what a failing disk does
$HGMC run $small --epochs 1000 --memory 3M -o lost > log 2>&1 &
pid=$!
await $pid test -s lost/best.h5
file=$(find /proc/$pid/fd -lname "$PWD/lost/*(deleted)" | head -n 1)
[ -n "$file" ] || { kill $pid; fail "a nameless file in the run directory"; }
: > "$file"; wait $pid; status=$?
[ $status -eq 2 ] || fail "exit 2 where a page is lost, got $status"
expect_text "the scratch file of --memory could not be read back from the disk"
expect_exit 0 $HGMC sample lost --given "$ROOT/examples/data/jets.h5" -n 10 -o lost.csv

if [ "$(id -u)" -eq 0 ] && mkdir full && mount -t tmpfs -o size=2m none full 2> /dev/null; then
  $HGMC run $small --memory 3M -o full/run > log 2>&1; status=$?
  umount full
  [ $status -eq 2 ] || fail "exit 2 on a full disk, got $status"
  expect_text "no room for a scratch file"
fi
