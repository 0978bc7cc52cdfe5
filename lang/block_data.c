// Data blocks: fields and their types, cuts, the split, and the programs that fit and apply the preparations.
#include <math.h>
#include <string.h>

#include "lang/block.h"

enum { MAX_ROUNDS = 16 };

// ---- fields

static const char *dotted(Elab *e, const char *outer, const char *name) { return outer == NULL ? name : arena_printf(e->arena, "%s.%s", outer, name); }

static bool declared_type(Blocks *b, DataField *f, const AstType *t) {
  Elab *e = b->e;
  Type type;
  if (t->kind == TY_NAME && t->u.named.field.text != NULL) {
    Diag *d = elab_error(e, DIAG_PREPARATION, t->span, "`%s` has the type of another field, and columns of its own", f->label);
    diag_help(e->diags, d, "`%s: %s.%s` alone reads the same columns and prepares them with the same numbers", f->label, t->u.named.name.text,
              t->u.named.field.text);
    return false;
  }
  if (t->kind == TY_LIST) {
    Diag *d = elab_error(e, DIAG_TYPE, t->span, "a field is no list");
    diag_help(e->diags, d, "`%s = [\"a\", \"b\"]` has columns side by side, `%s: real[3] = \"a\"` reads a data set", f->label, f->label);
    return false;
  }
  if (!elab_type(e, f->block->scope, t, &type)) return false;
  if (type.kind != TYPE_TENSOR || type.tensor.element == ELEMENT_BOOL) {
    Diag *d = elab_error(e, DIAG_TYPE, t->span, "a field is no %s", source_text(e, t->span));
    diag_help(e->diags, d, "numbers are `real`, counts too; labels are `class[n]`, listed values and texts `class of [0, 5]`, `class of [\"a\", \"b\"]`");
    return false;
  }
  if (type.tensor.shape.rank > MODEL_COLUMN_AXES) {
    elab_not_built(e, t->span, "a column of more than four axes", FEWER_COLUMN_AXES);
    return false;
  }
  f->shape = type.tensor.shape;
  if (type.tensor.element == ELEMENT_CLASS) f->classes = type.tensor.classes;
  if (type.tensor.circular != NULL) f->angle = true;
  f->p4 = type.tensor.p4;
  f->set = type.tensor.set;
  return true;
}

static const bool *all_circular(Elab *e, const Extents *shape) {
  int64_t n = shape->rank == 0 ? 1 : shape->axes[shape->rank - 1];
  bool *flags = ARENA_ARRAY(e->arena, bool, n);
  for (int64_t i = 0; i < n; i++) flags[i] = true;
  return flags;
}

static bool ends_as_angle(const DataField *f) {
  if (!f->angle) return false;
  if (f->chain.len == 0) return true;
  PrepKind last = f->chain.at[f->chain.len - 1]->info->kind;
  return last == PREP_WRAP || (last == PREP_SCALE && f->chain.len == 1);
}

static bool only_scaled(const DataField *f) {
  for (size_t i = 0; i < f->chain.len; i++)
    if (f->chain.at[i]->info->kind != PREP_SCALE) return false;
  return true;
}

void field_types(Elab *e, DataField *f) {
  TensorType physical = {.element = ELEMENT_REAL, .shape = f->shape, .unit = f->unit}, prepared = physical;
  if (f->chain.len > 0) {
    const IrType *out = &f->chain.at[f->chain.len - 1]->out;
    prepared.shape = extents_of(out->rank - 1, out->axes + 1);
  }
  prepared.unit = NULL;
  physical.p4 = f->p4;
  prepared.p4 = f->p4 && only_scaled(f);
  prepared.set = physical.set = f->set;
  if (f->angle) physical.circular = all_circular(e, &physical.shape);
  if (ends_as_angle(f)) prepared.circular = all_circular(e, &prepared.shape);
  if (f->classes != NULL) {
    prepared.element = ELEMENT_CLASS;
    prepared.classes = f->classes;
    if (f->classes->texts.len == 0) physical.classes = f->classes; // what it may be compared with
  }
  f->prepared->type = prepared;
  f->physical->type = physical;
}

