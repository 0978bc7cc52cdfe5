// Samplers and scores: what is drawn and computed, and the way back from prepared numbers to columns of the file.
#include <string.h>

#include "lang/block.h"
#include "lang/unit.h"

static const double pi = 3.14159265358979323846;

// The columns of one data block on their way out.
typedef struct Output {
  Elab *e;
  DataBlock *data;
  VEC(const DataField *) fields; // generated, without parts
  VEC(IrRef) sources;            // of each: the formula's value in physical numbers, f64
  VEC(const DataField *) made;   // generated, without columns
  VEC(IrRef) made_values;        // of each, f64
  IrRef *column;                 // by column: its value, IR_NONE: not yet
  bool *making, *given;          // given: read, and written as it is
  bool *read;                    // given, though perhaps written anew
} Output;

static bool leaves_of(Elab *e, const DataField *f, const Value *v, Output *out);

// ---- from a value to a field

static bool add_leaf(Elab *e, const DataField *f, const Value *v, Output *out) {
  IrFn *fn = e->scene->fn;
  if (v->kind != VALUE_TENSOR) return false;
  if (f->made != NULL) {
    VEC_PUSH(e->arena, &out->made, f);
    VEC_PUSH(e->arena, &out->made_values, over_events(e, v));
    return true;
  }
  IrRef y = elab_per_event(e, v), x;
  if (f->classes != NULL) {
    double *values = ARENA_ARRAY(e->arena, double, f->classes->n);
    for (int64_t i = 0; i < f->classes->n; i++) values[i] = f->classes->values.len > 0 ? f->classes->values.at[i] : (double)i;
    IrType row = {.dtype = IR_F64, .rank = 1, .axes = {f->classes->n}};
    if (v->u.tensor.type.element != ELEMENT_CLASS) y = ir_argmax(fn, y, ir_type_of(fn, y)->rank - 1); // one number for each: the largest wins
    x = ir_gather(fn, ir_const(fn, row, values), ir_cast(fn, y, IR_I32), 0, 0);
  } else {
    x = field_inverse(e, f, ir_cast(fn, y, IR_F64));
  }
  VEC_PUSH(e->arena, &out->fields, f);
  VEC_PUSH(e->arena, &out->sources, x);
  return true;
}

static bool leaves_of(Elab *e, const DataField *f, const Value *v, Output *out) {
  if (!f->record) return add_leaf(e, f, v, out);
  if (v->kind != VALUE_RECORD || v->u.record.fields.len != f->fields.len) return false;
  for (size_t i = 0; i < f->fields.len; i++)
    if (!leaves_of(e, f->fields.at[i], v->u.record.fields.at[i].value, out)) return false;
  return true;
}

static void generated(Elab *e, const DataField *f, Value *v, Span span, Output *out) {
  if (value_is_error(v)) return;
  bool class = f->classes != NULL && v->kind == VALUE_TENSOR && v->u.tensor.type.element == ELEMENT_CLASS && v->u.tensor.type.classes->n == f->classes->n;
  if (v->type != f->prepared && !class) {
    Value *vector = elab_flatten(e, v, span);
    if (value_is_error(vector)) return;
    v = elab_unflatten(e, vector, f->prepared, span);
    if (value_is_error(v)) return;
  }
  if (!leaves_of(e, f, v, out)) elab_error(e, DIAG_OUTPUT_TYPE, span, "`%s` of the data is not %s", f->name, value_text(e->arena, v));
}

// ---- from fields to columns

static IrRef item_of(IrFn *fn, const DataField *f, IrRef source, size_t item) {
  if (!f->vector) return source;
  source = ir_reshape(fn, source, 2, (int64_t[]){IR_EVENTS, (int64_t)f->items.len});
  return ir_reshape(fn, ir_slice(fn, source, 1, (int64_t)item, (int64_t)item + 1, 1), 1, (int64_t[]){IR_EVENTS});
}

static IrRef in_range(Elab *e, const DataField *f, IrRef x) {
  if (!f->angle) return x;
  IrFn *fn = e->scene->fn;
  double factor = 1;
  unit_convert(f->unit == NULL ? "rad" : f->unit, "rad", &factor);
  IrRef half = ir_number(fn, IR_F64, pi / factor), turn = ir_number(fn, IR_F64, 2 * pi / factor);
  return ir_binary(fn, IR_SUB, half, ir_binary(fn, IR_MOD, ir_binary(fn, IR_SUB, half, x), turn));
}

static IrRef column_value(Output *out, int column, const DataField *needs);

static IrRef undo_formula(Output *out, const DataField *f, const DataItem *item, IrRef x) {
  IrFn *fn = out->e->scene->fn;
  for (size_t k = item->terms.len; k-- > 0;) {
    const DataTerm *t = &item->terms.at[k];
    IrRef other = t->column < 0 ? ir_number(fn, IR_F64, t->number) : column_value(out, t->column, f);
    if (other == IR_NONE) return IR_NONE;
    x = formula_step(fn, formula_inverse(t->op), x, other);
  }
  return in_range(out->e, f, x);
}

