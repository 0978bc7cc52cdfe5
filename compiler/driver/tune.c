// hgmc tune MODEL.hgm --train DATA [-o DIR] [--trials N] [--search quasi|random] [--prune K]: successive halving (Jamieson,
// Talwalkar, AISTATS 2016) over the ranges that the params declare. Every trial is trained for a few epochs; the best K-th part goes on,
// K times as long; and so on to the model's number of epochs. Trial 0 is the defaults. The order of trials, and who trains them, changes nothing.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "compiler/driver/session.h"
#include "compiler/driver/text_file.h"
#include "compiler/driver/tune_space.h"
#include "compiler/driver/tune_trial.h"
#include "compiler/driver/verbs.h"
#include "runtime/interrupt.h"
#include "runtime/io.h"
#include "runtime/sha256.h"

enum { TRIALS = 24, PRUNE = 3, MOST_RUNGS = 16, MOST_TRIES = 100 };

typedef struct Tuning {
  const Options *options;
  Arena *arena; // the options'
  TuneSpace space;
  TuneSearch search;
  const char *directory;
  char definition[65]; // hash of all that decides the result
  int64_t epochs;      // of a whole training; 0: in steps, so that nothing can be pruned
  bool *is_last;       // by phase
  bool all_set;        // params have ranges, all of which may be set on the command line
  TuneTrial *trials;
  int64_t point; // of the sequence, at which the last trial stands
  int n_trials, prune;
  int64_t rungs[MOST_RUNGS]; // epochs after which trials are compared
  int n_rungs;
  TuneTrial **order; // trials of this rung, best first
  int n_order;
} Tuning;

// ---- what is searched

static const Model *open_model(Session *session, const Tuning *t, const Strings *sets, int *exit_code) {
  const Options *o = t->options;
  SessionSource source = {.path = o->positional.at[0], .seed = o->seed, .precision = o->precision, .silent = sets != NULL};
  for (size_t i = 0; i < o->sets.len; i++) VEC_PUSH(t->arena, &source.sets, o->sets.at[i]);
  for (size_t i = 0; sets != NULL && i < sets->len; i++) VEC_PUSH(t->arena, &source.sets, sets->at[i]);
  return session_open(session, o, &source, exit_code) ? session->model : NULL;
}

static void add_text(HgmSha256 *sha, const char *text) { hgm_sha256_add(sha, text, strlen(text) + 1); }

static void define(Tuning *t, const Model *model) {
  const Options *o = t->options;
  HgmSha256 sha;
  hgm_sha256_begin(&sha);
  for (size_t i = 0; i < model->files.len; i++) add_text(&sha, model->files.at[i].text);
  const Strings *lists[] = {&o->sets, &o->train, &o->valid, &o->test};
  for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
    for (size_t i = 0; i < lists[l]->len; i++) add_text(&sha, lists[l]->at[i]);
    add_text(&sha, "");
  }
  add_text(&sha, arena_printf(t->arena, "%llu %s %d %d %d %lld", (unsigned long long)o->seed, o->precision != NULL ? o->precision : "f32", t->n_trials,
                              t->prune, (int)t->search, (long long)t->epochs));
  hgm_sha256_end(&sha, t->definition);
}

static void read_phases(Tuning *t, const Model *model) {
  bool in_steps = false;
  t->is_last = ARENA_ARRAY(t->arena, bool, model->phases.len + 1);
  for (size_t i = 0; i < model->phases.len; i++) {
    const ModelPhase *m = model->phases.at[i];
    t->is_last[i] = m->keep_last;
    in_steps |= m->steps > 0 && !t->options->has_epochs;
    t->epochs += t->options->has_epochs ? t->options->epochs : m->epochs;
  }
  if (in_steps) t->epochs = 0;
}

// From the last, all epochs, down: a K-th of the epochs for K times as many trials.
static void plan_rungs(Tuning *t) {
  int64_t down[MOST_RUNGS], trials = 1;
  int n = 0;
  for (double epochs = (double)t->epochs; n < MOST_RUNGS; epochs /= t->prune, trials *= t->prune) {
    if (n > 0 && (t->prune < 2 || trials > t->n_trials || epochs < 1)) break;
    down[n++] = (int64_t)ceil(epochs - 1e-9);
  }
  for (int i = 0; i < n; i++)
    if (t->n_rungs == 0 || down[n - 1 - i] > t->rungs[t->n_rungs - 1]) t->rungs[t->n_rungs++] = down[n - 1 - i];
}

