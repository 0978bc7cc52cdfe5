#!/usr/bin/env bash
#SBATCH --job-name=jetsim
#SBATCH --array=0-63
#SBATCH --cpus-per-task=2
#SBATCH --mem=500M
#SBATCH --time=01:00:00
# One shard of a long generation in each task of an array:  sbatch slurm.sh  (settings from the environment, see below).
# Shards need not know of each other; laid one behind the other they are the bits of one run. One that was killed is
# started again alone:  sbatch --array=17 slurm.sh  with the same SHARDS.
set -eu
: "${SAMPLER:=./jetsim}" "${GIVEN:=gen.csv}" "${OUT:=shards}" "${ENDING:=npy}" "${EVENTS:=10000000}" "${SHARDS:=64}" "${SEED:=1}"
shard=$SLURM_ARRAY_TASK_ID
first=$((EVENTS * shard / SHARDS))
last=$((EVENTS * (shard + 1) / SHARDS))
mkdir -p "$OUT"
file=$(printf '%s/shard_%05d.%s' "$OUT" "$shard" "$ENDING")
[ ! -e "$file" ] || { echo "$file is there and whole"; exit 0; } # a file appears under its name only when it is finished
exec "$SAMPLER" --given "$GIVEN" --seed "$SEED" --first-event $first -n $((last - first)) --threads "${SLURM_CPUS_PER_TASK:-1}" -o "$file"
