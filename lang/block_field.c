// Fields as values of the current scene: prepared, physical, and back from generated numbers to columns.
#include <string.h>

#include "lang/block.h"
#include "lang/elab_set.h"

// ---- leaves

IrRef field_column(Elab *e, const DataBlock *d, int column) {
  const ModelColumn *c = &d->model->columns.at[column];
  IrType type = {.dtype = IR_F64, .rank = (uint8_t)(c->rank + 1), .axes = {IR_EVENTS}};
  for (int i = 0; i < c->rank; i++) type.axes[i + 1] = c->shape[i];
  bool batch = e->scene->purpose == SCENE_TRAIN || e->scene->purpose == SCENE_VALIDATE; // which may have events of several data blocks
  const char *name = batch ? arena_printf(e->arena, "raw:%s.%s", d->model->name, c->name) : arena_printf(e->arena, "column:%s", c->name);
  return column_ordered(e->scene->fn, c, leaf_now(e, IR_INPUT, name, type));
}

IrRef field_weight(Elab *e, const DataBlock *d) {
  if (!d->model->has_weight) return IR_NONE;
  IrType type = {.dtype = e->model->real, .rank = 1, .axes = {IR_EVENTS}};
  return ir_leaf(e->scene->fn, IR_INPUT, arena_printf(e->arena, "weight:%s", d->model->name), type);
}

// Scalars per event, stacked to a vector where the field is one.
typedef struct Beside Beside;
static IrRef stack(Elab *e, const DataField *f, IrRef (*part)(Beside *, const DataField *, const DataItem *, IrRef), IrRef whole, Beside *beside) {
  IrFn *fn = e->scene->fn;
  IrRef *parts = ARENA_ARRAY(e->arena, IrRef, f->items.len);
  if (!f->vector) return part(beside, f, &f->items.at[0], whole);
  if (whole != IR_NONE) whole = ir_reshape(fn, whole, 2, (int64_t[]){IR_EVENTS, (int64_t)f->items.len});
  for (size_t i = 0; i < f->items.len; i++) {
    IrRef one = IR_NONE;
    if (whole != IR_NONE) one = ir_reshape(fn, ir_slice(fn, whole, 1, (int64_t)i, (int64_t)i + 1, 1), 1, (int64_t[]){IR_EVENTS});
    parts[i] = ir_reshape(fn, part(beside, f, &f->items.at[i], one), 2, (int64_t[]){IR_EVENTS, 1});
  }
  int64_t axes[IR_MAX_RANK] = {IR_EVENTS};
  for (int i = 0; i < f->shape.rank; i++) axes[i + 1] = f->shape.axes[i];
  return ir_reshape(fn, ir_concat(fn, parts, (uint32_t)f->items.len, 1), f->shape.rank + 1, axes);
}

// What the columns of a formula are: those of the event, but those of a record that was generated as a whole where its parts have them.
struct Beside {
  Elab *e;
  const DataField *record; // NULL: all are those of the event
  const Value *made;
  int depth;
};

static IrRef own_part(Beside *beside, const DataField *f, const DataItem *item, IrRef whole) {
  (void)whole;
  return field_column(beside->e, f->block, item->own);
}

IrRef field_own(Elab *e, const DataField *f) {
  const DataField *part = split_part_of(f);
  if (f->set) return set_elements(e, f, field_column(e, f->block, f->items.at[0].own));
  return part != NULL ? split_value(e, part) : stack(e, f, own_part, IR_NONE, &(Beside){.e = e});
}

// ---- formulas

static IrOp forward_op(AstBinary op) { return op == BIN_ADD ? IR_ADD : op == BIN_SUB ? IR_SUB : op == BIN_MUL ? IR_MUL : IR_DIV; }
IrOp formula_inverse(AstBinary op) { return op == BIN_ADD ? IR_SUB : op == BIN_SUB ? IR_ADD : op == BIN_MUL ? IR_DIV : IR_MUL; }

