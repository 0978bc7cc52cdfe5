# The cache of compiled programs: the same bits with it and without, whatever happens to its files.
. "$ROOT/tests/cli/lib.bash"
export HGM_CACHE=$SCRATCH/cache
small_flow mlp > flow.hgm
two_columns > table.csv
flow="flow.hgm --train table.csv --epochs 2 --quiet --time-passes"
run() { expect_exit 0 $HGMC run $flow --force "$@"; }
files() { find "$1" -type f -name '*.hgmprog' | wc -l; }

run -o without --no-cache
[ -e cache ] && fail "nothing kept with --no-cache"
run -o cold; expect_text "not in the cache"
kept=$(files cache); [ "$kept" -gt 3 ] || fail "several programs to be kept, not $kept"
run -o warm; expect_text "code: 0 kernels"
losses() { cut -d, -f 1-5 "$1/metrics.csv"; }
for other in cold warm; do
  same_weights without/model.h5 $other/model.h5
  [ "$(losses without)" = "$(losses $other)" ] || fail "the same losses without the cache and $other"
done
[ "$(files cache)" -eq "$kept" ] || fail "nothing new to be kept"
expect_exit 0 $HGMC sample warm -n 500 -o drawn.csv --quiet --threads 1
# another model, another precision: not these programs
expect_exit 0 $HGMC run $flow --set width=9 -o wider; expect_text "train.update_1: not in"
expect_exit 0 $HGMC run $flow --precision f64 -o double; expect_text "train.update_1: not in"

# every file damaged in the middle, cut short, empty, another's, no file at all
damage() {
  for file in cache/*.hgmprog; do $1 "$file"; done
  run -o damaged; expect_text "train.update_1: not in"; same_weights without/model.h5 damaged/model.h5
  run -o damaged; expect_text "code: 0 kernels"
}
flip() { printf '\xa5\x5a\xa5' | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") * 2 / 3)) conv=notrunc 2> /dev/null; }
cut_short() { truncate -s $(($(stat -c %s "$1") - 4096)) "$1"; }
empty() { : > "$1"; }
writable() { chmod 666 "$1"; }
folder() { rm "$1"; }
for what in flip cut_short empty writable folder; do damage $what; done

# two at once, with nothing there
rm -rf cache
$HGMC run $flow --threads 1 -o first > first.log 2>&1 & first=$!
$HGMC run $flow --threads 1 -o second > second.log 2>&1 & second=$!
wait $first || fail "the first of two to run"; wait $second || fail "the second of two to run"
same_weights without/model.h5 first/model.h5; same_weights without/model.h5 second/model.h5
run -o warm; expect_text "code: 0 kernels"

# where nothing can be kept, nothing is said
: > file
HGM_CACHE=$SCRATCH/file/below run -o nowhere; same_weights without/model.h5 nowhere/model.h5
grep -qi "cannot\|file/below" log && fail "silence about a cache that cannot be"
if [ "$(id -u)" -ne 0 ]; then
  chmod 500 cache; run -o fixed; chmod 700 cache; expect_text "code: 0 kernels"
fi
mkdir small
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=16k none small 2> /dev/null; then
  HGM_CACHE=$SCRATCH/small run -o full; left=$(find small -name '.new-*' | wc -l); umount small
  same_weights without/model.h5 full/model.h5; [ "$left" -eq 0 ] || fail "nothing half written"
fi
HGM_CACHE= run -o unset; expect_text "train.update_1: machine code"
env -u HGM_CACHE XDG_CACHE_HOME="$SCRATCH/xdg" $HGMC run $flow -o xdg_run > log 2>&1 || fail "a run with XDG_CACHE_HOME"
[ "$(files xdg/hgm)" -gt 3 ] || fail "programs in XDG_CACHE_HOME/hgm"
exit 0
