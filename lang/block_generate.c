// Samplers: what is given, what is drawn and computed, and which events stay.
#include <string.h>

#include "lang/block_output.h"

// Given fields are read; those without a column are drawn here as in training.
static void mark_given(const DataField *f, Output *out) {
  if (split_part_of(f) != NULL) f = split_part_of(f)->whole;
  for (size_t i = 0; f->split == NULL && i < f->fields.len; i++) mark_given(f->fields.at[i], out);
  for (size_t i = 0; i < f->items.len; i++) {
    out->given[f->items.at[i].own] = out->read[f->items.at[i].own] = true;
    for (size_t k = 0; k < f->items.at[i].terms.len; k++) {
      const DataTerm *t = &f->items.at[i].terms.at[k];
      for (size_t c = 0; c < t->columns.len; c++) out->given[t->columns.at[c]] = out->read[t->columns.at[c]] = true;
    }
  }
}

static Value *not_there(Elab *e, Scope *scope, void *data) {
  (void)scope;
  const DataField *f = data;
  Diag *d = elab_error(e, DIAG_UNKNOWN_NAME, e->asked, "`%s` is used by `generate`, which neither generates it before nor is given it", f->name);
  diag_label(e->diags, d, f->span, "declared here");
  diag_help(e->diags, d, "`generate given %s { … }`", f->label);
  return value_error(e);
}

static DataField *field_labelled(const DataBlock *d, const char *label) {
  for (size_t i = 0; i < d->fields.len; i++)
    if (strcmp(d->fields.at[i]->label, label) == 0) return d->fields.at[i];
  return NULL;
}

// A given field stands in the block that is written, or in another.
static DataField *field_given(const Blocks *b, const DataBlock *d, const char *label) {
  DataField *f = d == NULL ? NULL : field_labelled(d, label);
  for (size_t i = 0; i < b->data.len && f == NULL; i++) f = field_labelled(b->data.at[i], label);
  return f;
}

// The columns of a field of another block are read and not written.
static void read_only(Elab *e, const DataField *f, ModelGenerator *g) {
  for (size_t i = 0; i < f->fields.len; i++) read_only(e, f->fields.at[i], g);
  for (size_t i = 0; i < f->items.len; i++) {
    VEC_PUSH(e->arena, &g->given, &f->block->model->columns.at[f->items.at[i].own]);
    for (size_t k = 0; k < f->items.at[i].terms.len; k++) {
      const DataTerm *t = &f->items.at[i].terms.at[k];
      for (size_t c = 0; c < t->columns.len; c++) VEC_PUSH(e->arena, &g->given, &f->block->model->columns.at[t->columns.at[c]]);
    }
  }
}

// Of the block that is written, or of the first.
static const char *nearest(const Blocks *b, const DataBlock *d, const char *name) {
  if (d == NULL && b->data.len > 0) d = b->data.at[0];
  return d == NULL ? NULL : field_nearest(b->e, d, name);
}

static bool bind_given(Blocks *b, Scope *scope, DataBlock *d, const AstNames *names, Output *out, ModelGenerator *g) {
  Elab *e = b->e;
  bool good = true;
  for (size_t i = 0; i < names->len; i++) {
    AstName name = names->at[i];
    DataField *f = field_given(b, d, name.text);
    if (f == NULL) {
      Diag *diag = elab_error(e, DIAG_GENERATE_FIELD, name.span, "`%s` is no field of the data and cannot be given", name.text);
      const char *near = nearest(b, d, name.text);
      if (near != NULL) diag_help(e->diags, diag, "did you mean `%s`?", near);
      else diag_help(e->diags, diag, "fields of the data are given: `generate given gen { … }`");
      good = false;
      continue;
    }
    scope_bind(e, scope, name.text, name.span, field_prepared(e, f, name.span))->used = true;
    if (f->made == NULL) g->real_events = true;
    if (g->given_data != NULL && g->given_data != f->block->model) {
      Diag *diag = elab_error(e, DIAG_TWO_DATA, name.span, "`%s` and `%s` are of two data blocks, whose events are not paired", names->at[0].text, name.text);
      diag_help(e->diags, diag, "give fields of one data block");
      good = false;
    }
    g->given_data = f->block->model;
    if (f->block == d) mark_given(f, out);
    else read_only(e, f, g);
  }
  return good;
}

// The data block that a generator writes: the one that has the fields it gives names to.
static DataBlock *data_of(Blocks *b, const AstDecl *decl) {
  for (size_t i = 0; i < b->data.len; i++) {
    for (size_t k = 0; k < decl->u.generate.body.len; k++) {
      const AstStmt *s = decl->u.generate.body.at[k];
      const AstPattern *p = s->kind == ST_ASSIGN ? &s->u.assign.pattern : s->kind == ST_DRAW ? &s->u.draw.pattern : NULL;
      for (size_t n = 0; p != NULL && n < p->names.len; n++)
        if (field_labelled(b->data.at[i], p->names.at[n].text) != NULL) return b->data.at[i];
    }
  }
  for (size_t i = 0; i < b->data.len; i++)
    for (size_t k = 0; k < decl->u.generate.given.len; k++)
      if (field_labelled(b->data.at[i], decl->u.generate.given.at[k].text) != NULL) return b->data.at[i];
  return NULL;
}

