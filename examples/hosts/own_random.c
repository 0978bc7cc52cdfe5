/* A host that draws its own random numbers: it hands normal ones to jetsim_transform. Uniform latent columns would need uniform ones;
   their names say which.
     cc -std=c99 -O2 own_random.c libjetsim.a -lm -o own_random */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jetsim.h"

enum { N = 4000 };

static double uniform(uint64_t *state) { /* xorshift64* (Vigna, 2016) */
  *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
  return ((double)(*state * UINT64_C(2685821657736338717) >> 12) + 0.5) * 0x1p-52;
}

static double normal(uint64_t *state) { return sqrt(-2 * log(uniform(state))) * cos(6.283185307179586 * uniform(state)); }

static double mean(const float *events, int column) {
  double sum = 0;
  for (int k = 0; k < N; k++) sum += events[k * JETSIM_N_OUT + column];
  return sum / N;
}

static double error_of_mean(const float *events, int column) {
  double m = mean(events, column), sum = 0;
  for (int k = 0; k < N; k++) sum += (events[k * JETSIM_N_OUT + column] - m) * (events[k * JETSIM_N_OUT + column] - m);
  return sqrt(sum / N / N);
}

int main(void) {
  jetsim *model = jetsim_open();
  void *work = malloc(model != NULL ? jetsim_work_bytes(model, N) : 1);
  float *given = calloc((size_t)N * JETSIM_N_GIVEN, sizeof *given), *latent = calloc((size_t)N * JETSIM_N_LATENT, sizeof *latent);
  float *ours = calloc((size_t)N * JETSIM_N_OUT, sizeof *ours), *theirs = calloc((size_t)N * JETSIM_N_OUT, sizeof *theirs);
  uint64_t state = 88172645463325252u;
  int bad = 0, column = JETSIM_OUT_Jet_pt;
  if (model == NULL || work == NULL || given == NULL || latent == NULL || ours == NULL || theirs == NULL) return 1;
  for (int k = 0; k < N; k++) {
    float *g = &given[k * JETSIM_N_GIVEN];
    g[JETSIM_GIVEN_GenJet_pt] = 80, g[JETSIM_GIVEN_GenJet_mass] = 10, g[JETSIM_GIVEN_Pileup_nPU] = 30;
    for (int i = 0; i < JETSIM_N_LATENT; i++) {
      int is_normal = strncmp(jetsim_column(model, 2, (size_t)i), "normal:", 7) == 0;
      latent[k * JETSIM_N_LATENT + i] = (float)(is_normal ? normal(&state) : uniform(&state));
    }
  }
  if (jetsim_transform(model, work, latent, given, N, theirs) != 0 || jetsim_sample(model, work, JETSIM_SEED, 0, N, given, ours) != 0) return 1;
  for (; column <= JETSIM_OUT_Jet_mass; column++) {
    double a = mean(ours, column), b = mean(theirs, column), s = sqrt(pow(error_of_mean(ours, column), 2) + pow(error_of_mean(theirs, column), 2));
    printf("%-10s %8.4f with the model's random numbers, %8.4f with the host's, %.1f standard errors apart\n", jetsim_column(model, 1, (size_t)column), a, b,
           fabs(a - b) / s);
    bad += !(fabs(a - b) < 5 * s);
  }
  jetsim_close(model);
  free(work), free(given), free(latent), free(ours), free(theirs);
  return bad;
}