static FieldType *field_type_new(Elab *e, const DataField *f) {
  FieldType *t = ARENA_NEW(e->arena, FieldType);
  *t = (FieldType){.name = f->name, .label = f->label, .record = f->record, .field = f, .span = f->span};
  return t;
}

DataField *field_begin(Blocks *b, DataBlock *d, const char *outer, AstName name, bool record) {
  Elab *e = b->e;
  DataField *f = ARENA_NEW(e->arena, DataField);
  f->block = d;
  f->label = name.text;
  f->name = dotted(e, outer, name.text);
  f->span = name.span;
  f->record = record;
  f->prepared = field_type_new(e, f);
  f->physical = field_type_new(e, f);
  return f;
}

void field_add_part(Elab *e, DataField *f, DataField *part) {
  VEC_PUSH(e->arena, &f->fields, part);
  VEC_PUSH(e->arena, &f->prepared->fields, part->prepared);
  VEC_PUSH(e->arena, &f->physical->fields, part->physical);
}

static DataField *field_make(Blocks *b, DataBlock *d, const char *outer, AstName name, const AstType *type, const AstSource *source) {
  Elab *e = b->e;
  DataField *f = field_begin(b, d, outer, name, source->record);
  if (!source->record) {
    bool known = type == NULL || declared_type(b, f, type);
    if (known) data_source(b, f, source);
    if (!known || f->broken) {
      b->broken = true;
      return NULL;
    }
    if (f->chain.len > 0 && (f->chain.at[f->chain.len - 1]->info->flags & PREP_SPLITS)) split_parts(e, f);
    else field_types(e, f); // also behind a mistake in the chain: what uses the field is looked at all the same
    return f;
  }
  if (type != NULL) {
    Diag *diag = elab_error(e, DIAG_TYPE, type->span, "a record has the types of its fields, and none of its own");
    diag_help(e->diags, diag, "`%s = { pt: real = \"pt\", q: p4 = \"{E,px,py,pz}\" }`", name.text);
  }
  for (size_t i = 0; i < source->fields.len; i++) {
    const AstSourceField *s = &source->fields.at[i];
    for (size_t k = 0; k < f->fields.len; k++)
      if (strcmp(f->fields.at[k]->label, s->name.text) == 0)
        diag_help(e->diags, elab_error(e, DIAG_GIVEN_TWICE, s->name.span, "`%s` is given twice in `%s`", s->name.text, f->name),
                  "give one of them another name");
    DataField *part = field_make(b, d, f->name, s->name, s->type, s->source);
    if (part == NULL) continue;
    field_add_part(e, f, part);
  }
  return f;
}

// ---- the rest of the block

static bool part_of_split(Blocks *b, DataBlock *d, const AstExpr *x, int *n) {
  if (x->kind == EX_BINARY && x->u.binary.op == BIN_DIV && *n < 3) {
    return part_of_split(b, d, x->u.binary.left, n) && part_of_split(b, d, x->u.binary.right, n);
  }
  Value *v = elab_expr(b->e, d->scope, x);
  double share;
  if (value_is_error(v) || !elab_setting_number(b->e, v, x->span, "a part of `split`", &share)) return false;
  if (*n >= 3 || !(share >= 0)) {
    Diag *diag = elab_error(b->e, DIAG_SPLIT, x->span, *n >= 3 ? "a split has three parts at most" : "a part of a split is positive");
    diag_help(b->e->diags, diag, "training / validation / test: `split 0.8 / 0.1 / 0.1`");
    return false;
  }
  d->model->split[(*n)++] = share;
  return true;
}

static void split(Blocks *b, DataBlock *d, const AstExpr *x) {
  int n = 0;
  if (!part_of_split(b, d, x, &n)) return;
  double total = d->model->split[0] + d->model->split[1] + d->model->split[2];
  if (total > 1 + 1e-9 || !(d->model->split[0] > 0)) {
    Diag *diag = elab_error(b->e, DIAG_SPLIT, x->span, total > 1 ? "%s adds up to more than 1" : "%s leaves nothing to train on", source_text(b->e, x->span));
    diag_help(b->e->diags, diag, "training / validation / test: `split 0.8 / 0.1 / 0.1`");
    return;
  }
  d->model->has_split = true;
}

