#include "compiler/driver/lock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compiler/driver/text_file.h"
#include "compiler/driver/verbs.h"
#include "runtime/sha256.h"

static const char *lock_path(Arena *arena, const char *path) {
  size_t n = strlen(path);
  bool ending = n > 4 && strcmp(path + n - 4, ".hgm") == 0;
  return arena_printf(arena, "%.*s.lock", (int)(ending ? n - 4 : n), path);
}

// As seen from the model's folder, so that the folder can be moved.
static const char *seen(const char *path, const char *from) {
  const char *slash = strrchr(path, '/');
  size_t n = slash == NULL ? 0 : (size_t)(slash - path) + 1;
  return strncmp(from, path, n) == 0 ? from + n : from;
}

typedef struct Pin {
  const char *name, *sum;
  Span use;
} Pin;
typedef VEC(Pin) Pins;

static Pins pins_of(const Session *session, const char *path) {
  const Model *m = session->model;
  Arena *arena = session->arena;
  Pins pins = {0};
  for (size_t i = 1; i < m->files.len; i++) { // the first is the model itself
    char *sum = arena_alloc(arena, 65);
    if (strchr(m->files.at[i].path, '|') != NULL) continue; // of a trained run, whose weights say it all
    hgm_sha256_of(m->files.at[i].text, strlen(m->files.at[i].text), sum);
    VEC_PUSH(arena, &pins, ((Pin){seen(path, m->files.at[i].path), sum, m->files.at[i].use}));
  }
  for (size_t i = 0; i < m->trained.len; i++)
    VEC_PUSH(arena, &pins, ((Pin){arena_printf(arena, "trained %s", m->trained.at[i]->prefix), m->trained.at[i]->sum, m->trained.at[i]->use}));
  return pins;
}

static void print_pins(FILE *out, const void *data) {
  const Pins *pins = data;
  for (size_t i = 0; i < pins->len; i++) fprintf(out, "sha256:%s  %s\n", pins->at[i].sum, pins->at[i].name);
}

int verb_lock(const Options *options) {
  Session session = {0};
  int exit_code = EXIT_DONE;
  const char *path = options->positional.at[0];
  SessionSource source = {.path = path, .seed = options->seed, .sets = options->sets, .unlocked = true};
  if (session_open(&session, options, &source, &exit_code)) {
    const Pins pins = pins_of(&session, path);
    const char *name = lock_path(session.arena, path);
    HgmError error = {0};
    if (text_file_write(name, print_pins, &pins, &error)) printf("%s: %zu import%s pinned\n", name, pins.len, pins.len == 1 ? "" : "s");
    else exit_code = report_error(&error);
  }
  if (session.arena != NULL) session_close(&session);
  return exit_code;
}

static const char *place_of(const Session *session, Span use) {
  const SourceFile *file = source_of(session->sources, use);
  int line, column;
  if (file == NULL) return "";
  source_position(session->sources, use.begin, &line, &column);
  return arena_printf(session->arena, ", used in line %d of %s,", line, file->path);
}

static bool check_pin(const Session *session, const Pins *pins, const char *lock, const char *sum, const char *name, HgmError *error) {
  for (size_t i = 0; i < pins->len; i++) {
    if (strcmp(pins->at[i].name, name) != 0) continue;
    if (strcmp(pins->at[i].sum, sum) == 0) return true;
    return hgm_fail(error, EXIT_USER, "%s%s has changed: its checksum is %.12s…, %s says %.12s…; restore it, or pin what is there now with `hgmc lock`", name,
                    place_of(session, pins->at[i].use), pins->at[i].sum, lock, sum);
  }
  return hgm_fail(error, EXIT_USER, "%s pins %s, which the model does not import; pin what it imports with `hgmc lock`", lock, name);
}

bool lock_agrees(const Session *session, const char *path, HgmError *error) {
  const char *lock = lock_path(session->arena, path);
  FILE *in = fopen(lock, "r");
  if (in == NULL) return true;
  const Pins pins = pins_of(session, path);
  char line[4096];
  size_t n = 0;
  bool ok = true;
  while (ok && fgets(line, sizeof line, in) != NULL) {
    char *name = strstr(line, "  "), *end = strchr(line, '\n');
    ok = strncmp(line, "sha256:", 7) == 0 && name != NULL && end != NULL && name - line == 7 + 64;
    if (!ok) hgm_fail(error, EXIT_USER, "line %zu of %s is no checksum and name; write it anew with `hgmc lock`", n + 1, lock);
    else {
      *name = *end = 0;
      ok = check_pin(session, &pins, lock, line + 7, name + 2, error);
    }
    n++;
  }
  fclose(in);
  return ok && (n == pins.len || hgm_fail(error, EXIT_USER, "%s pins %zu imports, the model has %zu; pin what it imports with `hgmc lock`", lock, n, pins.len));
}
