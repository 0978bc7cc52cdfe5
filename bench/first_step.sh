#!/usr/bin/env bash
# When the first step of examples/flows/jets.hgm begins and ends, ms from the command on, with a cold and with a warm cache: least, median, most.
# usage: bench/first_step.sh [-n RUNS] HGMC…      several take turns, each with a cache and run directories of its own
set -eu
cd "$(dirname "$0")/.."
runs=5; [ "${1:-}" = -n ] && { runs=$2; shift 2; }
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
once() { # WHICH HGMC KIND
  HGM_CACHE=$scratch/cache$1 "$2" run examples/flows/jets.hgm --train examples/data/jets.h5 -o "$scratch/run" --steps 1 --time-passes --quiet > "$scratch/out" 2> "$scratch/log"
  awk '/: the first step$/ { print $2, $2 + $3 }' "$scratch/log" >> "$scratch/$3.$1"
  rm -rf "$scratch/run"
}
for _ in $(seq "$runs"); do
  i=0; for hgmc in "$@"; do i=$((i + 1)); rm -rf "$scratch/cache$i"; once $i "$hgmc" cold; done
  i=0; for hgmc in "$@"; do i=$((i + 1)); once $i "$hgmc" warm; done
done
column() { awk -v c="$2" '{ print $c }' "$1" | sort -n | awk '{ x[NR] = $1 } END { printf "%6.0f %6.0f %6.0f", x[1], x[int((NR + 1) / 2)], x[NR] }'; }
i=0; for hgmc in "$@"; do
  i=$((i + 1))
  for kind in cold warm; do echo "$kind  begins $(column "$scratch/$kind.$i" 1)  ends $(column "$scratch/$kind.$i" 2)  $hgmc"; done
done