// With several data blocks their names stand in front of their fields' names.
static bool alone(const Blocks *b, const Trained *trained) {
  size_t n = 0;
  for (size_t i = 0; i < b->declarations.len; i++) n += b->declarations.at[i]->kind == DE_DATA && trained_of(b, b->declaration_scopes.at[i]) == trained;
  return n < 2;
}

const char *field_outer(const Blocks *b, const DataBlock *d) {
  return !alone(b, d->trained) ? d->model->name : d->trained != NULL ? d->trained->model->prefix : NULL;
}

DataField *field_new(Blocks *b, DataBlock *d, AstName name) { return field_begin(b, d, field_outer(b, d), name, false); }

bool data_name_is_new(Elab *e, const DataBlock *d, AstName name) {
  for (size_t k = 0; k < d->fields.len; k++)
    if (strcmp(d->fields.at[k]->label, name.text) == 0) {
      Diag *diag = elab_error(e, DIAG_GIVEN_TWICE, name.span, "`%s` is given twice", name.text);
      diag_label(e->diags, diag, d->fields.at[k]->span, "first here");
      diag_help(e->diags, diag, "give one of them another name");
      return false;
    }
  return true;
}

static bool names_columns(const AstExpr *x) {
  if (x->kind == EX_STRING) return true;
  if (x->kind == EX_BINARY) return names_columns(x->u.binary.left) || names_columns(x->u.binary.right);
  if (x->kind == EX_UNIT) return names_columns(x->u.unit.operand);
  for (size_t i = 0; x->kind == EX_LIST && i < x->u.items.len; i++)
    if (names_columns(x->u.items.at[i])) return true;
  return x->kind == EX_PIPE;
}

// `kind = group`: which of the groups a row is of, as a class that is written with the groups' names.
static DataField *field_of_groups(Blocks *b, DataBlock *d, AstName name, Span span) {
  Elab *e = b->e;
  DataField *f = field_new(b, d, name);
  ClassValues *classes = ARENA_NEW(e->arena, ClassValues);
  int column = data_column(b, d, "group", span);
  ModelColumn *c = &d->model->columns.at[column];
  c->which_group = true;
  c->kind = COLUMN_TEXT_CATEGORY;
  classes->n = (int64_t)d->model->groups.len;
  for (size_t i = 0; i < d->model->groups.len; i++) {
    VEC_PUSH(e->arena, &classes->texts, d->model->groups.at[i]);
    VEC_PUSH(e->arena, &c->texts, d->model->groups.at[i]);
    VEC_PUSH(e->arena, &c->values, (double)i);
  }
  f->classes = classes;
  f->text = "group";
  VEC_PUSH(e->arena, &f->items, (DataItem){.own = column, .span = span});
  field_types(e, f);
  return f;
}

static bool is_group(const DataBlock *d, const AstDatum *item) {
  const AstExpr *x = item->source->record ? NULL : item->source->value;
  return d->model->groups.len > 0 && x != NULL && x->kind == EX_NAME && strcmp(x->u.name, "group") == 0;
}

static bool mentions_column(const AstExpr *x) {
  if (x->kind == EX_STRING) return strchr(x->u.string, '{') == NULL;
  if (x->kind == EX_BINARY) return mentions_column(x->u.binary.left) || mentions_column(x->u.binary.right);
  if (x->kind == EX_UNARY) return mentions_column(x->u.unary.operand);
  if (x->kind == EX_UNIT) return mentions_column(x->u.unit.operand);
  if (x->kind == EX_PIPE) return mentions_column(x->u.pipe.left);
  for (size_t i = 0; x->kind == EX_CALL && i < x->u.call.args.len; i++)
    if (mentions_column(x->u.call.args.at[i].value)) return true;
  return false;
}