// x op other, where other may be one number an event beside an image.
IrRef formula_step(IrFn *fn, IrOp op, IrRef x, IrRef other) {
  IrType t = *ir_type_of(fn, x), o = *ir_type_of(fn, other);
  int8_t from[IR_MAX_RANK] = {0, -1, -1, -1, -1, -1, -1, -1};
  if (o.rank == 1 && t.rank > 1) other = ir_broadcast(fn, other, t.rank, t.axes, from);
  return ir_binary(fn, op, x, other);
}

typedef struct Column { // of whom a term is, and beside what it stands
  Beside *beside;
  const DataField *f;
} Column;
static IrRef column_beside(void *context, int column);

static IrRef term_beside(Beside *beside, const DataField *f, const DataTerm *t) { return term_value(beside->e, f, t, column_beside, &(Column){beside, f}); }

static IrRef source_part(Beside *beside, const DataField *f, const DataItem *item, IrRef own) {
  for (size_t i = 0; i < item->terms.len; i++)
    own = formula_step(beside->e->scene->fn, forward_op(item->terms.at[i].op), own, term_beside(beside, f, &item->terms.at[i]));
  return own;
}

static IrRef undone_part(Beside *beside, const DataField *f, const DataItem *item, IrRef source) {
  for (size_t i = item->terms.len; i-- > 0;)
    source = formula_step(beside->e->scene->fn, formula_inverse(item->terms.at[i].op), source, term_beside(beside, f, &item->terms.at[i]));
  return source;
}

static bool has_terms(const DataField *f) {
  for (size_t i = 0; i < f->items.len; i++)
    if (f->items.at[i].terms.len > 0) return true;
  return false;
}

static IrRef class_index(Elab *e, const DataField *f, IrRef x) {
  const ClassValues *c = f->classes;
  if (c == NULL || c->values.len == 0) return x;
  IrRef place = ir_fill(e->scene->fn, *ir_type_of(e->scene->fn, x), 0);
  for (size_t i = 1; i < c->values.len; i++) {
    IrRef here = ir_binary(e->scene->fn, IR_EQ, x, ir_number(e->scene->fn, IR_F64, c->values.at[i]));
    place = ir_select(e->scene->fn, here, ir_number(e->scene->fn, IR_F64, (double)i), place);
  }
  return place;
}

IrRef field_source(Elab *e, const DataField *f, IrRef own) { return class_index(e, f, has_terms(f) ? stack(e, f, source_part, own, &(Beside){.e = e}) : own); }

// ---- chains

size_t field_first_draw(const DataField *f) {
  for (size_t i = 0; i < f->chain.len; i++)
    if (f->chain.at[i]->info->flags & PREP_DRAWS) return i;
  return f->chain.len;
}

IrRef field_forward(Elab *e, const DataField *f, IrRef x, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) x = prep_forward(e->scene->fn, f->chain.at[i], x);
  return x;
}

IrRef field_inverse(Elab *e, const DataField *f, IrRef y) {
  for (size_t i = f->chain.len; i-- > 0;) y = prep_inverse(e->scene->fn, f->chain.at[i], y);
  return y;
}

static IrRef per_event_sum(IrFn *fn, IrRef x) {
  int rank = ir_type_of(fn, x)->rank;
  return rank == 1 ? x : ir_sum(fn, x, ((1u << rank) - 1) & ~1u);
}

typedef struct Slope { // log |d prepared / d column| over all components
  IrRef total;         // f64 [e]
  bool density;        // false: there is none
} Slope;

static void add_to_slope(IrFn *fn, Slope *s, IrOp op, IrRef x) { s->total = ir_binary(fn, op, s->total, x); }

