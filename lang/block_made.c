// Fields without a column: drawn at every reading, or made of other fields of their block. A data block of such alone is simulated.
//
//   data ring { k ~ categorical(8); x ~ normal([cos(pi * k / 4), sin(pi * k / 4)], 0.02) }
//
// Training and sampling draw them. Scores and observables read them as columns of their name, of a file or of `simulate`.
#include <string.h>

#include "lang/block.h"

struct MadeField {
  AstStmt statement; // names of the fields = or ~ what
  DataBlock *block;
};

// Every field that a draw or formula gives, by the values of one scene.
static void make_all(Elab *e, const DataField *f, Scope *made) {
  Blocks *b = blocks_of(e);
  Scope *fields = scope_new(e, f->block->scope);
  fields_bind(b, fields, f->block, false);
  for (size_t i = 0; i < fields->order.len; i++) fields->order.at[i]->used = true;
  Place *place = e->place;
  const char *site = e->scene->site;
  while (e->place->outer != NULL) e->place = e->place->outer;
  e->scene->site = arena_printf(e->arena, "data.%s", f->block->model->name);
  Scope *inner = scope_new(e, fields);
  elab_statement(e, inner, &f->made->statement);
  e->scene->site = site;
  e->place = place;
  for (size_t i = 0; i < inner->order.len; i++) scope_bind(e, made, inner->order.at[i]->name, inner->order.at[i]->span, inner->order.at[i]->value);
}

static bool is_read(const Elab *e) { return e->scene->purpose == SCENE_OBSERVE || e->scene->purpose == SCENE_SCORE; }

static Value *read_value(Elab *e, const DataField *f, bool physical, Belongs belongs) {
  IrType t = {.dtype = IR_F64, .rank = (uint8_t)(f->shape.rank + 1), .axes = {IR_EVENTS}};
  for (int i = 0; i < f->shape.rank; i++) t.axes[i + 1] = f->shape.axes[i];
  IrRef x = ir_leaf(e->scene->fn, IR_INPUT, arena_printf(e->arena, "column:%s", f->label), t);
  IrDtype element = f->prepared->type.element == ELEMENT_REAL ? e->model->real : IR_I32;
  if (physical && element != IR_I32) element = IR_F64;
  return value_tensor(e, f->span, f->prepared->type, ir_cast(e->scene->fn, x, element), belongs);
}

Value *field_made(Elab *e, DataField *f, bool physical) {
  Belongs belongs = {BELONGS_EVENTS, f->block->model};
  if (is_read(e)) return read_value(e, f, physical, belongs);
  Scope *made = scope_new(e, NULL);
  make_all(e, f, made);
  const Binding *x = scope_own(made, f->label);
  Value *v = x == NULL || x->value == NULL ? value_error(e) : x->value;
  if (v->kind != VALUE_TENSOR && !value_is_error(v)) v = elab_tensor(e, v, f->span);
  if (v->kind != VALUE_TENSOR) return value_error(e);
  v = value_copy(e, v);
  v->u.tensor.ir = elab_per_event(e, v);
  v->u.tensor.belongs = belongs;
  return v;
}

// The type of a field is that of its value in a program that is thrown away.
static bool type_of_made(Blocks *b, DataField *f) {
  Elab *e = b->e;
  scene_open(e, SCENE_GENERATE, f->block->model->name, "data");
  Value *v = field_made(e, f, false);
  scene_close(e);
  if (value_is_error(v)) return false;
  if (v->u.tensor.type.shape.rank > MODEL_COLUMN_AXES) {
    elab_not_built(e, f->span, "a column of more than four axes", FEWER_COLUMN_AXES);
    return false;
  }
  f->shape = v->u.tensor.type.shape;
  f->prepared->type = f->physical->type = v->u.tensor.type;
  ModelColumn *c = ARENA_NEW(e->arena, ModelColumn);
  *c = (ModelColumn){.name = f->label, .rank = f->shape.rank, .unit = v->u.tensor.type.unit, .span = f->span};
  for (int i = 0; i < f->shape.rank; i++) c->shape[i] = f->shape.axes[i];
  f->column = c;
  return true;
}

bool data_made(Blocks *b, DataBlock *d, const AstDatum *item) {
  Elab *e = b->e;
  MadeField *made = ARENA_NEW(e->arena, MadeField);
  made->block = d;
  AstPattern names = item->pattern;
  if (item->kind == DT_FIELD) {
    names = (AstPattern){.span = item->name.span};
    VEC_PUSH(e->arena, &names.names, item->name);
    made->statement = (AstStmt){.kind = ST_ASSIGN, .span = item->span, .u.assign = {names, item->type, item->source->value}};
  } else {
    made->statement = (AstStmt){.kind = ST_DRAW, .span = item->span, .u.draw = {.pattern = names, .from = item->value}};
  }
  bool good = true;
  for (size_t i = 0; i < names.names.len; i++) {
    AstName name = names.names.at[i];
    if (strcmp(name.text, "_") == 0 || !data_name_is_new(e, d, name)) continue;
    DataField *f = field_new(b, d, name);
    f->made = made;
    VEC_PUSH(e->arena, &d->fields, f);
    if (type_of_made(b, f)) continue;
    d->fields.len--;
    good = false;
  }
  return good;
}

// Values of all such fields, for metrics that have no file to read the truth from.
void data_simulate(Blocks *b, DataBlock *d) {
  Elab *e = b->e;
  if (d->model->columns.len > 0) return;
  Scene *scene = scene_open(e, SCENE_GENERATE, arena_printf(e->arena, "%s.simulate", d->model->name), "data");
  for (size_t i = 0; i < d->fields.len; i++) {
    Value *v = d->fields.at[i]->made == NULL ? value_error(e) : field_prepared(e, d->fields.at[i], d->fields.at[i]->span);
    if (v->kind == VALUE_TENSOR) ir_output(scene->fn, arena_printf(e->arena, "column:%s", d->fields.at[i]->label), over_events(e, v));
  }
  if (scene->fn->outputs.len > 0) d->model->simulate = scene->fn;
  scene_close(e);
}
