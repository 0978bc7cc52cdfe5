// hgmc diff A B: how two models differ, in model terms. Each model becomes a list of named facts; those that differ are shown.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/driver/run_files.h"
#include "compiler/driver/verbs.h"

enum { LONG_PAIR = 100 }; // characters; longer pairs stand under each other

typedef struct Fact {
  const char *kind, *name, *value;
} Fact;
typedef struct Facts {
  const Model *model;
  Arena *arena;
  VEC(Fact) list;
} Facts;

static void add(Facts *f, const char *kind, const char *name, const char *value) { VEC_PUSH(f->arena, &f->list, ((Fact){kind, name, value})); }

// The bytes of a span on one line, without comments.
static const char *text_of(const Facts *f, Span span) {
  SourceFile *file = source_of(f->model->sources, span);
  if (file == NULL || span.end <= span.begin) return "";
  char *text = arena_strndup(f->arena, file->text + (span.begin - file->base), span.end - span.begin), *to = text;
  bool quoted = false;
  for (const char *at = text; *at != 0;) {
    if (!quoted && *at == '#') {
      at += strcspn(at, "\n");
      continue;
    }
    quoted ^= *at == '"';
    const bool space = !quoted && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r');
    if (!space) *to++ = *at;
    else if (to > text && to[-1] != ' ') *to++ = ' ';
    at++;
  }
  while (to > text && to[-1] == ' ') to--;
  *to = 0;
  return text;
}

static void add_data(Facts *f, const ModelData *d) {
  for (size_t i = 0; i < d->fields.len; i++) add(f, "data", arena_printf(f->arena, "%s: %s", d->name, d->fields.at[i].name), d->fields.at[i].text);
  if (d->has_split) add(f, "data", arena_printf(f->arena, "%s: split", d->name), arena_printf(f->arena, "%g / %g / %g", d->split[0], d->split[1], d->split[2]));
}

static void add_weights(Facts *f) {
  for (size_t i = 0; i < f->model->weights.len; i++) {
    const ModelWeight *w = &f->model->weights.at[i];
    const char *shape = w->type.rank == 0 ? "a number" : "";
    for (int k = 0; k < w->type.rank; k++) shape = arena_printf(f->arena, "%s%s%lld", shape, k > 0 ? " x " : "", (long long)w->type.axes[k]);
    add(f, "weight", w->name, w->fixed ? arena_printf(f->arena, "%s, fixed", shape) : shape);
  }
}

static void add_phase(Facts *f, const ModelPhase *p) {
  const struct {
    const char *name;
    int64_t value;
  } numbers[] = {{"batch", p->batch}, {"epochs", p->epochs}, {"steps", p->steps}, {"steps of an epoch", p->steps_per_epoch}, {"patience", p->patience}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i].value > 0)
      add(f, "training", arena_printf(f->arena, "%s: %s", p->name, numbers[i].name), arena_printf(f->arena, "%lld", (long long)numbers[i].value));
  for (size_t i = 0; i < p->updates.len; i++)
    for (size_t k = 0; k < p->updates.at[i].losses.len; k++)
      add(f, "training", arena_printf(f->arena, "%s: update %s", p->name, p->updates.at[i].losses.at[k].name), text_of(f, p->updates.at[i].losses.at[k].span));
  if (p->watch != NULL) add(f, "training", arena_printf(f->arena, "%s: watch", p->name), text_of(f, p->watch->span));
}

static void collect(Facts *f, const Model *m) {
  f->model = m;
  for (size_t i = 0; i < m->params.len; i++) add(f, "param", m->params.at[i].name, m->params.at[i].value);
  for (size_t i = 0; i < m->data.len; i++) add_data(f, m->data.at[i]);
  for (size_t i = 0; i < m->parts.len; i++) add(f, m->parts.at[i].kind, m->parts.at[i].name, text_of(f, m->parts.at[i].span));
  add_weights(f);
  for (size_t i = 0; i < m->phases.len; i++) add_phase(f, m->phases.at[i]);
  for (size_t i = 0; i < m->estimates.len; i++) add(f, "fit", m->estimates.at[i]->name, text_of(f, m->estimates.at[i]->span));
  for (size_t i = 0; i < m->trained.len; i++) add(f, "trained", m->trained.at[i]->prefix, m->trained.at[i]->sum);
  for (size_t i = 0; i < m->generators.len; i++) {
    const char *outputs = "";
    for (size_t k = 0; k < m->generators.at[i]->outputs.len; k++)
      outputs = arena_printf(f->arena, "%s%s%s", outputs, k > 0 ? ", " : "", m->generators.at[i]->outputs.at[k].column);
    add(f, "generate", m->generators.at[i]->name[0] != 0 ? m->generators.at[i]->name : "(unnamed)", outputs);
  }
}

static const Fact *find(const Facts *f, const Fact *like) {
  for (size_t i = 0; i < f->list.len; i++)
    if (strcmp(f->list.at[i].kind, like->kind) == 0 && strcmp(f->list.at[i].name, like->name) == 0) return &f->list.at[i];
  return NULL;
}

static int show(const Facts *a, const Facts *b) {
  int n = 0;
  for (size_t i = 0; i < a->list.len; i++) {
    const Fact *x = &a->list.at[i], *y = find(b, x);
    if (y != NULL && strcmp(x->value, y->value) == 0) continue;
    n++;
    if (y == NULL) printf("- %s %s: %s\n", x->kind, x->name, x->value);
    else if (strlen(x->value) + strlen(y->value) < LONG_PAIR) printf("~ %s %s: %s -> %s\n", x->kind, x->name, x->value, y->value);
    else printf("~ %s %s:\n    %s\n -> %s\n", x->kind, x->name, x->value, y->value);
  }
  for (size_t i = 0; i < b->list.len; i++) {
    const Fact *y = &b->list.at[i];
    if (find(a, y) != NULL) continue;
    n++;
    printf("+ %s %s: %s\n", y->kind, y->name, y->value);
  }
  return n;
}

static int64_t parameters(const Model *m) {
  int64_t n = 0;
  for (size_t i = 0; i < m->weights.len; i++) n += m->weights.at[i].fixed ? 0 : ir_elements(&m->weights.at[i].type);
  return n;
}

// A model file, or a run by its saved sources.
static bool open_either(OpenRun *run, const Options *options, const char *path, int *exit_code) {
  struct stat info;
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return open_run(run, options, path, exit_code);
  SessionSource source = {.path = path, .seed = options->seed};
  return session_open(&run->session, options, &source, exit_code);
}

int verb_diff(const Options *options) {
  OpenRun *runs = calloc(2, sizeof *runs);
  int exit_code = EXIT_DONE;
  if (runs == NULL) return EXIT_ENVIRONMENT;
  bool ok = open_either(&runs[0], options, options->positional.at[0], &exit_code) && open_either(&runs[1], options, options->positional.at[1], &exit_code);
  if (ok) {
    Facts facts[2] = {{.arena = runs[0].session.arena}, {.arena = runs[1].session.arena}};
    for (int k = 0; k < 2; k++) collect(&facts[k], runs[k].session.model);
    const int n = show(&facts[0], &facts[1]);
    const int64_t first = parameters(runs[0].session.model), second = parameters(runs[1].session.model);
    if (n == 0) printf("no difference: %lld parameters each\n", (long long)first);
    else printf("%d difference%s; %lld parameters against %lld\n", n, n == 1 ? "" : "s", (long long)first, (long long)second);
  }
  for (int k = 0; k < 2; k++)
    if (runs[k].session.arena != NULL) close_run(&runs[k]);
  free(runs);
  return exit_code;
}