static void needs_column(Output *out, int column, const DataField *needs) {
  const char *name = out->data->model->columns.at[column].name;
  Diag *d =
      elab_error(out->e, DIAG_INVERSE_NEEDS, needs->span, "`%s = %s` is undone with %s, which is neither generated nor given", needs->label, needs->text, name);
  diag_help(out->e->diags, d, "generate the field of %s too, or say `generate given …`", name);
}

static IrRef part_source(const Output *out, const DataField *part) {
  for (size_t i = 0; i < out->fields.len; i++)
    if (split_part_of(out->fields.at[i]) == part) return out->sources.at[i];
  return IR_NONE;
}

// A field that is split, from its parts; IR_NONE: none is generated, or only one is, which is reported.
static IrRef joined(Output *out, const DataField *f) {
  IrRef first = part_source(out, f->fields.at[0]), second = part_source(out, f->fields.at[1]);
  if (first != IR_NONE && second != IR_NONE) return split_join(out->e, f, first, second);
  if (first == IR_NONE && second == IR_NONE) return IR_NONE;
  const DataField *there = f->fields.at[first == IR_NONE], *lacks = f->fields.at[first != IR_NONE];
  Diag *d = elab_error(out->e, DIAG_INVERSE_NEEDS, there->span, "`%s` is undone with %s and %s, and %s is not generated", f->label, there->name, lacks->name,
                       lacks->name);
  diag_help(out->e->diags, d, "generate a field of each part");
  return IR_NONE;
}

static IrRef column_value(Output *out, int column, const DataField *needs) {
  if (out->column[column] != IR_NONE) return out->column[column];
  if (out->given[column]) return out->column[column] = field_column(out->e, out->data, column);
  for (size_t i = 0; i < out->fields.len && !out->making[column]; i++)
    for (size_t k = 0; k < out->fields.at[i]->items.len; k++) {
      const DataField *f = out->fields.at[i];
      if (f->items.at[k].own != column) continue;
      out->making[column] = true;
      IrRef x = undo_formula(out, f, &f->items.at[k], item_of(out->e->scene->fn, f, out->sources.at[i], k));
      out->making[column] = false;
      return out->column[column] = x;
    }
  for (size_t i = 0; i < out->data->fields.len && !out->making[column]; i++) {
    const DataField *f = out->data->fields.at[i];
    for (size_t k = 0; f->split != NULL && k < f->items.len; k++) {
      if (f->items.at[k].own != column) continue;
      IrRef source = joined(out, f);
      if (source == IR_NONE) continue;
      out->making[column] = true;
      IrRef x = undo_formula(out, f, &f->items.at[k], item_of(out->e->scene->fn, f, source, k));
      out->making[column] = false;
      return out->column[column] = x;
    }
  }
  if (needs != NULL) needs_column(out, column, needs);
  return IR_NONE;
}

// Given fields are read; those without a column are drawn here as in training.
static void mark_given(const DataField *f, Output *out) {
  if (split_part_of(f) != NULL) f = split_part_of(f)->whole;
  for (size_t i = 0; f->split == NULL && i < f->fields.len; i++) mark_given(f->fields.at[i], out);
  for (size_t i = 0; i < f->items.len; i++) {
    out->given[f->items.at[i].own] = out->read[f->items.at[i].own] = true;
    for (size_t k = 0; k < f->items.at[i].terms.len; k++)
      if (f->items.at[i].terms.at[k].column >= 0) out->given[f->items.at[i].terms.at[k].column] = out->read[f->items.at[i].terms.at[k].column] = true;
  }
}

static Value *not_there(Elab *e, Scope *scope, void *data) {
  (void)scope;
  const DataField *f = data;
  Diag *d = elab_error(e, DIAG_UNKNOWN_NAME, f->span, "`%s` is used by `generate`, which neither generates it before nor is given it", f->name);
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
    for (size_t k = 0; k < f->items.at[i].terms.len; k++)
      if (f->items.at[i].terms.at[k].column >= 0) VEC_PUSH(e->arena, &g->given, &f->block->model->columns.at[f->items.at[i].terms.at[k].column]);
  }
}

