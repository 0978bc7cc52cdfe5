// Train blocks: phases, their definitions and their length. What an update does is in block_update.c.
//
// A name in a train block is a definition: every program that uses it elaborates it anew, with draw sites that depend on
// the name alone, so that all programs of a step see the same numbers.
#include <string.h>

#include "lang/update.h"

typedef struct Definition {
  const AstStmt *statement;
  const char *site;
  Scope *made; // NULL until a program asks
} Definition;
typedef struct DefinedName {
  Definition *definition;
  const char *name;
} DefinedName;

static Value *make_defined(Elab *e, Scope *scope, void *data) {
  const DefinedName *d = data;
  Definition *def = d->definition;
  if (def->made == NULL) {
    const char *outer = e->scene->site;
    def->made = scope_new(e, scope);
    e->scene->site = def->site;
    elab_statement(e, def->made, def->statement);
    e->scene->site = outer;
  }
  const Binding *b = scope_own(def->made, d->name);
  return b == NULL || b->value == NULL ? value_error(e) : b->value;
}

static void define(Blocks *b, Scope *names, const TrainScope *t, const AstStmt *s) {
  Elab *e = b->e;
  if (s->kind == ST_ERROR) return;
  if (s->kind != ST_ASSIGN && s->kind != ST_DRAW) {
    elab_statement(e, names, s);
    return;
  }
  const AstPattern *pattern = s->kind == ST_ASSIGN ? &s->u.assign.pattern : &s->u.draw.pattern;
  Definition *def = ARENA_NEW(e->arena, Definition);
  def->statement = s;
  def->site = s->kind == ST_DRAW ? t->site : arena_printf(e->arena, "%s.%s", t->site, pattern->names.at[0].text);
  for (size_t i = 0; i < pattern->names.len; i++) {
    AstName name = pattern->names.at[i];
    if (strcmp(name.text, "_") == 0) continue;
    const Binding *old = scope_own(names, name.text);
    if (old != NULL) {
      Diag *d = elab_error(e, DIAG_GIVEN_TWICE, name.span, "`%s` is given twice in this train block", name.text);
      diag_label(e->diags, d, old->span, "first here");
      diag_help(e->diags, d, "names are given once, except inside `repeat`");
      continue;
    }
    DefinedName *one = ARENA_NEW(e->arena, DefinedName);
    *one = (DefinedName){def, name.text};
    scope_bind_lazy(e, names, name.text, name.span, make_defined, one);
  }
}

Scope *train_names(Blocks *b, const TrainScope *t) {
  Scope *names = scope_new(b->e, fields_scope(b, t->outer, false));
  for (size_t i = 0; i < t->decl->u.train.items.len; i++) {
    const AstTrainItem *item = t->decl->u.train.items.at[i];
    if (item->kind == TI_STATEMENT) define(b, names, t, item->statement);
  }
  return names;
}

bool static_int(Elab *e, Scope *scope, const AstExpr *x, const char *what, int64_t least, int64_t *out) {
  Value *v = elab_expr(e, scope, x);
  if (value_is_error(v) || !elab_setting_int(e, v, x->span, what, out)) return false;
  if (*out >= least) return true;
  Diag *d = elab_error(e, DIAG_TYPE, x->span, "%s is at least %lld, found %lld", what, (long long)least, (long long)*out);
  diag_help(e->diags, d, "give a larger number");
  return false;
}

// ---- items

static void watch_item(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstTrainItem *item) {
  phase->watch = item->value;
  if (item->second != NULL) static_int(b->e, t->outer, item->second, "how often `watch` looks", 1, &phase->watch_every);
}

static void keep_item(Elab *e, ModelPhase *phase, const AstTrainItem *item) {
  phase->keep_last = strcmp(item->keep.text, "last") == 0;
  if (phase->keep_last || strcmp(item->keep.text, "best") == 0) return;
  Diag *d = elab_error(e, DIAG_UNKNOWN_WORD, item->keep.span, "`keep %s` is not known", item->keep.text);
  diag_help(e->diags, d, "`keep last` ends with the last weights, `keep best` with those of the best validation epoch");
}

static void length_item(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstTrainItem *item, size_t updates) {
  Elab *e = b->e;
  switch (item->kind) {
  case TI_BATCH: static_int(e, t->outer, item->value, "the size of a batch", 1, &phase->batch); return;
  case TI_EPOCHS:
    static_int(e, t->outer, item->value, "the number of epochs", 1, &phase->epochs);
    if (item->second != NULL) static_int(e, t->outer, item->second, "the steps of an epoch", 1, &phase->steps_per_epoch);
    return;
  case TI_STEPS: static_int(e, t->outer, item->value, "the number of steps", 1, &phase->steps); return;
  case TI_PATIENCE: {
    static_int(e, t->outer, item->value, "the patience", 1, &phase->patience);
    if (updates < 2 || phase->watch != NULL) return;
    Diag *d = elab_error(e, DIAG_WATCH_WHAT, item->span, "two losses: nothing says which epoch is best");
    diag_help(e->diags, d, "add `watch`, as in `watch wasserstein`, or drop `patience`");
    return;
  }
  case TI_KEEP: keep_item(e, phase, item); return;
  case TI_WHERE:
  case TI_WATCH:
  case TI_SIMULTANEOUS:
  case TI_ERROR:
  case TI_STATEMENT:
  case TI_UPDATE: return;
  }
}