static bool read_options(Tuning *t, HgmError *error) {
  const Options *o = t->options;
  const char *path = o->positional.at[0], *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
  const char *name = slash != NULL ? slash + 1 : path;
  t->arena = o->arena;
  t->n_trials = o->has_trials ? (int)o->n_trials : TRIALS;
  t->prune = o->has_prune ? (int)o->prune : PRUNE;
  t->search = o->search != NULL && strcmp(o->search, "random") == 0 ? TUNE_RANDOM : TUNE_QUASI;
  t->directory = o->output != NULL ? o->output : arena_printf(t->arena, "runs/%.*s-tune", (int)(dot > name ? dot - name : (long)strlen(name)), name);
  if (t->n_trials < 1 || t->n_trials > 100000 || t->prune < 1)
    return hgm_fail(error, EXIT_ENVIRONMENT, "--trials is 1 to 100000, --prune at least 1 (1: none)");
  return true;
}

// ---- trials

// Params whose `when` does not hold keep their defaults; which these are may change with each that goes. A point at which the model
// does not check is left as it is: its run says why. True: the point is another one now.
static bool drop_inactive(Tuning *t, TuneTrial *trial) {
  const size_t before = trial->sets.len;
  for (bool again = true; again;) {
    Session session;
    int exit_code;
    again = false;
    const Model *model = open_model(&session, t, &trial->sets, &exit_code);
    for (size_t i = 0; model != NULL && i < model->params.len && !again; i++) {
      const ModelParam *p = &model->params.at[i];
      if (p->tune == NULL || p->tune->active) continue;
      for (size_t k = 0; k < trial->sets.len && !again; k++) {
        again = pair_value(trial->sets.at[k], p->name) != NULL;
        if (again) memmove(&trial->sets.at[k], &trial->sets.at[k + 1], (--trial->sets.len - k) * sizeof *trial->sets.at);
      }
    }
    session_close(&session);
  }
  return trial->sets.len < before;
}

// The value of a param at a trial: its default where the trial does not turn it.
static const char *value_at(const TuneTrial *trial, const TuneParam *p) {
  const char *value = pairs_value(&trial->sets, p->name);
  return value != NULL ? value : p->fallback;
}

static bool same_number(const char *a, const char *b) {
  char *ends[2];
  const double x = strtod(a, &ends[0]), y = strtod(b, &ends[1]);
  return *ends[0] == 0 && *ends[1] == 0 && x == y;
}

static bool tried_before(const Tuning *t, const TuneTrial *trial) {
  for (int k = 0; k < trial->number; k++) {
    bool same = true;
    for (size_t i = 0; i < t->space.params.len && same; i++) {
      const char *a = value_at(trial, &t->space.params.at[i]), *b = value_at(&t->trials[k], &t->space.params.at[i]);
      same = strcmp(a, b) == 0 || same_number(a, b);
    }
    if (same) return true;
  }
  return false;
}

// The next point of the sequence at which no trial stands: ranges of few whole numbers or choices have points that come again. False: none was found.
static bool place_trial(Tuning *t, int number) {
  TuneTrial *trial = &t->trials[number];
  *trial = (TuneTrial){.number = number, .value = NAN};
  if (number == 0) return true;
  for (int tries = 0; tries < MOST_TRIES; tries++) {
    const int64_t point = ++t->point;
    trial->sets.len = 0;
    for (size_t i = 0; i < t->space.params.len; i++) {
      const TuneParam *p = &t->space.params.at[i];
      double u = tune_coordinate(&t->space, t->search, t->options->seed, point, i);
      VEC_PUSH(t->arena, &trial->sets, arena_printf(t->arena, "%s=%s", p->name, tune_value(p, u, t->arena)));
    }
    if (tried_before(t, trial)) continue;
    if (!drop_inactive(t, trial) || !tried_before(t, trial)) return true;
  }
  return false;
}

static const char *sets_text(const Tuning *t, const TuneTrial *trial) {
  const char *text = "";
  for (size_t i = 0; i < trial->sets.len; i++) text = arena_printf(t->arena, "%s %s", text, trial->sets.at[i]);
  return trial->sets.len == 0 ? " the defaults" : text;
}

static void say(const Tuning *t, int rung, const TuneTrial *trial) {
  if (t->options->quiet) return;
  const char *value = trial->failure != NULL ? trial->failure : arena_printf(t->arena, "%.5f", trial->value);
  fprintf(stderr, "rung %d of %d, trial %d to epoch %lld,%s: %s\n", rung + 1, t->n_rungs, trial->number, (long long)trial->epochs, sets_text(t, trial), value);
}

// ---- rungs