static void along_chain(Elab *e, const DataField *f, IrRef x, Slope *slope) {
  IrFn *fn = e->scene->fn;
  for (size_t i = 0; i < f->chain.len && slope->density; i++) {
    const PrepStep *s = f->chain.at[i];
    slope->density = prep_has_density(s);
    IrRef one = prep_log_jacobian(fn, s, x);
    if (one != IR_NONE) add_to_slope(fn, slope, IR_ADD, per_event_sum(fn, one));
    x = prep_forward(fn, s, x);
  }
}

static void along_formula(Beside *beside, const DataField *f, Slope *slope) {
  IrFn *fn = beside->e->scene->fn;
  for (size_t i = 0; i < f->items.len && slope->density; i++)
    for (size_t k = 0; k < f->items.at[i].terms.len; k++) {
      const DataTerm *t = &f->items.at[i].terms.at[k];
      if (t->op != BIN_MUL && t->op != BIN_DIV) continue;
      IrRef size = ir_unary(fn, IR_LOG, ir_unary(fn, IR_ABS, term_beside(beside, f, t)));
      if (ir_type_of(fn, size)->rank > 1) size = per_event_sum(fn, size);
      else if (!f->vector) size = ir_binary(fn, IR_MUL, size, ir_number(fn, IR_F64, (double)extents_elements(&f->shape)));
      add_to_slope(fn, slope, t->op == BIN_MUL ? IR_ADD : IR_SUB, size);
    }
}

// The size of a hurdle has a density where it is on: its own chain stands behind that of the field that is split. Elsewhere it is noise.
static Slope log_jacobian(Beside *beside, const DataField *f, IrRef own, IrRef source) {
  Elab *e = beside->e;
  IrFn *fn = e->scene->fn;
  const DataField *part = split_part_of(f);
  Slope slope = {.density = f->classes == NULL && !f->set && (part == NULL || split_is_masked(f))};
  slope.total = ir_fill(fn, (IrType){.dtype = IR_F64, .rank = 1, .axes = {IR_EVENTS}}, 0);
  if (part != NULL && slope.density) {
    along_chain(e, part->whole, field_inverse(e, part->whole, own), &slope);
    along_formula(beside, part->whole, &slope);
  }
  along_chain(e, f, source, &slope);
  along_formula(beside, f, &slope);
  if (part != NULL && slope.density) slope.total = ir_select(fn, split_on(e, f), slope.total, ir_number(fn, IR_F64, 0));
  return slope;
}

// ---- values

// A field is one value in a scene: whoever names it again gets the same.
static Map *cache(Elab *e, bool physical) {
  Blocks *b = blocks_of(e);
  for (size_t i = b->scenes.len; i-- > 0;)
    if (b->scenes.at[i]->scene == e->scene) return physical ? &b->scenes.at[i]->physical : &b->scenes.at[i]->prepared;
  SceneFields *fields = ARENA_NEW(e->arena, SceneFields);
  fields->scene = e->scene;
  VEC_PUSH(e->arena, &b->scenes, fields);
  return physical ? &fields->physical : &fields->prepared;
}

static Value *of_parts(Elab *e, DataField *f, Span span, bool physical) {
  Value *v = value_record(e, span);
  for (size_t i = 0; i < f->fields.len; i++) {
    DataField *part = f->fields.at[i];
    Value *x = physical ? field_physical(e, part, span) : field_prepared(e, part, span);
    VEC_PUSH(e->arena, &v->u.record.fields, (RecordField){part->label, x});
  }
  return v;
}