// ---- where

static const char *not_of_the_data(const IrFn *fn) {
  for (size_t i = 0; i < fn->values.len; i++) {
    IrOp op = fn->values.at[i].op;
    if (op == IR_PARAM || op == IR_DRAW || op == IR_COUNTER) return op == IR_PARAM ? "the weights of a net" : op == IR_DRAW ? "a draw" : "the step";
  }
  return NULL;
}

static void where_refused(Elab *e, const AstTrainItem *item, const char *why) {
  Diag *d = elab_error(e, DIAG_WHERE_WHAT, item->value->span, "%s", why);
  diag_help(e->diags, d, "`where` in `train` chooses events by fields of the data, as in `where gen.pt > 30 GeV`; their values are physical");
}

static bool phase_has(const ModelPhase *phase, const ModelData *data) {
  for (size_t i = 0; i < phase->data.len; i++)
    if (phase->data.at[i] == data) return true;
  return false;
}

// The events that the phase trains on and is validated by, chosen before it begins. sound: the updates had no mistake.
static void where_item(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstTrainItem *item, bool sound) {
  Elab *e = b->e;
  Scene *scene = scene_open(e, SCENE_OBSERVE, arena_printf(e->arena, "%s.where_%zu", t->site, phase->selections.len + 1), t->site);
  Value *v = elab_expr(e, fields_scope(b, t->outer, true), item->value);
  IrRef keep = event_condition(e, v, item->value->span);
  scene_close(e);
  if (keep == IR_NONE) return;
  const char *other = not_of_the_data(scene->fn);
  const ModelData *data = v->u.tensor.belongs.kind == BELONGS_EVENTS ? v->u.tensor.belongs.data : NULL;
  if (other != NULL) where_refused(e, item, arena_printf(e->arena, "this condition depends on %s", other));
  else if (data == NULL) where_refused(e, item, "this condition is not about events of the data");
  else if (sound && !phase_has(phase, data)) where_refused(e, item, arena_printf(e->arena, "no update of this train block reads `%s`", data->name));
  ir_output(scene->fn, "keep", ir_cast(scene->fn, keep, IR_I32));
  ModelSelection selection = {data, scene->fn, {0}};
  scene_open(e, SCENE_OBSERVE, arena_printf(e->arena, "%s.cuts", scene->fn->name), t->site);
  cuts_add(e, fields_scope(b, t->outer, true), item->value, &selection.cuts);
  scene_close(e);
  VEC_PUSH(e->arena, &phase->selections, selection);
}

static bool reads_columns(const ModelPhase *phase) {
  for (size_t i = 0; i < phase->data.len; i++)
    if (phase->data.at[i]->columns.len > 0) return true;
  return false;
}

// sound: the updates had no mistake, so what they do not use is known
static void check_length(Elab *e, const ModelPhase *phase, const AstDecl *decl, bool sound) {
  Span here = decl->name.span.begin != 0 ? decl->name.span : decl->span;
  bool batch = false, length = false; // said, though perhaps wrong
  for (size_t i = 0; i < decl->u.train.items.len; i++) {
    AstTrainKind kind = decl->u.train.items.at[i]->kind;
    batch = batch || kind == TI_BATCH;
    length = length || kind == TI_EPOCHS || kind == TI_STEPS;
  }
  if (!batch) {
    Diag *d = elab_error(e, DIAG_NO_BATCH, here, "this train block does not say how many events a step takes");
    diag_help(e->diags, d, "add `batch 512`");
  }
  if (!length) {
    Diag *d = elab_error(e, DIAG_NO_END, here, "this train block does not say when it ends");
    diag_help(e->diags, d, "add `epochs 100`, or `steps 50_000`");
  } else if (sound && !reads_columns(phase) && phase->steps == 0 && phase->steps_per_epoch == 0) {
    Diag *d = elab_error(e, DIAG_NO_END, here, "without data there are no epochs");
    diag_help(e->diags, d, "`steps 50_000`, or `epochs 100 of 500 steps`");
  }
}

static Span head_of(const AstDecl *decl) { // the word `train`, not the whole block
  return (Span){decl->span.begin, decl->span.begin + 5 < decl->span.end ? decl->span.begin + 5 : decl->span.end};
}

static void check_batch(Elab *e, const ModelPhase *phase, const AstDecl *decl) {
  for (size_t i = 0; i < decl->u.train.items.len; i++) {
    const AstTrainItem *item = decl->u.train.items.at[i];
    if (item->kind != TI_BATCH || phase->batch != 1 || !phase->normalises) continue;
    Diag *d = elab_error(e, DIAG_BATCH_ONE, item->span, "a batch of one event has no spread to normalise by");
    diag_help(e->diags, d, "`batch 2` or more; `layer_norm` and `scale_shift` normalise without a batch");
  }
}