static void write_columns(Blocks *b, Output *out, ModelGenerator *g) {
  Elab *e = b->e;
  for (size_t i = 0; i < out->data->model->columns.len; i++) {
    const ModelColumn *c = &out->data->model->columns.at[i];
    IrRef x = output_column(out, (int)i);
    if (out->read[i]) VEC_PUSH(e->arena, &g->given, c);
    if (x == IR_NONE) continue;
    ir_output(g->fn, arena_printf(e->arena, "out:%s", c->name), column_as_in_file(g->fn, c, x));
    VEC_PUSH(e->arena, &g->outputs, (ModelOutput){.column = c->name, .like = c, .given = out->given[i]});
  }
}

static void write_made(Blocks *b, const AstNames *given, Output *out, ModelGenerator *g) {
  Elab *e = b->e;
  for (size_t i = 0; i < given->len; i++) {
    DataField *f = field_labelled(out->data, given->at[i].text);
    if (f == NULL || f->made == NULL) continue;
    Value *v = field_prepared(e, f, given->at[i].span);
    if (v->kind != VALUE_TENSOR) continue;
    ir_output(g->fn, arena_printf(e->arena, "out:%s", f->label), over_events(e, v));
    VEC_PUSH(e->arena, &g->outputs, (ModelOutput){.column = f->label, .like = f->column, .extra = true});
  }
  for (size_t i = 0; i < out->made.len; i++) {
    const DataField *f = out->made.at[i];
    ir_output(g->fn, arena_printf(e->arena, "out:%s", f->label), out->made_values.at[i]);
    bool simulated = out->data->model->columns.len == 0; // else the file does not have it
    VEC_PUSH(e->arena, &g->outputs, (ModelOutput){.column = f->label, .like = f->column, .extra = !simulated});
  }
}

// What is generated and goes nowhere is written as it is.
static void write_extra(Blocks *b, const DataBlock *d, const Scope *body, ModelGenerator *g) {
  Elab *e = b->e;
  for (size_t i = 0; i < body->order.len; i++) {
    const Binding *x = body->order.at[i];
    Value *v = x->value;
    if (x->used || v == NULL || v->kind != VALUE_TENSOR || field_labelled(d, x->name) != NULL) continue;
    if (v->u.tensor.type.shape.rank > MODEL_COLUMN_AXES) {
      elab_not_built(e, x->span, "a column of more than four axes", FEWER_COLUMN_AXES);
      return;
    }
    for (size_t k = 0; k < g->outputs.len; k++)
      if (strcmp(g->outputs.at[k].column, x->name) == 0) return;
    Diag *diag = elab_error(e, DIAG_GENERATE_TAKEN, x->span, "`%s` is no field of the data and is written as it is", x->name);
    diag_help(e->diags, diag, "give it the name of a field, or `_` if it shall not be written");
    ModelColumn *column = ARENA_NEW(e->arena, ModelColumn);
    *column = (ModelColumn){.name = x->name, .rank = v->u.tensor.type.shape.rank, .unit = v->u.tensor.type.unit, .span = x->span};
    for (int k = 0; k < column->rank; k++) column->shape[k] = v->u.tensor.type.shape.axes[k];
    ir_output(g->fn, arena_printf(e->arena, "out:%s", x->name), over_events(e, v));
    VEC_PUSH(e->arena, &g->outputs, (ModelOutput){.column = x->name, .like = column, .extra = true});
  }
}

// `generate between given x { x = … }`: what is given is taken, and what is generated takes its place.
static void written_anew(Output *out) {
  for (size_t i = 0; i < out->fields.len; i++) {
    const DataField *f = out->fields.at[i], *part = split_part_of(f);
    if (part != NULL) f = part->whole;
    for (size_t k = 0; k < f->items.len; k++) out->given[f->items.at[k].own] = false;
  }
}

static bool generates(const ModelGenerator *g) {
  for (size_t i = 0; i < g->outputs.len; i++)
    if (!g->outputs.at[i].given && !g->outputs.at[i].extra) return true;
  return false;
}

// ---- where

static Value *drawn_physical(Elab *e, Scope *scope, void *data) {
  (void)scope;
  DataField *f = data;
  return field_physical(e, f, f->span);
}

static bool is_named(const AstNames *names, const char *name) {
  for (size_t i = 0; i < names->len; i++)
    if (strcmp(names->at[i].text, name) == 0) return true;
  return false;
}