// Training programs read what `prepare` has kept; samplers and scores compute all of it from columns.
static IrRef prepared_ir(Elab *e, const DataField *f) {
  IrFn *fn = e->scene->fn;
  bool cached = e->scene->purpose == SCENE_TRAIN || e->scene->purpose == SCENE_VALIDATE || e->scene->purpose == SCENE_FIT;
  IrDtype element = f->classes != NULL ? IR_I32 : e->model->real;
  if (!cached) {
    IrRef x = field_forward(e, f, field_source(e, f, field_own(e, f)), 0, f->chain.len);
    return ir_cast(fn, x, element);
  }
  size_t first = field_first_draw(f);
  IrType type = {.dtype = e->model->real, .rank = (uint8_t)(f->shape.rank + 1), .axes = {IR_EVENTS}};
  for (int i = 0; i < f->shape.rank; i++) type.axes[i + 1] = f->shape.axes[i];
  if (first > 0) type = f->chain.at[first - 1]->out, type.dtype = e->model->real;
  IrRef x = ir_leaf(fn, IR_INPUT, arena_printf(e->arena, "prep:%s", f->name), type);
  if (first < f->chain.len) x = field_forward(e, f, ir_cast(fn, x, IR_F64), first, f->chain.len);
  return ir_cast(fn, x, element);
}

// Noise where a hurdle is off.
static IrRef masked(Elab *e, const DataField *f, IrRef x) {
  if (!split_is_masked(f)) return x;
  return ir_select(e->scene->fn, split_on(e, f), x,
                   ir_draw(e->scene->fn, IR_DRAW_NORMAL, arena_printf(e->arena, "%s.off", f->name), *ir_type_of(e->scene->fn, x)));
}

// Whatever stands where nothing is becomes 0.
static Value *with_places(Elab *e, const DataField *f, Value *v, IrRef taken) {
  v->u.tensor.ir = set_or(e->scene->fn, taken, v->u.tensor.ir, 0);
  return set_mark(e, v, set_places(e, f, taken));
}

Value *field_prepared(Elab *e, DataField *f, Span span) {
  Value *v = map_get(cache(e, false), f->name);
  if (v != NULL) return v;
  Belongs belongs = {BELONGS_EVENTS, f->block->model};
  if (f->record) v = of_parts(e, f, span, false);
  else v = f->made != NULL ? field_made(e, f, false) : value_tensor(e, f->span, f->prepared->type, masked(e, f, prepared_ir(e, f)), belongs);
  if (value_is_error(v)) return v;
  if (f->set) v = with_places(e, f, v, set_taken(e, f));
  v->type = f->prepared;
  v->span = f->span;
  map_put(e->arena, cache(e, false), f->name, v);
  return v;
}

Value *field_physical(Elab *e, DataField *f, Span span) {
  if (f->made != NULL && e->scene->purpose != SCENE_OBSERVE) return field_prepared(e, f, span);
  Value *v = map_get(cache(e, true), f->name);
  if (v != NULL) return v;
  Belongs belongs = {BELONGS_EVENTS, f->block->model};
  if (f->record) v = of_parts(e, f, span, true);
  else v = f->made != NULL ? field_made(e, f, true) : value_tensor(e, f->span, f->physical->type, field_own(e, f), belongs);
  if (value_is_error(v)) return v;
  if (f->set) v = with_places(e, f, v, set_column_taken(e, f));
  v->type = f->physical;
  v->span = f->span;
  map_put(e->arena, cache(e, true), f->name, v);
  return v;
}

// ---- scopes

static Value *make_prepared(Elab *e, Scope *scope, void *data) {
  (void)scope;
  DataField *f = data;
  return field_prepared(e, f, f->span);
}

static Value *make_physical(Elab *e, Scope *scope, void *data) {
  (void)scope;
  DataField *f = data;
  return field_physical(e, f, f->span);
}

void fields_bind(Blocks *b, Scope *scope, DataBlock *d, bool physical) {
  for (size_t i = 0; i < d->fields.len; i++) {
    DataField *f = d->fields.at[i];
    if (scope_own(scope, f->label) != NULL) continue;
    scope_bind_lazy(b->e, scope, f->label, f->span, physical ? make_physical : make_prepared, f)->used = true;
  }
}

Scope *fields_scope(Blocks *b, Scope *outer, bool physical) {
  Scope *scope = scope_new(b->e, outer);
  const Trained *trained = trained_of(b, outer); // its fits are of its own fields, whatever this program calls its own
  for (size_t i = 0; trained != NULL && i < trained->data.len; i++) fields_bind(b, scope, trained->data.at[i], physical);
  for (size_t i = 0; trained == NULL && i < b->data.len; i++) fields_bind(b, scope, b->data.at[i], physical);
  return scope;
}