static TrialState run_rung(Tuning *t, int rung, HgmError *error) {
  TuneRung r = {t->directory, rung, rung + 1 < t->n_rungs ? t->rungs[rung] : 0, t->is_last};
  bool *known = ARENA_ARRAY(t->arena, bool, t->n_order + 1), told = false;
  for (int left = t->n_order; left > 0;) {
    bool progress = false;
    for (int i = 0; i < t->n_order; i++) {
      if (known[i]) continue;
      TrialState state = hgm_interrupt_requested() ? TRIAL_INTERRUPTED : tune_trial(t->order[i], &r, t->options, error);
      if (state == TRIAL_FAILED || state == TRIAL_INTERRUPTED) return state;
      if (state == TRIAL_BUSY) continue;
      known[i] = progress = true;
      left--;
      say(t, rung, t->order[i]);
    }
    if (progress || left == 0) continue;
    if (!told && !t->options->quiet) fprintf(stderr, "rung %d of %d: waiting for %d trials of other processes\n", rung + 1, t->n_rungs, left);
    told = true;
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  }
  return TRIAL_KNOWN;
}

static bool is_better(const TuneTrial *a, const TuneTrial *b) {
  if (isnan(a->value) != isnan(b->value)) return isnan(b->value);
  return isnan(a->value) || a->value == b->value ? a->number < b->number : a->value < b->value;
}

static int best_first(const void *a, const void *b) {
  const TuneTrial *const *x = a, *const *y = b;
  return is_better(*x, *y) ? -1 : is_better(*y, *x);
}

// ---- the table

// A choice that is a text stands without its quotes.
static const char *cell(Arena *arena, const char *value) { return value[0] == '"' ? arena_strndup(arena, value + 1, strlen(value) - 2) : value; }

typedef struct TuneTable {
  const Tuning *t;
  TuneTrial *const *ranks; // best first
} TuneTable;

static void print_csv(FILE *out, const void *data) {
  const TuneTable *table = data;
  const Tuning *t = table->t;
  fprintf(out, "trial,epochs,value");
  for (size_t i = 0; i < t->space.params.len; i++) fprintf(out, ",%s", t->space.params.at[i].name);
  for (int i = 0; i < t->n_trials; i++) {
    const TuneTrial *trial = table->ranks[i];
    fprintf(out, "\n%d,%lld,", trial->number, (long long)trial->epochs);
    if (!isnan(trial->value)) fprintf(out, "%.9g", trial->value);
    for (size_t k = 0; k < t->space.params.len; k++) fprintf(out, ",%s", cell(t->arena, value_at(trial, &t->space.params.at[k])));
  }
  fprintf(out, "\n");
}

static bool write_table(const Tuning *t, TuneTrial *const *ranks, HgmError *error) {
  return text_file_write(arena_printf(t->arena, "%s/tune.csv", t->directory), print_csv, &(TuneTable){t, ranks}, error);
}

static void print_table(const Tuning *t, TuneTrial *const *ranks) {
  printf("%5s %7s %12s  params\n", "trial", "epochs", "value");
  for (int i = 0; i < t->n_trials; i++) {
    const TuneTrial *trial = ranks[i];
    printf("%5d %7lld ", trial->number, (long long)trial->epochs);
    if (trial->failure != NULL) printf("%12s %s: %s\n", "failed", sets_text(t, trial), trial->failure);
    else printf("%12.5f %s\n", trial->value, sets_text(t, trial));
  }
}

static void print_option(const Tuning *t, const char *option, const Strings *values) {
  for (size_t i = 0; i < values->len; i++) printf(" --%s %s", option, shell_word(t->arena, values->at[i]));
}

static void print_best(const Tuning *t, const TuneTrial *best) {
  const Options *o = t->options;
  printf("best: trial %d, trained in %s/trial-%03d; again by\n  hgmc run %s", best->number, t->directory, best->number,
         shell_word(t->arena, o->positional.at[0]));
  print_option(t, "train", &o->train), print_option(t, "valid", &o->valid), print_option(t, "test", &o->test), print_option(t, "trained", &o->trained);
  if (o->precision != NULL) printf(" --precision %s", o->precision);
  if (o->has_memory) printf(" --memory %lld", (long long)o->memory);
  if (o->has_epochs) printf(" --epochs %lld", (long long)o->epochs);
  if (o->has_seed) printf(" --seed %llu", (unsigned long long)o->seed);
  print_option(t, "set", &o->sets), print_option(t, "set", &best->sets);
  printf("\n");
}

// ---- the search

// Has a trial of the directory begun to train? A search that failed before it left nothing behind.
static bool has_begun(const Tuning *t) {
  for (int i = 0; i < t->n_trials; i++) {
    struct stat info;
    if (stat(arena_printf(t->arena, "%s/trial-%03d", t->directory, i), &info) == 0) return true;
    if (stat(arena_printf(t->arena, "%s/trial-%03d.rung-0", t->directory, i), &info) == 0) return true;
  }
  return false;
}

