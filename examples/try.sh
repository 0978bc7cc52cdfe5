#!/usr/bin/env bash
# Trains every example at reduced size and prints one table. Exit 1 where one fails or its headline metric leaves its band.
# usage: examples/try.sh HGMC [PATTERN …]: examples whose name holds one of them; examples/small.tsv says how each is reduced.
# HGM_DATA names the folder of the files that are not bundled (default ../shared/data); an example whose file is not there is left out.
# Two at a time on two processors, each with one thread (JOBS=1: one at a time).
# SEED=2 trains with another seed (bands were made from seeds 1 to 3), STEPS=3 only so many steps, and looks at no band.
# UNTRAINED=1 takes one step of each, and fails where a band takes that for trained.
# FULL=5 takes the full size and only so many steps a phase, with all threads; in place of the table, how long the whole training takes at that rate.
set -u
cd "$(dirname "$0")"
ROOT=$(realpath ..)
export HGMC DATA SEED=${SEED:-1} UNTRAINED=${UNTRAINED:-} FULL=${FULL:-}
export STEPS=${FULL:-${UNTRAINED:-${STEPS:-}}}
HGMC=$(cd "$OLDPWD"; realpath "$1"); shift
DATA=$(cd "$OLDPWD"; realpath -m "${HGM_DATA:-$ROOT/../shared/data}")
export SCRATCH; SCRATCH=$(mktemp -d); trap 'rm -rf "$SCRATCH"' EXIT
trap 'kill -- -$group; exit 143' TERM HUP
trap 'kill -- -$group; exit 130' INT

# The numbers of an evaluation.json, one a line as `watch` and `assert` name them, and medians over the columns: name, value, what the truth has
numbers() {
  awk -F'": ' '
    function text(s) { sub(/^ *"/, "", s); return s }
    function middle(kind, value, out, n, i, j, t, a, x) { # the median over the columns
      n = 0; split("", a)
      for (x in value) if (index(x, kind ".") == 1) a[++n] = value[x] + 0
      for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
      out[0] = (a[int((n + 1) / 2)] + a[int((n + 2) / 2)]) / 2
    }
    function number(s) { sub(/,$/, "", s); return s == "null" ? "" : s }
    /[{]$/ { path[++depth] = text($1); next }
    /^ *}/ { depth--; next }
    depth == 1 { printf "%s\t%s\t\n", text($1), number($2) }
    path[2] == "columns" && depth == 3 { name = text($1); value[name "." path[3]] = number($2) }
    path[2] == "metrics" && depth == 4 { name = path[3] (path[4] == "metric" ? "" : "." path[4])
      if (text($1) == "value") v = number($2)
      if (text($1) == "truth") printf "%s\t%s\t%s\n", name, v, number($2) }
    END {
      for (n in value) if (n ~ /^(ks|wasserstein)\./) {
        kind = n; sub(/\..*/, "", kind); column = substr(n, length(kind) + 2); floor = value[kind "_floor." column]
        printf "%s\t%s\t%s\n", n, value[n], floor
        if (!(kind in worst) || value[n] + 0 > worst[kind] + 0) { worst[kind] = value[n]; beside[kind] = floor }
      }
      for (k in worst) printf "%s.worst\t%s\t%s\n", k, worst[k], beside[k]
      for (k in worst) { middle(k, value, here); middle(k "_floor", value, there); printf "%s.median\t%s\t%s\n", k, here[0], there[0] }
    }' "$1"
}

# Command line for the second column of small.tsv: FILE and NAME=FILE are data, NAME@EXAMPLE is a trained run of further up
inputs() {
  local word path
  for word in "$@"; do
    case $word in
      -) continue ;;
      *@*) path=$SCRATCH/${word#*@}
        [ -e "$path.wanted" ] || { echo "left out: needs ${word#*@}"; return 1; }
        until [ -e "$path.done" ]; do sleep 0.2; done
        trained+=(--trained "${word%@*}=$path") ;;
      *) path=data/${word#*=}; [ -e "$path" ] || path=$DATA/${word#*=}
        [ -e "$path" ] || { echo "left out: no ${word#*=}"; return 1; }
        case $word in *=*) train+=(--train "${word%%=*}=$path") ;; *) train+=(--train "$path") ;; esac ;;
    esac
  done
}

# What is wrong with a headline's value: VALUE LEAST MOST
verdict() {
  [ -n "$1" ] || { echo "FAILED: no such metric"; return; }
  [ "$2" != - ] || return
  local outside
  outside=$(awk -v v="$1" -v a="$2" -v b="$3" 'BEGIN { print (v != v + 0 || v < a || v > b) }')
  case ${UNTRAINED:+untrained}${STEPS:+short}$outside in
    untrainedshort0) echo "FAILED: its band takes a model of one step" ;;
    1) echo "LEFT its band" ;;
  esac
}