// ---- what the core asks

DataField *field_in(const DataBlock *d, const char *name) {
  size_t len = strcspn(name, ".");
  for (size_t i = 0; i < d->fields.len; i++) {
    DataField *f = d->fields.at[i];
    if (strlen(f->label) != len || strncmp(f->label, name, len) != 0) continue;
    const char *rest = name + len;
    while (*rest == '.') {
      size_t n = strcspn(rest + 1, ".");
      DataField *found = NULL;
      for (size_t k = 0; k < f->fields.len; k++)
        if (strlen(f->fields.at[k]->label) == n && strncmp(f->fields.at[k]->label, rest + 1, n) == 0) found = f->fields.at[k];
      if (found == NULL) return NULL;
      f = found;
      rest += n + 1;
    }
    return f;
  }
  return NULL;
}

const char *field_nearest(Elab *e, const DataBlock *d, const char *name) {
  const char **labels = ARENA_ARRAY(e->arena, const char *, d->fields.len + 1);
  for (size_t i = 0; i < d->fields.len; i++) labels[i] = d->fields.at[i]->label;
  return diag_nearest(name, labels, d->fields.len);
}

static const FieldType *hook_type(Elab *e, const Value *data, const char *name) {
  (void)e;
  DataField *f = field_in(data->u.data.block, name);
  return f == NULL ? NULL : f->prepared;
}

static const FieldType *hook_named(Elab *e, const Scope *scope, const char *name) {
  Blocks *b = blocks_of(e);
  const Trained *trained = trained_of(b, scope);
  for (size_t i = 0; trained != NULL && i < trained->data.len; i++) {
    DataField *f = field_in(trained->data.at[i], name);
    if (f != NULL) return f->prepared;
  }
  for (size_t i = 0; i < b->data.len; i++) {
    DataField *f = field_in(b->data.at[i], name);
    if (f != NULL) return f->prepared;
  }
  return NULL;
}

static Value *hook_field(Elab *e, const Value *data, AstName name) {
  const DataBlock *d = data->u.data.block;
  DataField *f = field_in(d, name.text);
  if (f == NULL) {
    const char *list = "", *near = field_nearest(e, d, name.text);
    for (size_t i = 0; i < d->fields.len; i++) list = arena_printf(e->arena, "%s%s%s", list, i > 0 ? ", " : "", d->fields.at[i]->label);
    Diag *diag = elab_error(e, DIAG_RECORD_FIELD, name.span, "`%s` has no field `%s`; it has %s", d->model->name, name.text, list);
    if (near != NULL) diag_help(e->diags, diag, "did you mean `%s`?", near);
    return value_error(e);
  }
  if (d->trained != NULL && (e->scene == NULL || e->scene->purpose != SCENE_FIT)) {
    Diag *diag = elab_error(e, DIAG_TRAINED_COLUMNS, name.span, "the data of a trained run are not read");
    diag_help(e->diags, diag, "declare a field of this program's data like it: `%s: %s.%s.%s`", f->label, d->trained->model->prefix, d->decl->name.text,
              f->label);
    return value_error(e);
  }
  if (e->scene == NULL) {
    elab_error(e, DIAG_NOT_SETTING, name.span, "`%s.%s` is known only event by event", d->model->name, name.text);
    return value_error(e);
  }
  bool physical = e->scene->purpose == SCENE_OBSERVE || e->scene->purpose == SCENE_PREPARE;
  return physical ? field_physical(e, f, name.span) : field_prepared(e, f, name.span);
}

