# `where` in `generate` draws again until it holds, with the same bits in whatever shard, thread, sampler or library; `where` in
# `train` leaves events out of training and validation.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { srand(3); print "t,a,b"; for (i = 0; i < 1500; i++) { t = rand(); a = exp(rand() + rand() + t); print t "," a "," a + 6 * rand() - 3 } }' > data.csv

# ---- generate: conditions on physical values of what is drawn and what is given, and on values that are no fields
cat > draw.hgm << 'HGM'
param least = 2.0
data d {
  g = { t = "t" |> standardize }
  x = { a = "a" in GeV |> log |> standardize, b = "b" |> standardize }
}
flow f(x | g) {
  base normal
  affine_coupling(mlp([16]))
  reverse
}
train {
  update f { minimize -log_prob(f, x | g); with adam(1e-3) }
  batch 256
  epochs 1
}
generate given g {
  luck ~ uniform(0, 1)
  x ~ f | g
  where x.a > least * 1 GeV and x.a * g.t < 6 GeV
  where x.b > 0 and luck < 0.5
}
HGM
expect_exit 0 $HGMC run draw.hgm --train data.csv --quiet -o run
sample() { expect_exit 0 $HGMC sample run --given data.csv --seed 5 --quiet "$@"; }
sample -n 1200 --threads 1 -o all.csv
awk -F, 'NR > 1 && !($2 > 2 && $1 * $2 < 6 && $3 > 0) { exit 1 }' all.csv || fail "every event to meet the condition"
[ "$(head -1 all.csv | tr , '\n' | wc -l)" -eq 3 ] || fail "what only the condition needs not to be written"
sample -n 1200 --threads 2 -o two.csv; same_file all.csv two.csv
(head -1 all.csv; sed -n 702,901p all.csv) > want.csv
sample -n 200 --first-event 700 -o shard.csv; same_file want.csv shard.csv
expect_exit 0 $HGMC build run --target native --quiet -o sampler
for n in 1200 5; do
  expect_exit 0 ./sampler -n $n --given data.csv --seed 5 -o alone.csv
  head -$((n + 1)) all.csv | cmp -s - alone.csv || fail "the sampler to draw the same $n events"
  rm alone.csv
done

# ---- an event that never meets it is named, after as many draws as are said
expect_exit 0 $HGMC run draw.hgm --train data.csv --set least=1e6 --quiet -o hard
expect_exit 1 $HGMC sample hard --given data.csv -n 20 --quiet -o none.csv
expect_text "event 0: the condition \`where\` of the generator held in none of 10000 draws"
[ ! -e none.csv ] || fail "no file of events that were not drawn"
expect_exit 0 $HGMC build hard --target native --quiet -o hard_sampler
expect_exit 1 ./hard_sampler -n 3 --first-event 7 --given data.csv -o none.csv; expect_text "event 7: the condition"

# ---- train: events that are left out have no influence, those that are not have
cat > train.hgm << 'HGM'
param most = 0.5
data d { g = "t"; x = "a" in GeV }
net f(g: d.g) -> d.x = g |> mlp([8]) |> dense(1)
train {
  update f { minimize mse(f(g), x); with adam(1e-2) }
  where g < most and x > 0 GeV
  where d.g >= 0
  batch 64
  epochs 2
}
HGM
awk -F, -v OFS=, 'NR > 1 && $1 >= 0.5 { $2 = 1e6 } 1' data.csv > spoiled.csv
expect_exit 0 $HGMC run train.hgm --train data.csv -o clean; grep 'epoch' log | sed 's/, [^,]*events.s.*//' > clean.txt
expect_exit 0 $HGMC run train.hgm --train spoiled.csv -o spoiled; grep 'epoch' log | sed 's/, [^,]*events.s.*//' > spoiled.txt
[ -s clean.txt ] || fail "lines of epochs"
same_file clean.txt spoiled.txt
same_weights clean/model.h5 spoiled/model.h5
expect_exit 0 $HGMC run train.hgm --train spoiled.csv --set most=2 -o whole; sed -nE 's/.*loss ([^,]*),.*/\1/p' log | awk '$1 < 1e9 { exit 1 }' || fail "the spoiled events to show where they are trained on"
expect_exit 1 $HGMC run train.hgm --train data.csv --set most=-1 --quiet -o nothing; expect_text "no event of data.csv is left to train on in \`train\`: \`where\` cuts all "
expect_text ": \`g < most\` holds in none of "; expect_text "and \`most\` is -1; widen it"

# ---- the library, one event a call and many
compiler=$(command -v cc || command -v gcc) || { echo "no C compiler here: the library is not linked"; exit 77; }
expect_exit 0 $HGMC build run --lib --target native --quiet -o sim
expect_exit 0 $HGMC build hard --lib --target native --quiet -o hardsim
cat > host.c << 'C'
#include <stdio.h>
#include <stdlib.h>
#include "hardsim.h"
#include "sim.h"
int main(void) { /* rows of given columns on stdin */
  enum { N = 300 };
  static double given[N][SIM_N_GIVEN], single[N][SIM_N_OUT], all[N][SIM_N_OUT];
  for (int k = 0; k < N; k++)
    if (scanf("%lf", &given[k][0]) != 1) return 1;
  sim *m = sim_open();
  void *work = malloc(sim_work_bytes(m, N));
  if (sim_size(m, 2) != 0) return 2; /* how often it draws is not known: no transform */
  if (sim_sample_f64(m, work, 5, 0, N, given[0], all[0]) != 0) return 3;
  for (int k = 0; k < N; k++)
    if (sim_sample_f64(m, work, 5, (uint64_t)k, 1, given[k], single[k]) != 0) return 4;
  for (int k = 0; k < N; k++)
    for (int i = 0; i < SIM_N_OUT; i++)
      if (single[k][i] != all[k][i]) return 5;
  for (int k = 0; k < N; k++) printf("%.17g,%.17g,%.17g\n", all[k][0], all[k][1], all[k][2]);
  hardsim *hard = hardsim_open();
  void *more = malloc(hardsim_work_bytes(hard, N));
  return hardsim_sample_f64(hard, more, 5, 0, 2, given[0], all[0]) != 4 || hardsim_sample_f64(hard, more, 5, 0, 200, given[0], all[0]) != 4 ? 6 : 0;
}
C
$compiler -std=c99 -I. host.c libsim.a libhardsim.a -o host 2> log || fail "a host to link"
sed -n 2,301p data.csv | cut -d, -f1 | ./host > host.csv || fail "the library to draw, exit $?"
paste -d, <(sed -n 2,301p all.csv) host.csv | awk -F, '{ for (i = 1; i <= 3; i++) if (($i - $(i + 3)) ^ 2 > 1e-10 * $i ^ 2) exit 1 }' || fail "the events of hgmc sample"
