#include "compiler/driver/tune_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler/driver/course.h"
#include "compiler/driver/session.h"
#include "compiler/driver/verbs.h"
#include "runtime/interrupt.h"
#include "runtime/io.h"

static const char *file_of(const TuneTrial *t, const TuneRung *r, const char *suffix, Arena *arena) {
  return arena_printf(arena, "%s/trial-%03d%s", r->directory, t->number, suffix);
}

static const char *result_file(const TuneTrial *t, const TuneRung *r, Arena *arena) { return file_of(t, r, arena_printf(arena, ".rung-%d", r->number), arena); }

// ---- what a trial came to

// "VALUE EPOCHS", or "failed EPOCHS MESSAGE".
static bool read_result(TuneTrial *t, const TuneRung *r, Arena *arena) {
  char *text;
  size_t n;
  HgmError none = {0};
  const char *path = result_file(t, r, arena);
  if (access(path, R_OK) != 0 || !hgm_io_read_file(path, &text, &n, &none)) return false;
  char *end = text;
  bool failed = strncmp(text, "failed ", 7) == 0;
  t->value = failed ? NAN : strtod(text, &end);
  t->epochs = strtoll(failed ? text + 7 : end, &end, 10);
  t->failure = failed ? arena_strdup(arena, *end == ' ' ? end + 1 : end) : NULL;
  free(text);
  return true;
}

static bool write_result(const TuneTrial *t, const TuneRung *r, Arena *arena, HgmError *error) {
  const char *text = t->failure != NULL ? arena_printf(arena, "failed %lld %s", (long long)t->epochs, t->failure)
                                        : arena_printf(arena, "%.17g %lld\n", t->value, (long long)t->epochs);
  return hgm_io_replace(NULL, result_file(t, r, arena), text, strlen(text), error);
}

// The number by which training itself tells the best epoch: what is watched, or the validation loss, or the loss.
static const double *judged(const Course *course, Arena *arena) {
  static const char *const names[] = {"watched", "validation", "loss"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    const double *column = course_column(course, names[k], arena);
    for (int64_t i = 0; column != NULL && i < course->rows; i++)
      if (isfinite(column[i])) return column;
  }
  return NULL;
}

// The best row of the last phase so far, or its last row where the last weights count.
static void read_course(TuneTrial *t, const TuneRung *r, Arena *arena) {
  Course course;
  const double *value, *phase;
  t->value = NAN;
  if (!course_read(&course, file_of(t, r, "", arena), arena)) return;
  t->epochs = course.rows;
  if ((value = judged(&course, arena)) == NULL || (phase = course_column(&course, "phase", arena)) == NULL) return;
  double last = phase[course.rows - 1];
  for (int64_t i = 0; i < course.rows; i++)
    if (phase[i] == last && isfinite(value[i]) && (isnan(t->value) || r->is_last[(int)last] || value[i] < t->value)) t->value = value[i];
}

// The last message of the log.
static const char *said(const TuneTrial *t, const TuneRung *r, Arena *arena) {
  char *text, *lines;
  size_t n;
  HgmError none = {0};
  const char *message = "it said nothing";
  if (!hgm_io_read_file(file_of(t, r, ".log", arena), &text, &n, &none)) return message;
  for (char *line = strtok_r(text, "\n", &lines); line != NULL; line = strtok_r(NULL, "\n", &lines))
    if (strncmp(line, "hgmc: ", 6) == 0 || strncmp(line, "error", 5) == 0) message = arena_strdup(arena, strncmp(line, "hgmc: ", 6) == 0 ? line + 6 : line);
  free(text);
  return message;
}

// ---- training

// In a child: everything that it says goes into the log.
static int train(const TuneTrial *t, const TuneRung *r, const Options *options) {
  Arena *arena = options->arena;
  Options o = *options;
  int log = open(file_of(t, r, ".log", arena), O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) return EXIT_ENVIRONMENT;
  o.output = file_of(t, r, "", arena);
  o.resume = access(arena_printf(arena, "%s/last.h5", o.output), R_OK) == 0;
  o.force = !o.resume;
  o.quiet = false;
  o.pause_epochs = r->epochs;
  o.sets = (Strings){0};
  for (size_t i = 0; i < options->sets.len; i++) VEC_PUSH(arena, &o.sets, options->sets.at[i]);
  for (size_t i = 0; i < t->sets.len; i++) VEC_PUSH(arena, &o.sets, t->sets.at[i]);
  return verb_run(&o);
}

// Its exit code, 128 + n for a signal; who is told to stop hands it on.
static int wait_for(pid_t child) {
  int status;
  bool told = false;
  for (pid_t done; (done = waitpid(child, &status, WNOHANG)) <= 0;) {
    if (done < 0 && errno != EINTR) return EXIT_INTERNAL;
    if (hgm_interrupt_requested() && !told) told = kill(child, SIGTERM) == 0;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static TrialState train_here(TuneTrial *t, const TuneRung *r, const Options *options, HgmError *error) {
  Arena *arena = options->arena;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    int code = train(t, r, options);
    fflush(NULL);
    _exit(code);
  }
  if (child < 0) return hgm_fail(error, EXIT_ENVIRONMENT, "cannot start a process: %s", strerror(errno)), TRIAL_FAILED;
  int code = wait_for(child);
  if (hgm_interrupt_requested()) return TRIAL_INTERRUPTED;
  read_course(t, r, arena);
  bool whole = access(file_of(t, r, "/model.h5", arena), R_OK) == 0; // then only an `assert` was not met
  if (code == EXIT_DONE || (code == EXIT_USER && whole)) t->failure = isnan(t->value) ? "no epoch had a finite number" : NULL;
  else if (code == EXIT_USER) t->failure = said(t, r, arena);
  else
    return hgm_fail(error, code == EXIT_ENVIRONMENT ? EXIT_ENVIRONMENT : EXIT_INTERNAL, "trial %d ended with exit code %d: %s (all of it: %s)", t->number, code,
                    said(t, r, arena), file_of(t, r, ".log", arena)),
           TRIAL_FAILED;
  if (t->failure != NULL) t->value = NAN;
  return write_result(t, r, arena, error) ? TRIAL_KNOWN : TRIAL_FAILED;
}

TrialState tune_trial(TuneTrial *t, const TuneRung *r, const Options *options, HgmError *error) {
  Arena *arena = options->arena;
  if (read_result(t, r, arena)) return TRIAL_KNOWN;
  const char *path = file_of(t, r, ".lock", arena);
  int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) return hgm_fail(error, EXIT_ENVIRONMENT, "%s: %s", path, strerror(errno)), TRIAL_FAILED;
  TrialState state = TRIAL_BUSY;
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) // a child holds it as well: a search that was killed leaves it to what it began
    state = read_result(t, r, arena) ? TRIAL_KNOWN : train_here(t, r, options, error);
  close(lock);
  return state;
}