// Where the chain keeps one number a column, prepared values have the places of the columns too.
static int64_t hook_place(const Elab *e, const Value *v, const char *name) {
  (void)e;
  const DataField *f = v->type->field;
  if (f == NULL || f->record || extents_elements(&v->u.tensor.type.shape) != (int64_t)f->items.len) return -1;
  for (size_t i = 0; i < f->items.len; i++)
    if (strcmp(f->block->model->columns.at[f->items.at[i].own].name, name) == 0) return (int64_t)i;
  return -1;
}

static bool is_the_data(Elab *e, const DataField *f, const Value *v) {
  const Value *known = map_get(cache(e, false), f->name);
  return known == v || (known != NULL && value_same(known, v));
}

// ---- physical(v)

static IrRef prepared_numbers(Elab *e, const Value *v) { return ir_cast(e->scene->fn, elab_per_event(e, v), IR_F64); }

// The field's own columns of what was generated: back through the chain, and out of the formula.
static IrRef own_of_made(Beside *beside, const DataField *f, IrRef source) { return has_terms(f) ? stack(beside->e, f, undone_part, source, beside) : source; }

// Which part of a record that was made has the column; NULL: none.
static const DataField *maker_of(const DataField *f, const Value *v, int column, const Value **made, size_t *item) {
  if (v->kind == VALUE_TENSOR && f->made == NULL && !f->record)
    for (size_t i = 0; i < f->items.len; i++)
      if (f->items.at[i].own == column) return *made = v, *item = i, f;
  for (size_t i = 0; v->kind == VALUE_RECORD && f->record && i < f->fields.len && i < v->u.record.fields.len; i++) {
    const DataField *found = maker_of(f->fields.at[i], v->u.record.fields.at[i].value, column, made, item);
    if (found != NULL) return found;
  }
  return NULL;
}

enum { MAX_FORMULAS_INSIDE = 16 };

static IrRef column_beside(void *context, int column) {
  const Column *c = context;
  Elab *e = c->beside->e;
  const Value *made;
  size_t item;
  const DataField *maker = c->beside->record == NULL ? NULL : maker_of(c->beside->record, c->beside->made, column, &made, &item);
  if (maker == NULL) return field_column(e, c->f->block, column);
  if (c->beside->depth > MAX_FORMULAS_INSIDE) {
    Diag *d = elab_error(e, DIAG_INVERSE_NEEDS, c->f->span, "`%s = %s` is undone with %s, which is undone with it", c->f->label, c->f->text,
                         c->f->block->model->columns.at[column].name);
    diag_help(e->diags, d, "one of the columns stands in a field as it is");
    return field_column(e, c->f->block, column);
  }
  Beside inside = *c->beside;
  inside.depth++;
  IrRef own = own_of_made(&inside, maker, field_inverse(e, maker, prepared_numbers(e, made)));
  if (!maker->vector) return own;
  own = ir_reshape(e->scene->fn, own, 2, (int64_t[]){IR_EVENTS, (int64_t)maker->items.len});
  return ir_reshape(e->scene->fn, ir_slice(e->scene->fn, own, 1, (int64_t)item, (int64_t)item + 1, 1), 1, (int64_t[]){IR_EVENTS});
}

// A formula is undone with columns of the events of its block.
static Belongs with_events(Elab *e, const DataField *f, const Value *v, Span span) {
  if (!has_terms(f)) return v->u.tensor.belongs;
  Value *events = value_tensor(e, f->span, tensor_type_real((Extents){0}), IR_NONE, (Belongs){BELONGS_EVENTS, f->block->model});
  return elab_join(e, v, events, span);
}

