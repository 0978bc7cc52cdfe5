# The sampler and a library's host under the address, undefined-behaviour and thread sanitizers: events, scores, files, refusals.
. "$ROOT/tests/cli/lib.bash"
[ -n "${HGM_LONG:-}" ] || { echo "builds the sampler three times: HGM_LONG=1"; exit 77; }
command -v cc > /dev/null || { echo "no compiler here"; exit 77; }
$HGMC run $jets --epochs 1 -o run > log 2>&1; [ $? -le 1 ] || fail "a trained run"
expect_exit 0 $HGMC sample run --given "$ROOT/examples/data/jets.h5" -n 2000 --quiet -o all.csv
cut -d, -f1-8 all.csv > given.csv
expect_exit 0 $HGMC sample run --given given.csv --quiet -o all.csv --force
expect_exit 0 $HGMC build run --quiet --target native -o sim
expect_exit 0 $HGMC build run --lib --quiet --target native -o jetsim
export SAMPLER=sim ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
sources=$(cd "$ROOT"; make -s base-sources | tr ' ' '\n' | grep -v sampler/payload.c | sed "s,^,$ROOT/,")
sanitize() { # flags
  cc -std=c11 -g -O1 -D_POSIX_C_SOURCE=200809L -DHGM_VERSION='"0"' -ffp-contract=off -I"$ROOT" $1 -fno-sanitize-recover=all -o checked $sources \
    "$ROOT/tests/support/payload_file.c" -pthread -lm > log 2>&1 || { echo "cannot build with $1 here"; tail -n 3 log; exit 77; }
  for threads in 1 4; do
    expect_exit 0 ./checked --given given.csv --threads $threads -o out.csv --force
    same_file all.csv out.csv
  done
  for ending in h5 npy npz tsv; do expect_exit 0 ./checked --given given.csv -n 20 --keep Pileup_nPU -o out.$ending --force; done
  expect_exit 0 ./checked --score out.h5 -o score.csv --force
  expect_exit 0 ./checked --given "$ROOT/examples/data/jets.h5" -n 1 -o out.csv --force
  expect_exit 0 ./checked --given given.csv --fix GenJet_partonFlavour=5 -n 3 -o - --quiet
  expect_exit 0 ./checked --info; expect_exit 0 ./checked --help
  expect_exit 1 ./checked --given all.h5 -o out.csv --force
  (cat given.csv; echo 1,2) > short.csv
  expect_exit 1 ./checked --given short.csv -o out.csv --force
  expect_exit 2 ./checked --given given.csv -n -1 -o out.csv
  expect_exit 2 ./checked -n 1 -o out.csv --force
  ./checked --given given.csv -o - > /dev/full 2> log; [ $? -eq 2 ] || fail "a full disk to be said"
}
cp "$ROOT/examples/data/zmumu.csv" all.h5 # no HDF5
sanitize -fsanitize=address,undefined
sanitize -fsanitize=thread
for flags in -fsanitize=address,undefined -fsanitize=thread; do
  c++ -std=c++11 -g -O1 -I. $flags "$ROOT/examples/hosts/threads.cpp" libjetsim.a -pthread -o threads > log 2>&1 || fail "threads.cpp with $flags"
  expect_exit 0 ./threads
done