static bool bind_given(Blocks *b, Scope *scope, DataBlock *d, const AstNames *names, Output *out, ModelGenerator *g) {
  Elab *e = b->e;
  bool good = true;
  for (size_t i = 0; i < names->len; i++) {
    AstName name = names->at[i];
    DataField *f = field_given(b, d, name.text);
    if (f == NULL) {
      Diag *diag = elab_error(e, DIAG_GENERATE_FIELD, name.span, "`%s` is no field of the data and cannot be given", name.text);
      diag_help(e->diags, diag, "fields of the data are given: `generate given gen { … }`");
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
    IrRef x = column_value(out, (int)i, NULL);
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
    VEC_PUSH(e->arena, &g->outputs, (ModelOutput){.column = f->label, .like = f->column});
  }
}

// What is generated and goes nowhere is written as it is.
static void write_extra(Blocks *b, const DataBlock *d, const Scope *body, ModelGenerator *g) {
  Elab *e = b->e;
  for (size_t i = 0; i < body->order.len; i++) {
    const Binding *x = body->order.at[i];
    Value *v = x->value;
    if (x->used || v == NULL || v->kind != VALUE_TENSOR || field_labelled(d, x->name) != NULL || v->u.tensor.type.shape.rank > 4) continue;
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

static Output output_new(Elab *e, DataBlock *d) {
  size_t n = d == NULL ? 0 : d->model->columns.len;
  Output out = {.e = e,
                .data = d,
                .column = ARENA_ARRAY(e->arena, IrRef, n + 1),
                .making = ARENA_ARRAY(e->arena, bool, n + 1),
                .given = ARENA_ARRAY(e->arena, bool, n + 1),
                .read = ARENA_ARRAY(e->arena, bool, n + 1)};
  for (size_t i = 0; i < n; i++) out.column[i] = IR_NONE;
  return out;
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
    IrRef one = event_condition(e, elab_expr(e, scope, s->u.where), s->u.where->span);
    if (one == IR_NONE) continue;
    if (!depends_on_draws(e, model->fn, one)) {
      Diag *d = elab_error(e, DIAG_WHERE_WHAT, s->u.where->span, "no draw changes this condition, and `where` in `generate` draws again until it holds");
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
    if (x != NULL && x->value != NULL) generated(e, d->fields.at[k], x->value, x->span, &out);
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
  }
  scene_close(e);
  VEC_PUSH(e->arena, &e->model->generators, model);
}

// ---- scores

static void one_score(Elab *e, const Binding *x) {
  Value *v = x->value;
  if (v == NULL || value_is_error(v)) return;
  bool number = v->kind == VALUE_TENSOR && v->u.tensor.type.shape.rank == 0;
  if (!number && !value_is_number(v)) {
    if (x->used) return; // a step on the way
    Diag *d = elab_error(e, DIAG_TYPE, x->span, "a score is one number per event, `%s` is %s", x->name, value_text(e->arena, v));
    diag_help(e->diags, d, "say `sum(…)` or `mean(…)`");
    return;
  }
  v = elab_real(e, v, x->span);
  if (v->kind == VALUE_TENSOR) ir_output(e->scene->fn, arena_printf(e->arena, "score:%s", x->name), over_events(e, v));
}

static bool reads_column(const IrFn *fn, const char *column) {
  for (size_t i = 0; i < fn->values.len; i++)
    if (fn->values.at[i].op == IR_INPUT && strncmp(fn->values.at[i].attr.name, "column:", 7) == 0 && strcmp(fn->values.at[i].attr.name + 7, column) == 0)
      return true;
  return false;
}

// Fields that training draws are columns of the file that is scored, those of them that the scores use.
static const ModelData *with_made_columns(Elab *e, const DataBlock *d) {
  ModelData *data = arena_dup(e->arena, d->model, sizeof *d->model);
  data->columns.len = 0;
  data->columns.cap = 0;
  data->columns.at = NULL;
  for (size_t i = 0; i < d->model->columns.len; i++) VEC_PUSH(e->arena, &data->columns, d->model->columns.at[i]);
  for (size_t i = 0; i < d->fields.len; i++)
    if (d->fields.at[i]->made != NULL && reads_column(e->scene->fn, d->fields.at[i]->label)) VEC_PUSH(e->arena, &data->columns, *d->fields.at[i]->column);
  return data;
}

// Somewhere an axis of events goes away.
bool couples_events(const IrFn *fn, Arena *arena) {
  bool *reached = ARENA_ARRAY(arena, bool, fn->values.len + 1), coupled = false;
  for (size_t i = 0; i < fn->outputs.len; i++) reached[fn->outputs.at[i].value] = true;
  for (size_t i = fn->values.len; i-- > 0 && !coupled;) {
    const IrValue *v = &fn->values.at[i];
    for (uint32_t k = 0; reached[i] && k < v->n_operands; k++) {
      reached[v->operands[k]] = true;
      coupled = coupled || ir_event_axes(ir_type_of(fn, v->operands[k])) > ir_event_axes(&v->type);
    }
  }
  return coupled;
}

void score_block(Blocks *b, const Generator *g) {
  Elab *e = b->e;
  Scene *scene = scene_open(e, SCENE_SCORE, "score", "score");
  Scope *scope = scope_new(e, fields_scope(b, g->scope, false));
  elab_statements(e, scope, &g->decl->u.score.body);
  for (size_t i = 0; i < scope->order.len; i++) one_score(e, scope->order.at[i]);
  e->model->score = scene->fn;
  if (couples_events(scene->fn, e->arena)) e->model->score_batch = e->model->phases.len > 0 ? e->model->phases.at[e->model->phases.len - 1]->batch : 1;
  if (b->data.len > 0) e->model->score_data = with_made_columns(e, b->data.at[0]);
  scene_close(e);
}