// One part of physical(v): from columns when v is the data's own, else back through the chain.
static Value *physical_leaf(Beside *beside, const DataField *f, Value *v, Span span) {
  Elab *e = beside->e;
  bool own_data = is_the_data(e, f, v);
  Beside event = {.e = e};
  if (own_data) beside = &event;
  if (!own_data && has_terms(f) && e->scene->purpose == SCENE_GENERATE) {
    Diag *d = elab_error(e, DIAG_INVERSE_NEEDS, span, "`physical` in `generate`: `%s = %s` is undone once the whole event is there", f->label, f->text);
    diag_help(e->diags, d, "`where` in `generate` sees physical values by the names of the fields");
    return value_error(e);
  }
  IrRef source = own_data ? IR_NONE : field_inverse(e, f, prepared_numbers(e, v));
  IrRef own = own_data ? field_own(e, f) : own_of_made(beside, f, source);
  const Slope slope = log_jacobian(beside, f, own, own_data ? field_source(e, f, own) : source);
  Value *out = value_tensor(e, span, f->physical->type, own, own_data ? v->u.tensor.belongs : with_events(e, f, v, span));
  if (f->set && value_is_set(v)) {
    out = set_mark(e, out, v->u.tensor.present);
    out->u.tensor.ir = set_filled(e, out, 0, span)->u.tensor.ir;
  }
  out->type = f->physical;
  out->prepared = v;
  out->log_jacobian = slope.density ? slope.total : IR_NONE;
  return out;
}

static Value *physical_of(Beside *beside, const DataField *f, Value *v, Span span) {
  Elab *e = beside->e;
  if (!f->record) return v->kind == VALUE_TENSOR ? physical_leaf(beside, f, v, span) : value_error(e);
  Value *out = value_record(e, span);
  IrRef total = IR_NONE;
  bool density = v->kind == VALUE_RECORD && v->u.record.fields.len == f->fields.len;
  for (size_t i = 0; i < f->fields.len && v->kind == VALUE_RECORD && i < v->u.record.fields.len; i++) {
    Value *part = physical_of(beside, f->fields.at[i], v->u.record.fields.at[i].value, span);
    if (value_is_error(part)) return part;
    VEC_PUSH(e->arena, &out->u.record.fields, (RecordField){f->fields.at[i]->label, part});
    density = density && part->log_jacobian != IR_NONE;
    if (density) total = total == IR_NONE ? part->log_jacobian : ir_binary(e->scene->fn, IR_ADD, total, part->log_jacobian);
  }
  out->type = f->physical;
  out->prepared = v;
  out->log_jacobian = density ? total : IR_NONE;
  return out;
}

static Value *hook_physical(Elab *e, Value *v, Span span) {
  if (value_is_error(v)) return v;
  const DataField *f = v->type == NULL ? NULL : v->type->field;
  if (f == NULL) {
    Diag *d = elab_error(e, DIAG_TYPE, span, "`physical` takes a field of the data, found %s", value_text(e->arena, v));
    diag_help(e->diags, d, "`physical(x)` where x is a field, or a net's output of the type of one");
    return value_error(e);
  }
  if (v->type == f->physical) return v;
  return physical_of(&(Beside){.e = e, .record = f, .made = v}, f, v, span);
}

static Value *hook_weight(Elab *e, Value *v, Span span) {
  Blocks *b = blocks_of(e);
  if (v->kind != VALUE_TENSOR || v->u.tensor.belongs.kind != BELONGS_EVENTS) return value_real(e, span, 1);
  for (size_t i = 0; i < b->data.len; i++) {
    if (b->data.at[i]->model != v->u.tensor.belongs.data) continue;
    IrRef w = field_weight(e, b->data.at[i]);
    if (w != IR_NONE) return value_tensor(e, span, tensor_type_real((Extents){0}), w, v->u.tensor.belongs);
  }
  return value_real(e, span, 1);
}

void fields_hooks(Elab *e) {
  e->hooks = (ElabHooks){.field_type = hook_type,
                         .field_named = hook_named,
                         .data_field = hook_field,
                         .column_place = hook_place,
                         .physical = hook_physical,
                         .weight_of = hook_weight,
                         .fields_meet = fields_meet,
                         .fit_ready = fit_ready};
}

IrRef over_events(Elab *e, const Value *tensor) { return ir_cast(e->scene->fn, elab_per_event(e, tensor), IR_F64); }
