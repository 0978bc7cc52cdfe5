# Distributed generation: the command lines of examples/submit give the bits of one run; a killed shard is repeated alone.
. "$ROOT/tests/cli/lib.bash"
$HGMC run $jets --epochs 1 -o run > log 2>&1; [ $? -le 1 ] || fail "a trained run"
expect_exit 0 $HGMC sample run --given "$ROOT/examples/data/jets.h5" -n 700 --quiet -o all.csv
cut -d, -f1-8 all.csv > gen.csv
expect_exit 0 $HGMC build run --target native --quiet -o jetsim
expect_exit 0 ./jetsim --given gen.csv -n 5000 --seed 3 --quiet -o whole.csv

# ---- Slurm: an array of 7 tasks, in any order, one of them killed and started again
export SAMPLER=./jetsim GIVEN=gen.csv OUT=slurm ENDING=csv EVENTS=5000 SHARDS=7 SEED=3
for task in 4 0 6 2 5 1 3; do SLURM_ARRAY_TASK_ID=$task SLURM_CPUS_PER_TASK=$((task % 2 + 1)) bash "$ROOT/examples/submit/slurm.sh" 2> log || fail "task $task"; done
joined() { head -n 1 "$1"; tail -q -n +2 "$@"; }
joined slurm/shard_0000?.csv > joined.csv
same_file whole.csv joined.csv
rm slurm/shard_00003.csv
mkfifo slow; exec 3<> slow # a shard that hangs while it reads, since nobody writes, is killed: nothing stands under its name
GIVEN=@slow SLURM_ARRAY_TASK_ID=3 bash "$ROOT/examples/submit/slurm.sh" 2> log 3>&- & pid=$!
reads() { [ "$(readlink "/proc/$pid/exe")" = "$PWD/jetsim" ] && readlink /proc/$pid/fd/* | grep -q /slow$; }
await $pid reads; kill -9 $pid; wait $pid 2> /dev/null; exec 3>&-
[ -e slurm/shard_00003.csv ] && fail "no file of a killed shard"
SLURM_ARRAY_TASK_ID=3 bash "$ROOT/examples/submit/slurm.sh" 2> log || fail "the killed task again"
SLURM_ARRAY_TASK_ID=3 bash "$ROOT/examples/submit/slurm.sh" > log || fail "a finished task again"
expect_text "whole"
joined slurm/shard_0000?.csv > joined.csv
same_file whole.csv joined.csv

# ---- HTCondor: the arguments of the submit file, its macros expanded as condor_submit does, for smaller numbers
submit="$ROOT/examples/submit/htcondor.sub"
arguments=$(sed -n 's/^arguments *= *//p' "$submit"); per_shard=$(sed -n 's/^per_shard *= *//p' "$submit")
[ "$(sed -n 's/^first *= *//p' "$submit")" = '$(Process) * $(per_shard)' ] || fail "shards that lie side by side"
for process in 0 1 2 3; do
  line=${arguments//'$INT(first)'/$((process * 1250))}; line=${line//'$(Process)'/$process}; line=${line//'$(per_shard)'/1250}
  line=${line//--seed 1/--seed 3}; line=${line//.npy/.csv}
  case $line in *'$'*) fail "no macro left in: $line" ;; esac
  expect_exit 0 ./jetsim $line
done
joined shard_[0-3].csv > joined.csv
same_file whole.csv joined.csv
[ "$per_shard" -gt 0 ] || fail "events in a shard"
