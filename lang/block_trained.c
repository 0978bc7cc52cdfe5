// Trained runs inside other programs: `use trained "runs/teacher" as teacher`.
//
// The run's saved sources are read under the name, as `use … as` reads a file, with the params and the seed that the run had; its
// blocks are left out. Its data blocks are only described: `x: teacher.events.x` is read from columns of the same names and prepared with the
// numbers that the run was fitted with. Weights and fitted states keep their names behind the prefix, and the driver loads them.
// What a run has used itself lies in it, sources and arrays: teacher.first is read from the run of teacher, wherever its own directory is.
#include <string.h>

#include "lang/block.h"

static bool is_of(const Trained *t, const Scope *scope) {
  for (size_t i = 0; i < t->modules.len; i++)
    if (t->modules.at[i] == scope) return true;
  return t->scope == scope;
}

const Trained *trained_of(const Blocks *b, const Scope *scope) {
  for (const Scope *s = scope; s != NULL; s = s->parent)
    for (size_t i = 0; i < b->trained.len; i++)
      if (is_of(b->trained.at[i], s)) return b->trained.at[i];
  return NULL;
}

DataBlock *trained_block_at(const Blocks *b, const Scope *scope, const char *path) {
  for (const char *point; (point = strchr(path, '.')) != NULL; path = point + 1) { // teacher.first.events
    const Binding *module = scope_find(scope, arena_strndup(b->e->work, path, (size_t)(point - path)));
    if (module == NULL || module->value == NULL || module->value->kind != VALUE_MODULE) return NULL;
    scope = module->value->u.module;
  }
  const Trained *t = trained_of(b, scope);
  for (size_t i = 0; t != NULL && i < t->data.len; i++)
    if (t->data.at[i]->scope == scope && strcmp(t->data.at[i]->decl->name.text, path) == 0) return t->data.at[i];
  return NULL;
}

// The saved file that `name` means beside `from`.
const ModelSource *saved_file(Arena *arena, const ModelSources *files, const char *from, const char *name) {
  const char *slash = strrchr(from, '/');
  const char *beside = slash == NULL ? name : arena_printf(arena, "%.*s/%s", (int)(slash - from), from, name);
  for (size_t i = 0; i < files->len; i++)
    if (strcmp(files->at[i].path, beside) == 0) return &files->at[i];
  for (size_t i = 0; i < files->len; i++) { // found by HGM_PATH then
    size_t len = strlen(files->at[i].path), n = strlen(name);
    if (len >= n && strcmp(files->at[i].path + len - n, name) == 0 && (len == n || files->at[i].path[len - n - 1] == '/')) return &files->at[i];
  }
  return NULL;
}

static const char *folder_of(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? "." : arena_strndup(arena, path, (size_t)(slash - path));
}

ModelTrained *trained_open(Blocks *b, const AstDecl *d, const char *from, const char *prefix, const Trained *outer) {
  Elab *e = b->e;
  const char *name = d->u.use.as.text, *problem = "this command does not open runs";
  if (name == NULL) {
    Diag *diag = elab_error(e, DIAG_ARGUMENTS, d->u.use.path_span, "a trained run is used under a name");
    diag_help(e->diags, diag, "`use trained \"%s\" as teacher`", d->u.use.path);
    return NULL;
  }
  ModelTrained *t = ARENA_NEW(e->arena, ModelTrained);
  *t = (ModelTrained){
      .prefix = arena_printf(e->arena, "%s%s", prefix, name), .path = d->u.use.path, .use = d->u.use.path_span, .outer = outer == NULL ? NULL : outer->model};
  const ModelOptions *o = b->options;
  if (o->trained == NULL || !o->trained(o->trained_context, e->arena, t, folder_of(e->arena, from), &problem)) {
    Diag *diag = elab_error(e, DIAG_TRAINED_MISSING, d->u.use.path_span, "`%s` is not a finished run: %s", d->u.use.path, problem);
    if (outer == NULL) diag_help(e->diags, diag, "`--trained %s=DIR` gives another place", t->prefix);
    else diag_help(e->diags, diag, "the manifest of `%s` is not whole: train that run again", outer->model->prefix);
    return NULL;
  }
  if (!pin_agrees(b, d, arena_printf(e->arena, "the model.h5 of %s", d->u.use.path), t->sum)) return NULL;
  VEC_PUSH(e->arena, &e->model->trained, t);
  return t;
}

static const DataField *fitted_as(const DataField *f) {
  while (f->like != NULL) f = f->like;
  return f;
}

// Its prepared value is its physical one.
static bool is_unprepared(const DataField *f) {
  bool same = f->chain.len == 0 && f->split == NULL;
  for (size_t i = 0; i < f->items.len; i++) same &= f->items.at[i].terms.len == 0;
  for (size_t i = 0; i < f->fields.len; i++) same &= is_unprepared(f->fields.at[i]);
  return same;
}

static bool is_prepared(Elab *e, const DataField *have, const Value *v, Span span) {
  if (v->type != have->physical || is_unprepared(have)) return true;
  Diag *d = elab_error(e, DIAG_PHYSICAL_VALUE, span, "`%s` is physical here, and prepared values of it are taken", have->name);
  diag_label(e->diags, d, have->span, "its preparation");
  if (e->scene->purpose == SCENE_OBSERVE && strcmp(e->scene->site, "observables") != 0) diag_help(e->diags, d, "`where` is a formula of fields, without nets");
  else if (e->scene->purpose == SCENE_OBSERVE) diag_help(e->diags, d, "fields are physical in `evaluate`: compute it in `score`, and give its name here");
  else diag_help(e->diags, d, "give the field itself, without `physical`; a net for physical values says `real[n]`");
  return false;
}

// Values of fields that nets and flows are given are prepared; those that a trained one is given as in its run.
bool fields_meet(Elab *e, const FieldType *type, const Value *v, Span span) {
  const DataField *want = type->field, *have = v->type == NULL ? NULL : v->type->field;
  if (want != NULL && have != NULL && type != have->physical && !is_prepared(e, have, v, span)) return false;
  if (want == NULL || want->block->trained == NULL || have == NULL || fitted_as(have) == fitted_as(want)) return true;
  Diag *d = elab_error(e, DIAG_TRAINED_COLUMNS, span, "`%s` is prepared with numbers of its own, and the trained run `%s` knows those of `%s.%s`", have->name,
                       want->block->trained->model->prefix, want->block->model->name, want->label);
  diag_label(e->diags, d, have->span, "declared here");
  diag_help(e->diags, d, "`%s: %s.%s.%s` reads the same columns in the same units, and prepares them with the same numbers", have->label,
            want->block->trained->model->prefix, want->block->decl->name.text, want->label);
  return false;
}