// The event weight is any formula of columns: nothing undoes it.
static bool is_weight(const AstDatum *item) {
  return strcmp(item->name.text, "weight") == 0 && item->type == NULL && !item->source->record && mentions_column(item->source->value);
}

static void datum(Blocks *b, DataBlock *d, const AstDatum *item) {
  Elab *e = b->e;
  switch (item->kind) {
  case DT_ERROR: return;
  case DT_SPLIT: split(b, d, item->value); return;
  case DT_WHERE: VEC_PUSH(e->arena, &d->cuts, item->value); return;
  case DT_DRAW: b->broken = !data_made(b, d, item) || b->broken; return;
  case DT_DECLARED: {
    DataField *like = data_name_is_new(e, d, item->name) ? field_like(b, d, item) : NULL;
    if (like != NULL) VEC_PUSH(e->arena, &d->fields, like);
    b->broken = b->broken || like == NULL;
    return;
  }
  case DT_FIELD: break;
  }
  if (is_weight(item)) {
    d->weight = item->source->value;
    d->model->has_weight = true;
    if (d->weight->kind == EX_PIPE) elab_error(e, DIAG_PREPARATION, item->span, "event weights are taken as they are, without a chain");
    return;
  }
  if (is_group(d, item)) {
    if (data_name_is_new(e, d, item->name)) VEC_PUSH(e->arena, &d->fields, field_of_groups(b, d, item->name, item->source->value->span));
    return;
  }
  if (!item->source->record && !names_columns(item->source->value) && split_named(d, item->source->value) == NULL) {
    b->broken = !data_made(b, d, item) || b->broken;
    return;
  }
  if (!data_name_is_new(e, d, item->name)) return;
  DataField *f = field_make(b, d, field_outer(b, d), item->name, item->type, item->source);
  if (f == NULL) return;
  VEC_PUSH(e->arena, &d->fields, f);
}

DataBlock *data_declare(Blocks *b, Scope *scope, const AstDecl *decl) {
  Elab *e = b->e;
  DataBlock *d = ARENA_NEW(e->arena, DataBlock);
  d->decl = decl;
  d->scope = scope;
  d->model = ARENA_NEW(e->arena, ModelData);
  d->trained = trained_of(b, scope);
  d->model->name = d->trained == NULL ? decl->name.text : arena_printf(e->arena, "%s.%s", d->trained->model->prefix, decl->name.text);
  d->model->span = decl->span;
  Strings groups = {0};
  if (decl->u.data.from != NULL && !data_family(e->arena, decl->u.data.from, &groups)) {
    Diag *diag = elab_error(e, DIAG_PREPARATION, decl->span, "the family \"%s\" does not name groups", decl->u.data.from);
    diag_help(e->diags, diag, "`from \"{qcd,t}\"` reads the groups qcd and t, one behind the other");
  }
  for (size_t i = 0; groups.len > 1 && i < groups.len; i++) VEC_PUSH(e->arena, &d->model->groups, groups.at[i]);
  for (size_t i = 0; i < decl->u.data.items.len; i++) datum(b, d, decl->u.data.items.at[i]);
  if (d->trained != NULL) {
    VEC_PUSH(e->arena, &((Trained *)d->trained)->data, d);
    return d;
  }
  VEC_PUSH(e->arena, &b->data, d);
  VEC_PUSH(e->arena, &e->model->data, d->model);
  return d;
}

// ---- programs

static bool fits(const PrepStep *s) { return s->info->fit != PREP_FIT_NONE; }
// Statistics that later steps' inputs depend on: those of `missing` are only looked at on output.
static bool fit_delays(const PrepStep *s) { return fits(s) && s->info->fit != PREP_FIT_NEAREST; }

static ModelFitKind fit_kind(PrepFit fit) {
  switch (fit) {
  case PREP_FIT_MEAN_STD: return FIT_MEAN_STD;
  case PREP_FIT_MAXABS: return FIT_MAXABS;
  case PREP_FIT_MINMAX:
  case PREP_FIT_NEAREST: return FIT_MINMAX;
  case PREP_FIT_WHITEN: return FIT_WHITEN;
  case PREP_FIT_QUANTILES: return FIT_QUANTILES;
  case PREP_FIT_NONE: break;
  }
  ir_fail("a preparation without statistics is fitted");
}

