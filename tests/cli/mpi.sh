# Several processes under mpirun train the same bits as one, also where pairs of events cross the batch and after --resume; a number that does
# not divide the partial sums is refused; a process that dies ends the run and the last checkpoint stays; Ctrl-C saves.
. "$ROOT/tests/cli/lib.bash"
command -v mpirun > /dev/null || { echo "no mpirun here (apt-get install openmpi-bin libopenmpi-dev)"; exit 77; }
[ -e "$(dirname "$HGMC")/hgm_mpi.so" ] || { echo "the MPI plugin was not built (apt-get install libopenmpi-dev)"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_odls_base_sigkill_timeout=4 # the same for Open MPI 5
export OMPI_MCA_odls_base_sigkill_timeout=4 # where the machine is busy a second is too little to say what happened
together() { local n=$1; shift; timeout 200 mpirun -n "$n" "$HGMC" run "$@" --threads 1 > log 2>&1 < /dev/null; }

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

together 3 $jets --epochs 1 -o of_3; [ $? -eq 1 ] || fail "three processes to be refused"
expect_text "3 processes cannot share them evenly"
[ "$(grep -c '^hgmc:' log)" -eq 1 ] || fail "one message, not one a process"
together 2 $jets --epochs 1 -o of_2; [ $? -eq 2 ] || fail "a run directory that exists to be refused"
[ "$(grep -c '^hgmc:' log)" -eq 1 ] || fail "one message, not one a process"

# a process is killed; the run ends, and goes on from the last checkpoint with another number of processes
small="$ROOT/examples/vae/zgamma.hgm --train $ROOT/examples/data/zgamma.h5 --set widths=[16] --quiet"
stopped_by() { # DIR SIGNAL WHOM EPOCHS: starts 2 processes, waits for a checkpoint
  mpirun -n 2 "$HGMC" run $small --epochs "$4" --threads 1 -o "$1" > log 2>&1 < /dev/null &
  local mpi=$!
  for _ in $(seq 600); do [ -s "$1/last.h5" ] && break; sleep 0.02; done
  [ -s "$1/last.h5" ] || fail "a checkpoint"
  if [ "$3" = mpirun ]; then kill "$2" $mpi; else kill "$2" "$(grep -oE '[0-9]+' /proc/$mpi/task/$mpi/children | tail -n 1)"; fi
  wait $mpi; status=$?
}
stopped_by dead -KILL last 20
[ $status -ne 0 ] || fail "the run to end with an error"
expect_text "the last checkpoint is whole"
$HGMC run $small --epochs 20 -o whole > log 2>&1; [ $? -le 1 ] || fail "a run of one process"
together 4 $small --epochs 20 -o dead --resume; [ $? -le 1 ] || fail "the run to go on with four processes"
same_weights whole/model.h5 dead/model.h5

stopped_by stopped -INT mpirun 5000
expect_text "stopped after step"
expect_text "--resume goes on"
