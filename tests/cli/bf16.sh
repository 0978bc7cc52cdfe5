# --precision bf16: one precision's bits from hgmc, samplers and a library, alone or in bulk, for any threads; half the size; near float32; where it is refused.
. "$ROOT/tests/cli/lib.bash"
$HGMC run $jets --epochs 1 -o run > log 2>&1; [ $? -le 1 ] || fail "a trained run"
given="--given $ROOT/examples/data/jets.h5 --quiet"
expect_exit 0 $HGMC sample run $given -n 700 -o single.csv
expect_exit 0 $HGMC sample run $given -n 700 --precision bf16 --threads 1 -o half.csv
expect_exit 0 $HGMC sample run $given -n 700 --precision bf16 --threads 2 -o two.csv
same_file half.csv two.csv
cmp -s single.csv half.csv && fail "bf16 to show"
for p in f32 bf16; do expect_exit 0 $HGMC build run --precision $p --target x86-64-v3 --quiet -o sim.$p; done
expect_exit 0 ./sim.bf16 $given -n 700 --threads 2 -o drawn.csv
same_file half.csv drawn.csv
expect_exit 0 ./sim.bf16 $given -n 3 -o few.csv # event by event
head -n 4 half.csv > first.csv
same_file first.csv few.csv
expect_exit 0 $HGMC score run --data half.csv --precision bf16 --quiet -o score.csv
expect_exit 0 ./sim.bf16 --score half.csv --quiet -o score2.csv
same_file score.csv score2.csv
expect_exit 0 ./sim.bf16 --info; expect_text "precision  bf16"

# code for AMX lies beside that for older processors, in bf16 alone and in bulk alone; picked where there is AMX, with the same bits
expect_exit 0 $HGMC build run --precision bf16 --quiet -o sim.all
expect_exit 0 ./sim.all --info; expect_text "sapphirerapids, 128 events"
grep -q "sapphirerapids, 1 events" log && fail "single events by AVX-512"
expect_exit 0 ./sim.all $given -n 700 --threads 2 -o all.csv
same_file half.csv all.csv
expect_exit 0 $HGMC build run --target sapphirerapids --quiet -o sim.amx
expect_exit 0 $HGMC inspect sim.amx
grep -q sapphirerapids log && fail "float32 to need no AMX"

# the library: as many events a call as may be, and one
if compiler=$(command -v cc || command -v gcc); then
  expect_exit 0 $HGMC build run --precision bf16 --lib --quiet -o jets
  cat > host.c << 'C'
#include <stdio.h>
#include <stdlib.h>
#include "jets.h"
int main(int argc, char **argv) { /* events of hgmc as text, which begin with what is given; the same in pieces of argv[1] */
  enum { N = 700 };
  static double theirs[N][JETS_N_OUT], given[N][JETS_N_GIVEN], out[N][JETS_N_OUT];
  size_t piece = (size_t)atoi(argv[argc - 1]);
  jets *m = jets_open();
  void *work = m ? malloc(jets_work_bytes(m, piece)) : NULL;
  for (int k = 0; k < N; k++)
    for (int i = 0; i < JETS_N_OUT; i++) {
      if (scanf(i ? ",%lf" : "%lf", &theirs[k][i]) != 1) return 2;
      if (i < JETS_N_GIVEN) given[k][i] = theirs[k][i];
    }
  for (size_t at = 0; at < N; at += piece)
    if (!work || jets_sample_f64(m, work, 5, at, N - at < piece ? N - at : piece, given[at], out[at]) != 0) return 3;
  for (int k = 0; k < N; k++)
    for (int i = 0; i < JETS_N_OUT; i++)
      if ((float)out[k][i] != (float)theirs[k][i]) return 4;
  return 0;
}
C
  $compiler -std=c99 -O1 host.c libjets.a -o host > log 2>&1 || fail "a C program to link with libjets.a"
  cut -d, -f1-8 half.csv > rows.csv
  expect_exit 0 $HGMC sample run --precision bf16 --given rows.csv -n 700 --seed 5 --quiet -o theirs.csv
  tail -n +2 theirs.csv > theirs
  for piece in 1 700; do ./host $piece < theirs || fail "the bits of hgmc sample from the library, $piece events a call (code $?)"; done
fi
expect_exit 0 $HGMC build run --precision bf16 --target x86-64-v3 -o noted; expect_text "log-densities"

# what is drawn stays near: continuous columns within a tenth of their spread
awk -F, 'NR == FNR { if (FNR > 1) { a[FNR] = $9; s += $9; ss += $9 * $9; n++ } next } FNR > 1 { d = a[FNR] - $9; if (d < 0) d = -d; if (d > most) most = d }
  END { exit !(most > 0 && most < 0.1 * sqrt(ss / n - (s / n) ^ 2)) }' single.csv half.csv || fail "the transverse momenta of bf16 near those of float32"

# half the weights' bytes: more is saved than a network of that size takes otherwise
sed 's/set width=16/set width=128/' <<< "$jets" > wide
$HGMC run $(cat wide) --steps 1 -o large > log 2>&1; [ $? -le 1 ] || fail "a larger run"
for p in f32 bf16; do expect_exit 0 $HGMC build large --precision $p --target x86-64-v3 --quiet -o large.$p; done
weights=$($HGMC show "$ROOT/examples/flows/jets.hgm" --set layers=4 --set bins=4 | grep -oE '[0-9]+ parameters' | head -n 1 | cut -d' ' -f1)
saved=$(($(stat -c %s large.f32) - $(stat -c %s large.bf16)))
[ $saved -gt $((weights * 3 / 2)) ] || fail "two bytes of each of $weights weights to be saved, there were $saved in all"

refuse() { expect_exit 2 "$HGMC" "$@"; expect_text "bf16 is for drawing with a trained run"; }
refuse run "$ROOT/examples/flows/jets.hgm" --precision bf16
refuse tune "$ROOT/examples/flows/jets.hgm" --precision bf16
refuse check "$ROOT/examples/flows/jets.hgm" --precision bf16
expect_exit 2 $HGMC sample run --precision bf8 -n 3 -o x.csv; expect_text "--precision f32|f64|bf16: expected one of these, found \`bf8\`"