// Names of fields mean their physical values, of those that are generated as of those that are given.
static Scope *where_scope(Elab *e, const AstNames *given, Scope *body, Output *out, const ModelGenerator *g) {
  for (size_t i = 0; i < out->data->model->columns.len; i++) {
    const ModelColumn *c = &out->data->model->columns.at[i];
    if (!out->given[i] && out->column[i] != IR_NONE) leaf_stands(e, arena_printf(e->arena, "column:%s", c->name), column_as_in_file(g->fn, c, out->column[i]));
  }
  Scope *scope = scope_new(e, body);
  for (size_t k = 0; k < out->data->fields.len; k++) {
    DataField *f = out->data->fields.at[k];
    if (f->made == NULL && (scope_own(body, f->label) != NULL || is_named(given, f->label)))
      scope_bind_lazy(e, scope, f->label, f->span, drawn_physical, f)->used = true;
  }
  return scope;
}

static bool depends_on_draws(Elab *e, const IrFn *fn, IrRef value) {
  bool *reached = ARENA_ARRAY(e->arena, bool, value + 1);
  reached[value] = true;
  for (IrRef i = value + 1; i-- > 0;) {
    const IrValue *v = ir_at(fn, i);
    if (reached[i] && v->op == IR_DRAW) return true;
    for (uint32_t k = 0; reached[i] && k < v->n_operands; k++) reached[v->operands[k]] = true;
  }
  return false;
}

static void generate_where(Blocks *b, const Generator *g, Scope *body, Output *out, ModelGenerator *model) {
  Elab *e = b->e;
  Scope *scope = NULL;
  IrRef all = IR_NONE;
  for (size_t i = 0; i < g->decl->u.generate.body.len; i++) {
    const AstStmt *s = g->decl->u.generate.body.at[i];
    if (s->kind != ST_WHERE) continue;
    if (scope == NULL) scope = where_scope(e, &g->decl->u.generate.given, body, out, model);
    IrRef one = event_condition(e, elab_expr(e, scope, s->u.condition), s->u.condition->span);
    if (one == IR_NONE) continue;
    if (!depends_on_draws(e, model->fn, one)) {
      Diag *d = elab_error(e, DIAG_WHERE_WHAT, s->u.condition->span, "no draw changes this condition, and `where` in `generate` draws again until it holds");
      diag_help(e->diags, d, "ask it of something that is drawn, or leave given events out with `where` in the data block");
      continue;
    }
    all = all == IR_NONE ? one : ir_binary(model->fn, IR_AND, all, one);
  }
  if (all == IR_NONE) return;
  ir_output(model->fn, "where", ir_cast(model->fn, all, IR_I32));
  model->has_where = true;
}

// ---- the block

void generate_block(Blocks *b, const Generator *g) {
  Elab *e = b->e;
  const AstDecl *decl = g->decl;
  bool named = decl->name.text != NULL && decl->name.text[0] != 0;
  const char *site = named ? arena_printf(e->arena, "generate.%s", decl->name.text) : "generate";
  DataBlock *d = data_of(b, decl);
  ModelGenerator *model = ARENA_NEW(e->arena, ModelGenerator);
  model->name = named ? decl->name.text : "";
  model->fn = scene_open(e, SCENE_GENERATE, site, site)->fn;
  model->data = d == NULL ? NULL : d->model;
  Output out = output_new(e, d);
  Scope *absent = scope_new(e, g->scope), *scope = scope_new(e, absent);
  for (size_t i = 0; i < b->data.len; i++)
    for (size_t k = 0; k < b->data.at[i]->fields.len; k++)
      scope_bind_lazy(e, absent, b->data.at[i]->fields.at[k]->label, b->data.at[i]->fields.at[k]->span, not_there, b->data.at[i]->fields.at[k]);
  bool good = bind_given(b, scope, d, &decl->u.generate.given, &out, model);
  Scope *body = scope_new(e, scope);
  for (size_t i = 0; i < decl->u.generate.body.len; i++) {
    const AstStmt *s = decl->u.generate.body.at[i];
    if (s->kind != ST_WHERE) elab_statement(e, body, s);
  }
  for (size_t k = 0; d != NULL && k < d->fields.len; k++) {
    const Binding *x = scope_own(body, d->fields.at[k]->label);
    if (x != NULL && x->value != NULL) output_add(&out, d->fields.at[k], x->value, x->span);
  }
  written_anew(&out);
  if (d != NULL && good) write_columns(b, &out, model);
  if (d != NULL && good) write_made(b, &decl->u.generate.given, &out, model);
  if (d != NULL && good) generate_where(b, g, body, &out, model);
  bool nothing = d == NULL || (good && !generates(model) && e->diags->errors == 0);
  if (!nothing && e->diags->errors == 0) write_extra(b, d, body, model);
  if (nothing) {
    Diag *diag = elab_error(e, DIAG_GENERATE_FIELD, decl->span, "this block generates no field of the data");
    diag_help(e->diags, diag, "give the name of a field to what is generated: `x = decoder(z)`");
    for (size_t i = 0; i < body->order.len; i++) {
      const char *near = nearest(b, d, body->order.at[i]->name);
      if (near != NULL) diag_help(e->diags, diag, "did you mean `%s` by `%s`?", near, body->order.at[i]->name);
    }
  }
  scene_close(e);
  VEC_PUSH(e->arena, &e->model->generators, model);
}