static const char *const *column_names(Elab *e, const DataField *f, int64_t n) {
  const char **names = ARENA_ARRAY(e->arena, const char *, n + 1);
  if (split_part_of(f) != NULL) f = split_part_of(f)->whole;
  for (int64_t i = 0; i < n; i++) {
    size_t item = f->items.len > 1 ? (size_t)(i % (int64_t)f->items.len) : 0;
    names[i] = f->block->model->columns.at[f->items.at[item].own].name;
  }
  return names;
}

// Behind a hurdle, and of a set, fits leave out what is not there: it becomes NaN; NaN of what is on becomes infinite, which is refused.
static IrRef of_those_that_are_on(Elab *e, const DataField *f, IrRef x) {
  if (!split_is_masked(f) && !f->set) return x;
  IrFn *fn = e->scene->fn;
  IrRef told = ir_select(fn, ir_binary(fn, IR_EQ, x, x), x, ir_number(fn, IR_F64, INFINITY));
  if (f->set) return set_or(fn, set_column_taken(e, f), told, NAN);
  return ir_select(fn, split_on(e, f), told, ir_number(fn, IR_F64, NAN));
}

static void fit_field(Elab *e, const DataField *f, int round, ModelFitRound *out) {
  if (f->like != NULL) return;
  for (size_t i = 0; i < f->fields.len; i++) fit_field(e, f->fields.at[i], round, out);
  int at = 0;
  IrRef x = IR_NONE;
  size_t done = 0;
  for (size_t i = 0; i < f->chain.len; i++) {
    const PrepStep *s = f->chain.at[i];
    if (fits(s) && at == round) {
      if (x == IR_NONE) x = field_source(e, f, field_own(e, f));
      x = field_forward(e, f, x, done, i);
      done = i;
      int64_t n = prep_fitted_numbers(s);
      ir_output(out->fn, s->name, of_those_that_are_on(e, f, prep_fitted(out->fn, s, x)));
      VEC_PUSH(e->arena, &out->fits,
               (ModelFit){.kind = fit_kind(s->info->fit),
                          .output = s->name,
                          .states = {s->states[0], s->states[1], s->states[2], s->states[3]},
                          .lengths = {prep_state_numbers(s, 0), prep_state_numbers(s, 1), prep_state_numbers(s, 2), prep_state_numbers(s, 3)},
                          .n = n,
                          .times = ir_elements(&s->in) / n,
                          .some = split_is_masked(f) || f->set,
                          .field = f->name,
                          .span = s->span,
                          .columns = column_names(e, f, n)});
    }
    at += fit_delays(s);
  }
}

static void rounds(Blocks *b, DataBlock *d) {
  Elab *e = b->e;
  for (int round = 0; round < MAX_ROUNDS; round++) {
    const char *name = arena_printf(e->arena, "%s.fit_%d", d->model->name, round + 1);
    Scene *scene = scene_open(e, SCENE_PREPARE, name, "data");
    ModelFitRound r = {.fn = scene->fn};
    for (size_t i = 0; i < d->fields.len; i++) fit_field(e, d->fields.at[i], round, &r);
    scene_close(e);
    if (r.fits.len == 0) return;
    VEC_PUSH(e->arena, &d->model->rounds, r);
  }
}

static void prepare_field(Blocks *b, DataBlock *d, const DataField *f, IrFn *fn) {
  Elab *e = b->e;
  for (size_t i = 0; i < f->fields.len; i++) prepare_field(b, d, f->fields.at[i], fn);
  if (f->record || f->made != NULL) return;
  IrRef x = field_forward(e, f, field_source(e, f, field_own(e, f)), 0, field_first_draw(f));
  if (split_is_masked(f)) x = ir_select(fn, split_on(e, f), x, ir_number(fn, IR_F64, 0));
  if (f->set) x = set_or(fn, set_column_taken(e, f), x, 0);
  ir_output(fn, arena_printf(e->arena, "prep:%s", f->name), ir_cast(fn, x, e->model->real));
  if (f->set) ir_output(fn, arena_printf(e->arena, "prep:%s.present", f->name), ir_cast(fn, set_column_taken(e, f), e->model->real));
  const FieldType *t = f->prepared;
  VEC_PUSH(e->arena, &d->model->fields, (ModelField){f->name, extents_elements(&t->type.shape), f->text, f->span});
}