# How long the whole training takes, from so many steps of each phase: epochs and batches as `hgmc show` has them
full() {
  local phases
  "$HGMC" show "$name.hgm" "${trained[@]}" | grep '^train.*: batch ' > "$run.phases"
  phases=$(wc -l < "$run.phases")
  [ "$phases" -gt 0 ] || { echo "trains nothing"; return; }
  "$HGMC" run "$name.hgm" "${train[@]}" "${trained[@]}" --steps "$FULL" --seed "$SEED" -o "$run" > "$log" 2>&1 &
  until [ "$(cut -d, -f2 "$run/metrics.csv" 2> /dev/null | sort -u | wc -l)" -gt "$phases" ] || ! kill -0 $! 2> /dev/null; do sleep 0.1; done
  kill $! 2> /dev/null # it need not be evaluated
  wait
  awk -F'[ ,]+' '
    FILENAME ~ /log$/ { if (/ events to train on/ && $2 + 0 > n) n = $2 + 0; next }
    FILENAME ~ /csv$/ {
      split($0, field, ",")
      if (FNR == 1) next
      if (FNR == 2 || field[2] != now) { now = field[2]; begun = last }
      step[now] = ((last = field[8]) - begun) / field[3]
      next
    }
    { epoch = $6 == "of" ? $7 * $3 : n > 0 ? n : 1000 * $3; batch[phase + 0] = $3; events[phase++] = $5 == "epochs" ? $4 * epoch : $4 * $3 }
    END { # seconds of a step: events_per_second counts those of each block and pass, of which a game has several a step
      for (p = 0; p < phase; p++) { all += events[p]; seconds += events[p] / batch[p] * step[p] }
      time = seconds < 100 ? sprintf("%.0f s", seconds) : seconds < 6000 ? sprintf("%.0f min", seconds / 60) : sprintf("%.1f h", seconds / 3600)
      printf "# Full size: at most %s on one Zen 3 core (%.2g events at %.2g a second).\n", time, all, all / seconds
    }' "$log" "$run/metrics.csv" "$run.phases"
}

# One line of small.tsv: trains the example in $SCRATCH/NAME, prints its row of the table
one() {
  local name files how headline least most reference
  IFS=$'\t' read -r name files how headline least most reference <<< "$1"
  local run=$SCRATCH/$name log=$SCRATCH/$name.log train=() trained=()
  printf '%-26s ' "$name"
  inputs $files || return
  [ -z "$FULL" ] || { full; return; }
  local TIMEFORMAT="%U + %S s of processor time"
  { time "$HGMC" run "$name.hgm" "${train[@]}" "${trained[@]}" $how ${STEPS:+--steps $STEPS} --seed "$SEED" --threads 1 -o "$run"; } > "$log" 2>&1
  local status=$? # 1 with an evaluation: an assertion of the full size does not hold
  [ $status -eq 0 ] || { [ $status -eq 1 ] && [ -e "$run/evaluation.json" ]; } ||
    { echo "FAILED: $(grep -aE 'error|hgmc:' "$log" | head -n 1)"; return; }
  local parameters epochs rate value truth seconds
  parameters=$(grep -aoE '[0-9]+ parameters' "$log" | head -n 1)
  epochs=$(tr '\r' '\n' < "$log" | grep -ac ' epoch .*events/s$')
  rate=$(tr '\r' '\n' < "$log" | grep -a ' epoch .*events/s$' | tail -n 1 | sed -E 's/.*, ([^ ]+) events.*/\1/')
  seconds=$(awk '/ s of processor time$/ { print $1 + $3 }' "$log")
  IFS=$'\t' read -r _ value truth < <(numbers "$run/evaluation.json" | grep -F "$headline"$'\t' | awk -F'\t' -v n="$headline" '$1 == n')
  [ "$reference" = - ] && reference=${truth:+$(printf '%.4g' "$truth") truth against truth}
  printf '%10s %6s %9.3g %7.0f  %-32s %9.4g  %7s to %-7s %s %s\n' "${parameters% *}" "$epochs" "$rate" "$seconds" "$headline" "$value" \
    "$least" "$most" "$reference" "$(verdict "$value" "$least" "$most")"
}
row() { printf '%s\n' "$(one "$1" 2>&1)"; touch "$SCRATCH/${1%%$'\t'*}.done"; }
export -f row one inputs numbers verdict full

table() {
  [ -n "$FULL" ] || printf '%-26s %10s %6s %9s %7s  %-32s %9s  %18s %s\n' system parameters epochs events/s seconds headline value band reference
  printf '%s\0' "$@" | xargs -0 -r -n 1 -P "${JOBS:-$(nproc)}" bash -c 'row "$0"'
  [ -n "$FULL" ] || echo "$# examples in $SECONDS s; seconds: of one processor"
}

lines=()
while IFS= read -r line; do
  name=${line%%$'\t'*}
  wanted=$([ $# -eq 0 ] && echo yes)
  for pattern in "$@"; do case $name in *$pattern*) wanted=yes ;; esac; done
  [ -n "$wanted" ] || continue
  mkdir -p "$SCRATCH/${name%/*}"; touch "$SCRATCH/$name.wanted"
  lines+=("$line")
done < <(grep -v '^#' small.tsv)
set -m # a process group of its own, which ends with this script
table "${lines[@]}" > >(tee "$SCRATCH/table") & group=$!
set +m
wait $group
! grep -qE 'FAILED|LEFT its band$' "$SCRATCH/table"