// The directory belongs to one search; whoever comes with the same goes on with it.
static bool open_directory(const Tuning *t, HgmError *error) {
  const char *path = arena_printf(t->arena, "%s/search", t->directory), *slash = strchr(t->directory + 1, '/');
  char *text;
  size_t n;
  for (; slash != NULL; slash = strchr(slash + 1, '/')) mkdir(arena_strndup(t->arena, t->directory, (size_t)(slash - t->directory)), 0777);
  mkdir(t->directory, 0777);
  struct stat info;
  if (stat(path, &info) != 0 || !has_begun(t)) return hgm_io_replace(NULL, path, t->definition, strlen(t->definition), error);
  if (!hgm_io_read_file(path, &text, &n, error)) return false;
  bool same = strcmp(text, t->definition) == 0;
  free(text);
  return same ||
         hgm_fail(error, EXIT_ENVIRONMENT,
                  "%s holds another search: model, data, params, --trials, --prune, --search, --epochs or --seed differ; take another -o", t->directory);
}

static bool open_search(Tuning *t, int *exit_code, HgmError *error) {
  Session session;
  const Model *model = open_model(&session, t, NULL, exit_code);
  if (model != NULL) {
    tune_space_of(&t->space, model, t->arena);
    for (size_t i = 0; i < model->params.len; i++) t->all_set = t->all_set || model->params.at[i].tune != NULL;
    read_phases(t, model);
    define(t, model);
    if (model->phases.len == 0) hgm_fail(error, EXIT_USER, "%s has no `train` block, so there is nothing to tune", t->options->positional.at[0]);
  }
  session_close(&session);
  if (model == NULL || error->text[0] != '\0') return false;
  if (t->space.params.len == 0 && t->all_set)
    return hgm_fail(error, EXIT_USER, "each param of %s with a range is turned by --set, which leaves nothing to search", t->options->positional.at[0]);
  if (t->space.params.len == 0)
    return hgm_fail(error, EXIT_USER, "%s declares no range to search: `param layers = 8  tune 2..16`", t->options->positional.at[0]);
  plan_rungs(t);
  return open_directory(t, error);
}

static void place_trials(Tuning *t) {
  t->trials = ARENA_ARRAY(t->arena, TuneTrial, t->n_trials);
  t->order = ARENA_ARRAY(t->arena, TuneTrial *, t->n_trials);
  for (int i = 0; i < t->n_trials; i++) {
    if (!place_trial(t, i)) {
      if (!t->options->quiet) fprintf(stderr, "note: the ranges have %d points, and not %d\n", i, t->n_trials);
      t->n_trials = i;
      break;
    }
    t->order[t->n_order++] = &t->trials[i];
  }
}

// Best first: who was trained longest, then by value.
static TrialState climb(Tuning *t, TuneTrial **ranks, HgmError *error) {
  memcpy(ranks, t->order, (size_t)t->n_trials * sizeof *ranks);
  for (int rung = 0; rung < t->n_rungs; rung++) {
    TrialState state = run_rung(t, rung, error);
    if (state != TRIAL_KNOWN) return state;
    qsort(t->order, (size_t)t->n_order, sizeof *t->order, best_first);
    memcpy(ranks, t->order, (size_t)t->n_order * sizeof *ranks);
    int good = 0;
    while (good < t->n_order && !isnan(t->order[good]->value)) good++;
    int next = (t->n_order + t->prune - 1) / t->prune;
    if (rung + 1 < t->n_rungs) t->n_order = next < good ? next : good;
  }
  return TRIAL_KNOWN;
}

int verb_tune(const Options *options) {
  Tuning t = {.options = options};
  HgmError error = {0};
  int exit_code = EXIT_DONE;
  if (!read_options(&t, &error) || !open_search(&t, &exit_code, &error)) return error.text[0] != '\0' ? report_error(&error) : exit_code;
  hgm_interrupt_watch();
  place_trials(&t);
  TuneTrial **ranks = ARENA_ARRAY(t.arena, TuneTrial *, t.n_trials);
  switch (climb(&t, ranks, &error)) {
  case TRIAL_KNOWN: break;
  case TRIAL_BUSY:
  case TRIAL_FAILED: return report_error(&error);
  case TRIAL_INTERRUPTED:
    fprintf(stderr, "stopped; what was trained is kept in %s, and the same command goes on\n", t.directory);
    return hgm_interrupt_exit_code();
  }
  if (!write_table(&t, ranks, &error)) return report_error(&error);
  print_table(&t, ranks);
  if (ranks[0]->failure != NULL)
    return hgm_fail(&error, EXIT_USER, "no trial came to its end; %s/trial-000.log has all that the defaults said", t.directory), report_error(&error);
  print_best(&t, ranks[0]);
  return EXIT_DONE;
}
