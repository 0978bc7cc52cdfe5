#!/usr/bin/env bash
# What --precision bf16 costs in accuracy and gains, beside float32: of each run, drawn with the same random numbers, how far apart its events and
# its log-densities are, both precisions' distance to the truth, the size of the sampler, the time of one event from the library and its events a second in bulk.
# usage: bench/bf16.sh HGMC RUN=DATA …   N=20000 events; differences are in standard deviations of their column
set -eu
hgmc=$(realpath "$1"); shift
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
quantiles() { # of numbers, one a line: median, 99.9 %, largest
  sort -g | awk '{ x[NR] = $1 } END { if (NR) printf "%.1e %.1e %.1e", x[int((NR + 1) / 2)], x[int(NR * 0.999 + 0.5)], x[NR]; else printf "- - -" }'
}
# columns A B: differences of all numbers that are not the same for all events of A
differences() {
  awk -F, 'NR == FNR { if (FNR > 1) for (i = 1; i <= NF; i++) { sum[i] += $i; squares[i] += $i * $i; n = FNR - 1; a[FNR, i] = $i } next }
    FNR > 1 { for (i = 1; i <= NF; i++) { s = squares[i] / n - (sum[i] / n) ^ 2; if (s > 1e-12 && $i ~ /^[-0-9]/) { d = (a[FNR, i] - $i) / (scaled ? sqrt(s) : 1); print d < 0 ? -d : d } } }' \
    scaled="$3" "$1" "$2"
}
wasserstein() { sed -nE 's/^[^ ]+ +([0-9.]+) +\([0-9.]+ \+- .*/\1/p' "$1" | awk '{ sum += $1; n++ } END { if (n) printf "%.4f", sum / n; else printf "-" }'; } # in standard deviations
# The two libraries in turn, one thread, medians of 41 blocks of each: one event a call, in microseconds; 2048 events a call, in thousands a second.
rates() { # numbers of the first event that are given
  cat > host.c << 'HOST'
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "f32.h"
#include "bf16.h"
enum { BLOCKS = 41, CALLS = 60, BULK = 2048 };
static int ascending(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e6 + t.tv_nsec * 1e-3; }
int main(int argc, char **argv) {
  static float given[BULK * F32_N_GIVEN + 1], out[BULK * F32_N_OUT];
  double times[2][BLOCKS], bulk[2][BLOCKS];
  for (int i = 0; i < BULK * F32_N_GIVEN && F32_N_GIVEN < argc; i++) given[i] = strtof(argv[i % F32_N_GIVEN + 1], NULL);
  f32 *a = f32_open();
  bf16 *b = bf16_open();
  void *work[2] = {malloc(f32_work_bytes(a, BULK)), malloc(bf16_work_bytes(b, BULK))};
  for (int r = 0; r < BLOCKS; r++)
    for (int k = 0; k < 2; k++) {
      double begin = now();
      for (int i = 0; i < CALLS; i++)
        if (k ? bf16_sample(b, work[1], 1, r * CALLS + i, 1, given, out) : f32_sample(a, work[0], 1, r * CALLS + i, 1, given, out)) return 1;
      times[k][r] = (now() - begin) / CALLS;
      begin = now();
      if (k ? bf16_sample(b, work[1], 1, 0, BULK, given, out) : f32_sample(a, work[0], 1, 0, BULK, given, out)) return 1;
      bulk[k][r] = (now() - begin) / BULK;
    }
  for (int k = 0; k < 2; k++) qsort(times[k], BLOCKS, sizeof(double), ascending), qsort(bulk[k], BLOCKS, sizeof(double), ascending);
  printf("%.2f %.2f %.1f %.1f", times[0][BLOCKS / 2], times[1][BLOCKS / 2], 1e3 / bulk[0][BLOCKS / 2], 1e3 / bulk[1][BLOCKS / 2]);
  return 0;
}
HOST
  ${CC:-cc} -O2 -w -o host host.c libf32.a libbf16.a && ./host "$@"
}
row="%-14s %8s %8s %8s  %8s %8s %8s  %7s %7s  %6s %6s  %7s %7s  %7s %7s\n"
printf "$row" "" "events:" "" "" "density:" "" "" "W1" "" "kB" "" "us" "" "k/s" ""
printf "$row" run median 99.9% largest median 99.9% largest f32 bf16 f32 bf16 f32 bf16 f32 bf16
for pair in "$@"; do
  run=$(realpath "${pair%%=*}") data=$(realpath "${pair#*=}")
  cd "$scratch"; rm -f ./*
  given=""
  for p in f32 bf16; do
    "$hgmc" sample "$run" -n "${N:-20000}" --precision $p --quiet -o $p.csv 2> log || { given="--given $data"; "$hgmc" sample "$run" $given -n "${N:-20000}" --precision $p --quiet --force -o $p.csv; }
    "$hgmc" eval "$run" --data "$data" --precision $p --quiet > $p.eval 2>&1 || true # exit 1: an assert of the model
    "$hgmc" build "$run" --precision $p --target native --quiet -o $p.bin
    "$hgmc" build "$run" --precision $p --target native --lib --quiet -o $p
    "$hgmc" score "$run" --data "$data" --precision $p --quiet -o score.$p.csv 2> log || true
  done
  scores="- - -"; [ -s score.f32.csv ] && scores=$(differences score.f32.csv score.bf16.csv "" | quantiles)
  width=$(sed -nE 's/^#define F32_N_GIVEN ([0-9]+)/\1/p' f32.h)
  numbers=""; [ "$width" -gt 0 ] && numbers=$(sed -n 2p f32.csv | cut -d, -f1-"$width" | tr , ' ')
  printf "$row" "$(basename "$run")" $(differences f32.csv bf16.csv 1 | quantiles) $scores "$(wasserstein f32.eval)" "$(wasserstein bf16.eval)" \
    $(($(stat -c %s f32.bin) / 1000)) $(($(stat -c %s bf16.bin) / 1000)) $(rates $numbers)
  cd - > /dev/null
done
