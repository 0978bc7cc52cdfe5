# Several processes under mpirun train the same bits as one, also where pairs of events cross the batch and after --resume; a number that does
# not divide the partial sums is refused; a process that dies ends the run and the last checkpoint stays; Ctrl-C saves.
. "$ROOT/tests/cli/lib.bash"
command -v mpirun > /dev/null || { echo "no mpirun here (apt-get install openmpi-bin libopenmpi-dev)"; exit 77; }
[ -e "$(dirname "$HGMC")/hgm_mpi.so" ] || { echo "the MPI plugin was not built (apt-get install libopenmpi-dev)"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_odls_base_sigkill_timeout=4 # the same for Open MPI 5
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # Open MPI leaves what it allocated
export TSAN_OPTIONS=${TSAN_OPTIONS:+$TSAN_OPTIONS:}detect_deadlocks=0 # and takes two locks in either order
export OMPI_MCA_odls_base_sigkill_timeout=4 # where the machine is busy a second is too little to say what happened
# Each process's messages go to a file of its own, so that neither mpirun's nor another's come between. $ALTER is run in process $ALTERED before.
cat > one_of << 'end'
rank=$OMPI_COMM_WORLD_RANK
echo $$ > "process.$rank"
[ "$rank" != "$ALTERED" ] || eval "$ALTER"
exec "$HGMC" run "$@" --threads 1 2> "said.$rank"
end
export ALTERED= ALTER=
together() { local n=$1; shift; rm -f said.*; timeout "${HGM_LIMIT:-300}" mpirun -n "$n" sh one_of "$@" > mpirun.log 2>&1 < /dev/null; local status=$?; cat said.* > log; return $status; }
# only_says RANK TEXT: of all processes that one alone has messages (MPI itself may have some in any), and TEXT is among them
only_says() {
  grep -qF -- "$2" "said.$1" || fail "process $1 to say «$2»"
  for file in said.*; do [ "$file" = "said.$1" ] || ! grep -qE '^(process|hgmc)' "$file" || fail "nothing in $file"; done
}

$HGMC run $jets --epochs 1 -o one > log 2>&1; [ $? -le 1 ] || fail "a run of one process"
for n in 2 4; do
  together $n $jets --epochs 1 -o of_$n; [ $? -le 1 ] || fail "a run of $n processes"
  same_weights one/model.h5 of_$n/model.h5
  same_weights one/last.h5 of_$n/last.h5
done
diff <(cut -d, -f1-5 one/metrics.csv) <(cut -d, -f1-5 of_4/metrics.csv) > log || fail "the same losses and validation"

# sums over pairs: what a process keeps of its events the others read
sed -e 's/  z ~ normal(mu, exp(logvar \/ 2))/&\n  flat ~ normal[latent]/' -e 's/minimize mse(decoder(z), x).*/minimize mse(decoder(z), x) + mmd(z, flat)/' \
  "$ROOT/examples/vae/zgamma.hgm" > pairs.hgm
grep -q 'mmd(z, flat)' pairs.hgm || fail "a program with pairs of events"
pairs="pairs.hgm --train $ROOT/examples/data/zgamma.h5 --set widths=[16] --epochs 1 --quiet"
$HGMC run $pairs -o pairs_one > log 2>&1; [ $? -le 1 ] || fail "pairs of events in one process"
together 2 $pairs -o pairs_two; [ $? -le 1 ] || fail "pairs of events in two processes"
same_weights pairs_one/model.h5 pairs_two/model.h5

# in double precision, and with data that does not fit in memory: each process has a scratch file of its own rows
large="--epochs 2 --precision f64 --memory 3M"
$HGMC run ${jets% --quiet} $large -o large_one > log 2>&1; [ $? -le 1 ] || fail "a run of one process in double precision from a scratch file"
grep -q "shuffled within windows" log || fail "data that does not fit in memory"
together 2 $jets $large -o large_two; [ $? -le 1 ] || fail "two processes in double precision from scratch files"
same_weights large_one/model.h5 large_two/model.h5

# What all find alike the first says, also where it is the last to find it: the others do not wait for a compiler, and it does.
export HGM_CACHE=$PWD/cache
together 3 $jets --epochs 1 -o of_3; [ $? -eq 1 ] || fail "three processes to be refused"
only_says 0 "3 processes cannot share them evenly"
ALTERED=0 ALTER='HGM_CACHE=' together 3 $jets --epochs 1 -o again_3; [ $? -eq 1 ] || fail "three processes to be refused"
only_says 0 "3 processes cannot share them evenly"
export HGM_CACHE=
together 2 $jets --epochs 1 -o of_3 --resume; [ $? -le 1 ] || fail "a run that was refused to go on with two processes"
same_weights one/model.h5 of_3/model.h5
together 2 $jets --epochs 1 -o of_2; [ $? -eq 2 ] || fail "a run directory that exists to be refused"
only_says 0 "of_2: holds a run already"
# what one alone finds that one says: before training, and in the middle of it
ALTERED=1 ALTER='HGM_STDLIB=/nowhere' together 2 $jets --epochs 1 -o no_library; [ $? -eq 2 ] || fail "a process without the library to end the run"
only_says 1 "the standard library is not in /nowhere"
ALTERED=0 ALTER='mkdir -p no_room/best.h5.tmp$$' together 2 $jets --epochs 1 -o no_room; [ $? -eq 2 ] || fail "a first process that cannot save to end the run"
only_says 0 "no_room/best.h5: cannot be created: Is a directory"

# a process is killed; the run ends, and goes on from the last checkpoint with another number of processes
sed '/patience/d' "$ROOT/examples/vae/zgamma.hgm" > small.hgm
small="small.hgm --train $ROOT/examples/data/zgamma.h5 --set widths=[16] --quiet"
training() { # DIR OPTIONS: two processes that train for hours, and have saved
  rm -f said.*
  mpirun -n 2 sh one_of $small --epochs 100000 -o "$@" > mpirun.log 2>&1 < /dev/null &
  mpi=$!
  await $mpi test -s "$1/last.h5"
}
ended() { wait $mpi; local status=$?; cat said.* mpirun.log > log; [ $status -ne 0 ] || fail "the run to end with an error"; }
training dead
kill -KILL "$(cat process.1)"; ended
expect_text "the last checkpoint is whole"
epochs=$(($(wc -l < dead/metrics.csv) + 2))
$HGMC run $small --epochs $epochs -o whole > log 2>&1; [ $? -le 1 ] || fail "a run of one process"
together 4 $small --epochs $epochs -o dead --resume; [ $? -le 1 ] || fail "the run to go on with four processes"
same_weights whole/model.h5 dead/model.h5

# a page of one process's scratch file is lost in the middle of training: that process says so and is gone at once, as if it were killed
training lost --memory 1M
file=$(find "/proc/$(cat process.1)/fd" -lname "$PWD/lost/*(deleted)" | head -n 1)
[ -n "$file" ] || { kill $mpi; fail "a scratch file of the second process"; }
: > "$file"; ended
grep -qF "the scratch file of --memory could not be read back from the disk" said.1 || fail "the second process to say what it lost"

training stopped
kill -INT $mpi; ended
expect_text "stopped after step"
expect_text "--resume goes on"