IrRef event_condition(Elab *e, Value *v, Span span) {
  if (value_is_error(v)) return IR_NONE;
  if (v->kind == VALUE_TENSOR && v->u.tensor.type.element == ELEMENT_BOOL && v->u.tensor.type.shape.rank == 0) return elab_per_event(e, v);
  Diag *diag = elab_error(e, DIAG_TYPE, span, "`where` takes a condition on each event, found %s", value_text(e->arena, v));
  diag_help(e->diags, diag, "`where gen.pt > 15 GeV`");
  return IR_NONE;
}

static void cuts(Blocks *b, DataBlock *d, IrFn *fn) {
  Elab *e = b->e;
  Scope *scope = scope_new(e, d->scope);
  fields_bind(b, scope, d, true);
  IrRef keep = IR_NONE;
  for (size_t i = 0; i < d->cuts.len; i++) {
    const AstExpr *x = d->cuts.at[i];
    Value *v = elab_expr(e, scope, formula_of_columns(b, d, scope, x));
    IrRef one = event_condition(e, v, x->span);
    if (one == IR_NONE) continue;
    keep = keep == IR_NONE ? one : ir_binary(fn, IR_AND, keep, one);
  }
  if (keep != IR_NONE) ir_output(fn, "keep", ir_cast(fn, keep, IR_I32));
}

static void weights(Blocks *b, DataBlock *d, IrFn *fn) {
  Elab *e = b->e;
  if (d->weight == NULL) return;
  Scope *scope = scope_new(e, d->scope);
  fields_bind(b, scope, d, true);
  Value *v = elab_expr(e, scope, formula_of_columns(b, d, scope, d->weight));
  if (value_is_error(v)) return;
  if (v->kind != VALUE_TENSOR || v->u.tensor.type.shape.rank != 0) {
    Diag *diag = elab_error(e, DIAG_TYPE, d->weight->span, "an event weight is one number, found %s", value_text(e->arena, v));
    diag_help(e->diags, diag, "`weight = \"genWeight\"`, `weight = \"distance\"^-2`");
    return;
  }
  ir_output(fn, "weight", ir_cast(fn, elab_per_event(e, elab_real(e, v, d->weight->span)), e->model->real));
}

// The same once more, one by one.
static void cuts_alone(Blocks *b, DataBlock *d) {
  Elab *e = b->e;
  if (d->cuts.len == 0) return;
  scene_open(e, SCENE_PREPARE, arena_printf(e->arena, "%s.cuts", d->model->name), "data");
  Scope *scope = scope_new(e, d->scope);
  fields_bind(b, scope, d, true);
  for (size_t i = 0; i < d->cuts.len; i++) cuts_add(e, scope, formula_of_columns(b, d, scope, d->cuts.at[i]), &d->model->cuts);
  scene_close(e);
}

void data_programs(Blocks *b, DataBlock *d) {
  Elab *e = b->e;
  Scene *scene = scene_open(e, SCENE_PREPARE, arena_printf(e->arena, "%s.prepare", d->model->name), "data");
  for (size_t i = 0; i < d->fields.len; i++) prepare_field(b, d, d->fields.at[i], scene->fn);
  weights(b, d, scene->fn);
  cuts(b, d, scene->fn);
  for (bool any = true; any;) {
    any = false;
    for (size_t i = 0; i < d->fields.len; i++) any |= data_units_meet(d, d->fields.at[i]);
  }
  d->model->prepare = scene->fn;
  scene_close(e);
  cuts_alone(b, d);
  data_simulate(b, d);
  rounds(b, d);
  data_domains(b, d);
}
