# A model with two generators: `sample`, the sampler and libraries draw from the one that is named.
. "$ROOT/tests/cli/lib.bash"
{ begins_with GenJet_eta; cat << 'HGM'; } > two.hgm
generate low { z ~ normal[1]; x = z }
generate high { z ~ normal[1]; x = exp(z) + 10 }
HGM
expect_exit 0 $HGMC run two.hgm --train "$ROOT/examples/data/jets.h5" --quiet -o run
for g in low high; do
  expect_exit 0 $HGMC sample run $g -n 50 --seed 3 --quiet -o $g.csv
  expect_exit 0 $HGMC build run $g --target native --quiet -o $g
  expect_exit 0 ./$g -n 50 --seed 3 -o alone.csv
  same_file $g.csv alone.csv; rm alone.csv
  expect_exit 0 $HGMC build run $g --lib --target native --quiet -o sim_$g
done
cmp -s low.csv high.csv && fail "two generators to differ"
expect_exit 2 ./low high -n 5 -o none.csv; expect_text "no generator"
expect_exit 2 $HGMC build run middle --lib -o sim; expect_text "it has low, high"
expect_exit 0 $HGMC build run --target native --quiet -o both
expect_exit 0 ./both high -n 50 --seed 3 -o alone.csv; same_file high.csv alone.csv
compiler=$(command -v cc || command -v gcc) || { echo "no C compiler here: the libraries are not linked"; exit 77; }
cat > both.c << 'C'
#include <stdio.h>
#include <stdlib.h>
#include "sim_low.h"
#include "sim_high.h"
int main(void) {
  enum { N = 50 };
  double low[N], high[N];
  sim_low *a = sim_low_open();
  sim_high *b = sim_high_open();
  if (a == NULL || b == NULL) return 1;
  void *work_a = malloc(sim_low_work_bytes(a, N)), *work_b = malloc(sim_high_work_bytes(b, N));
  if (sim_low_sample_f64(a, work_a, 3, 0, N, NULL, low) != 0 || sim_high_sample_f64(b, work_b, 3, 0, N, NULL, high) != 0) return 2;
  for (int i = 0; i < N; i++) printf("%.9g,%.9g\n", low[i], high[i]);
  sim_low_close(a), sim_high_close(b);
  return 0;
}
C
$compiler -std=c99 -Wall -Werror both.c libsim_low.a libsim_high.a -o host > log 2>&1 || fail "both libraries to link"
./host > drawn || fail "the host to run, code $?"
paste -d, <(tail -n +2 low.csv) <(tail -n +2 high.csv) drawn > beside
awk -F, '{ for (k = 1; k <= 2; k++) { d = $k - $(k + 2); if (d < 0) d = -d; if (d > 1e-6 * ($k < 0 ? -$k : $k)) bad = 1 } } END { exit bad || NR != 50 }' beside || fail "the libraries to draw what sample draws: $(head -3 beside)"
