# The process that compiles for a run: it is there while something is compiled, and never longer than the run.
. "$ROOT/tests/cli/lib.bash"
export HGM_CACHE=
cp "$HGMC" hgmc # an executable that nobody else runs
begins_with a > model.hgm
seq 200 | sed '1i a' > table.csv
processes() { find /proc/[0-9]*/exe -maxdepth 0 -lname "$PWD/hgmc" 2> /dev/null; true; }
none_left() { # BEHIND WHAT: an end is seen at once, and takes a moment
  for _ in $(seq 2000); do [ -z "$(processes)" ] && return; sleep 0.02; done
  fail "no process to be left behind $1: $(processes)"
}

expect_exit 0 ./hgmc run model.hgm --train table.csv --quiet --time-passes -o run
expect_text "to the compiler"
none_left "a run"

# Nor behind one that is killed while it compiles.
./hgmc run "$ROOT/examples/flows/jets.hgm" --train "$ROOT/examples/data/jets.h5" --quiet -o killed > log 2>&1 &
run=$!
await $run [ -e killed/manifest.json ] # which stands long before the step is compiled
kill -KILL $run
wait $run
none_left "a run that was killed"

# And the run knows what to say when the compiler is. One that dies before it is asked is started again, so each is killed as soon as it is there.
compilers() { for process in $(processes); do process=${process#/proc/} process=${process%/exe}; [ "$process" = $run ] || echo "$process"; done; }
./hgmc run "$ROOT/examples/flows/jets.hgm" --train "$ROOT/examples/data/jets.h5" --steps 1 --quiet -o alone > log 2>&1 &
run=$!
while kill -0 $run; do kill -KILL $(compilers); done 2> /dev/null
wait $run; status=$?
[ $status -eq 2 ] || fail "exit 2 where the compiler was killed"
expect_text "was killed, as the system does when memory runs out"
none_left "a compiler that was killed"

# By hand it says what it is.
expect_exit 2 ./hgmc compiler; expect_text "cannot be called"
exit 0