static void tell_phase(const Blocks *b, const ModelPhase *phase) {
  const Elab *e = b->e;
  if (b->options->phase_read != NULL && e->model->phases.len == 0 && e->diags->errors == 0) b->options->phase_read(b->options->phase_context, e->model, phase);
}

typedef struct PhaseItems { // of a train block
  size_t updates;
  bool at_once; // `simultaneous`
} PhaseItems;

static PhaseItems count_items(const AstDecl *decl) {
  PhaseItems items = {0};
  for (size_t i = 0; i < decl->u.train.items.len; i++) {
    const AstTrainItem *item = decl->u.train.items.at[i];
    items.updates += item->kind == TI_UPDATE;
    items.at_once = items.at_once || item->kind == TI_SIMULTANEOUS;
  }
  return items;
}

// Each update for itself, then those as one that are one program.
static void update_items(Blocks *b, ModelPhase *phase, const TrainScope *t, PhaseItems items) {
  int number = 0;
  for (size_t i = 0; i < t->decl->u.train.items.len; i++) {
    const AstTrainItem *item = t->decl->u.train.items.at[i];
    if (item->kind != TI_UPDATE) continue;
    number++;
    update_block(b, phase, t, item->update, number);
  }
  if (items.updates > 1 && items.at_once) updates_at_once(b, phase, t);
  else if (items.updates > 1 && b->e->diags->errors == 0) updates_in_common(b->e, phase);
}

static void check_updates(Elab *e, const ModelPhase *phase, PhaseItems items) {
  if (items.updates > 1 && phase->plateaus.len > 0 && phase->watch == NULL) {
    Diag *d = elab_error(e, DIAG_WATCH_WHAT, phase->span, "two losses: nothing says when `plateau` is on one");
    diag_help(e->diags, d, "add `watch`, as in `watch wasserstein`");
  }
  if (items.updates == 0) {
    Diag *d = elab_error(e, DIAG_LOSS_MISSING, phase->span, "this train block updates nothing");
    diag_help(e->diags, d, "`update encoder { minimize …; with adam(1e-3) }`");
  }
}

// The order in which items are looked at is not that of the file: what is watched, lengths, updates, the validation, which rows.
static void one_phase(Blocks *b, const TrainScope *t) {
  Elab *e = b->e;
  ModelPhase *phase = ARENA_NEW(e->arena, ModelPhase);
  const PhaseItems items = count_items(t->decl);
  const int errors_before = e->diags->errors;
  const size_t n = t->decl->u.train.items.len;
  AstTrainItem *const *at = t->decl->u.train.items.at;
  phase->name = t->site;
  phase->span = head_of(t->decl);
  b->phase = phase;
  for (size_t i = 0; i < n; i++)
    if (at[i]->kind == TI_WATCH) watch_item(b, phase, t, at[i]);
  for (size_t i = 0; i < n; i++) length_item(b, phase, t, at[i], items.updates);
  update_items(b, phase, t, items);
  tell_phase(b, phase);
  for (size_t i = 0; i < n && items.updates == 1; i++)
    if (at[i]->kind == TI_UPDATE) update_validate(b, phase, t, at[i]->update, 1);
  check_updates(e, phase, items);
  bool sound = e->diags->errors == errors_before;
  for (size_t i = 0; i < n; i++)
    if (at[i]->kind == TI_WHERE) where_item(b, phase, t, at[i], sound);
  AstDecl head = *t->decl;
  head.span = phase->span;
  check_length(e, phase, &head, e->diags->errors == errors_before);
  check_batch(e, phase, t->decl);
  VEC_PUSH(e->arena, &e->model->phases, phase);
}

static const char *phase_name(Elab *e) {
  size_t n = e->model->phases.len;
  return n == 0 ? "train" : arena_printf(e->arena, "train%zu", n + 1);
}

enum { MOST_PHASES = 10000 };

void train_block(Blocks *b, const Train *t) {
  Elab *e = b->e;
  const AstDecl *d = t->decl;
  Value *count = d->u.train.repeat == NULL ? NULL : elab_expr(e, t->scope, d->u.train.repeat);
  if (count != NULL && value_is_error(count)) return;
  int64_t n = 1;
  bool list = count != NULL && count->kind == VALUE_LIST;
  if (list) n = (int64_t)count->u.list.len;
  else if (count != NULL && !elab_setting_int(e, count, d->u.train.repeat->span, "how often `train` repeats", &n)) return;
  if (n < 0 || n > MOST_PHASES) {
    Diag *diag = elab_error(e, DIAG_TOO_LARGE, d->u.train.repeat->span, "%lld phases", (long long)n);
    diag_help(e->diags, diag, "each has programs of its own: 0 to %d phases; `epochs` makes one longer", MOST_PHASES);
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    Map optimizers = {0};
    TrainScope scope = {.outer = scope_new(e, t->scope), .site = phase_name(e), .decl = d, .optimizers = &optimizers};
    if (d->u.train.as.text != NULL) {
      Value *v = list ? count->u.list.at[i] : value_int(e, d->u.train.as.span, i);
      scope_bind(e, scope.outer, d->u.train.as.text, d->u.train.as.span, v)->used = true;
    }
    one_phase(b, &scope);
  }
}
