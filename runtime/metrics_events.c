#include "runtime/metrics_events.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/philox.h"

enum { MODE_SEEDS = 500, MODE_EVENTS = 20000, MODE_ROUNDS = 5, MOST_MODES = 100 };
static const double mode_share = 0.01;

static double weight_of(const HgmEvents *e, int64_t i) { return e->weights == NULL ? 1 : e->weights[i]; }

static double square(const double *a, const double *b, int d) {
  double sum = 0;
  for (int k = 0; k < d; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

// ---- modes

typedef struct Search {
  const HgmEvents *truth;
  int64_t *rows; // (n) that are looked at: all, or some at random
  int64_t n;
  bool *taken;
  double radius;
} Search;

static bool search_open(Search *s, const HgmEvents *truth, double radius, HgmError *error) {
  int64_t n = truth->n < MODE_EVENTS ? truth->n : MODE_EVENTS;
  *s = (Search){truth, malloc((size_t)(n + 1) * sizeof *s->rows), n, calloc((size_t)n + 1, sizeof *s->taken), radius};
  if (s->rows == NULL || s->taken == NULL) return hgm_fail(error, 2, "metrics: out of memory for modes of %lld events", (long long)truth->n);
  uint64_t key = philox_key(0, "metrics.modes");
  for (int64_t i = 0; i < n; i++) s->rows[i] = n == truth->n ? i : (int64_t)(philox_uniform(key, (uint64_t)i, 0, 0) * (double)truth->n);
  return true;
}

static void search_close(Search *s) {
  free(s->rows);
  free(s->taken);
}

static const double *event_at(const Search *s, int64_t i) { return s->truth->x + s->rows[i] * s->truth->d; }

static double weight_near(const Search *s, const double *place) {
  double sum = 0;
  for (int64_t i = 0; i < s->n; i++)
    if (!s->taken[i] && square(place, event_at(s, i), s->truth->d) <= s->radius * s->radius) sum += weight_of(s->truth, s->rows[i]);
  return sum;
}

// A place moves to the mean of the events near it. sum: (d) room.
static void move_to_mean(const Search *s, double *place, double *sum) {
  int d = s->truth->d;
  double total = 0;
  memset(sum, 0, sizeof *sum * (size_t)d);
  for (int64_t i = 0; i < s->n; i++) {
    const double *x = event_at(s, i);
    if (s->taken[i] || square(place, x, d) > s->radius * s->radius) continue;
    for (int k = 0; k < d; k++) sum[k] += weight_of(s->truth, s->rows[i]) * x[k];
    total += weight_of(s->truth, s->rows[i]);
  }
  for (int k = 0; k < d && total > 0; k++) place[k] = sum[k] / total;
}

// Of some events at random that no mode has taken the one with the most around it; -1: there is none.
static int64_t best_seed(const Search *s, int round, double *most) {
  int64_t best = -1;
  uint64_t key = philox_key(0, "metrics.seeds");
  *most = 0;
  for (int64_t k = 0, tries = 0; k < MODE_SEEDS && tries < 50 * MODE_SEEDS; tries++) {
    int64_t i = (int64_t)(philox_uniform(key, (uint64_t)tries, (uint32_t)round, 0) * (double)s->n);
    if (s->taken[i]) continue;
    double here = weight_near(s, event_at(s, i));
    if (here > *most) *most = here, best = i;
    k++;
  }
  return best;
}

static void take(const Search *s, const double *place) {
  for (int64_t i = 0; i < s->n; i++)
    if (square(place, event_at(s, i), s->truth->d) <= 4 * s->radius * s->radius) s->taken[i] = true;
}

static void find_modes(HgmModes *m, const Search *s) {
  int d = m->d;
  double total = 0, most, *sum = m->centres + MOST_MODES * d;
  for (int64_t i = 0; i < s->n; i++) total += weight_of(s->truth, s->rows[i]);
  while (s->n > 0 && m->n < MOST_MODES) {
    int64_t seed = best_seed(s, m->n, &most);
    if (seed < 0 || most < mode_share * total) return;
    double *centre = m->centres + m->n * d;
    memcpy(centre, event_at(s, seed), sizeof *centre * (size_t)d);
    for (int k = 0; k < MODE_ROUNDS; k++) move_to_mean(s, centre, sum);
    m->shares[m->n++] = weight_near(s, centre) / total;
    take(s, centre);
  }
}

bool hgm_modes_open(HgmModes *m, const HgmEvents *truth, double radius, HgmError *error) {
  Search s = {0};
  *m = (HgmModes){calloc((size_t)(MOST_MODES + 1) * (size_t)truth->d, sizeof(double)), calloc(MOST_MODES, sizeof(double)), 0, truth->d, radius};
  bool ok = (m->centres != NULL && m->shares != NULL) || hgm_fail(error, 2, "metrics: out of memory for modes");
  ok = ok && search_open(&s, truth, radius, error);
  if (ok) find_modes(m, &s);
  search_close(&s);
  if (!ok) hgm_modes_close(m);
  return ok;
}

void hgm_modes_close(HgmModes *m) {
  free(m->centres);
  free(m->shares);
  *m = (HgmModes){0};
}

int hgm_modes_covered(const HgmModes *m, const HgmEvents *events, double *inside) {
  double near[MOST_MODES] = {0}, total = 0, any = 0;
  for (int64_t i = 0; i < events->n; i++) {
    bool in_one = false;
    for (int k = 0; k < m->n; k++) {
      if (square(events->x + i * m->d, m->centres + k * m->d, m->d) > m->radius * m->radius) continue;
      near[k] += weight_of(events, i);
      in_one = true;
    }
    any += in_one ? weight_of(events, i) : 0;
    total += weight_of(events, i);
  }
  int covered = 0;
  for (int k = 0; k < m->n; k++) covered += total > 0 && near[k] >= mode_share * total;
  *inside = total > 0 ? any / total : NAN;
  return covered;
}

// ---- optimal transport

enum { MOST_ROUNDS = 2000 };
static const double settled = 1e-6; // the cost is then right to its square

typedef struct Transport {
  const double *cost; // (n, m) in units of epsilon
  int64_t n, m;
} Transport;

// f_i = -log Σ_j b_j exp(g_j - C_ij), rows or (transposed) columns of C; log_b: of the other side. Row by row, twice: the largest, then the sum.
// f goes `stride` of the way there; how far that is at most is the result.
static double soft_minimum(const Transport *t, bool transposed, const double *log_b, const double *g, double *f, double *room, double stride) {
  int64_t rows = transposed ? t->m : t->n, columns = transposed ? t->n : t->m, row = transposed ? 1 : t->m, step = transposed ? t->m : 1;
  double change = 0;
  for (int64_t i = 0; i < rows; i++) {
    double top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < columns; j++) {
      room[j] = log_b[j] + g[j] - t->cost[i * row + j * step];
      if (room[j] > top) top = room[j];
    }
    for (int64_t j = 0; j < columns; j++)
      if (room[j] > top - 40) sum += exp(room[j] - top); // what is smaller is below rounding
    double next = -top - log(sum);
    change = fmax(change, fabs(next - f[i]));
    f[i] += stride * (next - f[i]);
  }
  return change;
}

static double dual(const double *log_a, const double *f, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += exp(log_a[i]) * f[i];
  return sum;
}

// Where the distance to the goal shrinks by `ratio` a round, going further than it shrinks it fastest (over-relaxation: Thibault, Chizat, Dossal,
// Papadakis, Algorithms 14 (2021) 143).
static double best_stride(double ratio) { return ratio < 1 ? fmin(2 / (1 + sqrt(1 - ratio)), 1.95) : 1; }

// Two different samples: potentials of both sides take turns. One sample with itself: both are one, which is averaged with its update.
static double transport(const HgmEvents *a, const HgmEvents *b, const double *log_a, const double *log_b, double epsilon, double *cost, double *f) {
  Transport t = {cost, a->n, b->n};
  double *g = f + a->n, *room = g + b->n;
  bool same = a == b;
  for (int64_t i = 0; i < a->n; i++)
    for (int64_t j = 0; j < b->n; j++) cost[i * b->n + j] = square(a->x + i * a->d, b->x + j * b->d, a->d) / (2 * epsilon);
  memset(f, 0, sizeof *f * (size_t)(a->n + b->n));
  double stride = same ? 0.5 : 1, before = INFINITY;
  for (int k = 0; k < MOST_ROUNDS; k++) {
    double change = soft_minimum(&t, false, log_b, same ? f : g, f, room, stride);
    if (!same) change = fmax(change, soft_minimum(&t, true, log_a, f, g, room, stride));
    if (change < settled) break;
    if (!same && stride == 1 && k % 50 == 49) stride = best_stride(change / before);
    else if (change > 2 * before) stride = same ? 0.5 : 1;
    before = change;
  }
  return epsilon * (same ? 2 * dual(log_a, f, a->n) : dual(log_a, f, a->n) + dual(log_b, g, b->n));
}

static bool log_weights(const HgmEvents *e, double *out, HgmError *error) {
  double total = 0;
  for (int64_t i = 0; i < e->n; i++) {
    if (weight_of(e, i) < 0) return hgm_fail(error, 1, "event %lld weighs %g; transport takes no negative weights", (long long)i, weight_of(e, i));
    total += weight_of(e, i);
  }
  for (int64_t i = 0; i < e->n; i++) out[i] = log(weight_of(e, i) / total);
  return total > 0 || hgm_fail(error, 1, "metrics: all weights are 0");
}

bool hgm_sinkhorn(const HgmEvents *a, const HgmEvents *b, double epsilon, double *cost, HgmError *error) {
  size_t n = (size_t)a->n, m = (size_t)b->n, most = n > m ? n : m;
  double *room = malloc((most * most + 3 * most + n + m + 1) * sizeof *room);
  if (room == NULL) return hgm_fail(error, 2, "metrics: out of memory for the transport of %zu events to %zu", n, m);
  double *f = room + most * most, *log_a = f + 3 * most, *log_b = log_a + n;
  bool ok = log_weights(a, log_a, error) && log_weights(b, log_b, error);
  if (ok) {
    double across = transport(a, b, log_a, log_b, epsilon, room, f);
    *cost = across - transport(a, a, log_a, log_a, epsilon, room, f) / 2 - transport(b, b, log_b, log_b, epsilon, room, f) / 2;
  }
  free(room);
  return ok;
}
