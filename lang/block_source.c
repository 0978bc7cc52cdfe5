// The right side of a data field: columns, families in braces, lists, formulas of columns, units.
//
//   "Jet_pt" / "GenJet_pt" |> log      own column Jet_pt, term / GenJet_pt
//   ["mll", "{phi,eta}_zy"] in GeV     three own columns side by side
// The own column is the leftmost of a formula: it is what the field stands for and what is written out.
#include <string.h>

#include "lang/block.h"
#include "lang/unit.h"

enum { MAX_FAMILY = 100000 };

// False: a brace is not closed or the family is too large.
bool data_family(Arena *arena, const char *text, Strings *out) {
  const char *open = strchr(text, '{');
  if (open == NULL) {
    VEC_PUSH(arena, out, text);
    return true;
  }
  const char *close = strchr(open, '}');
  if (close == NULL) return false;
  const char *head = arena_strndup(arena, text, (size_t)(open - text));
  for (const char *at = open + 1; at <= close;) {
    size_t len = strcspn(at, ",}");
    const char *one = arena_printf(arena, "%s%.*s%s", head, (int)len, at, close + 1);
    if (out->len > MAX_FAMILY || !data_family(arena, one, out)) return false;
    at += len + 1;
  }
  return true;
}

int data_column(Blocks *b, DataBlock *d, const char *name, Span span) {
  for (size_t i = 0; i < d->model->columns.len; i++)
    if (strcmp(d->model->columns.at[i].name, name) == 0) return (int)i;
  VEC_PUSH(b->e->arena, &d->model->columns, (ModelColumn){.name = name, .group = d->model->groups.len > 0 ? NULL : d->decl->u.data.from, .span = span});
  return (int)d->model->columns.len - 1;
}

static bool family(Blocks *b, DataField *f, const AstExpr *x, Strings *out) {
  if (data_family(b->e->arena, x->u.string, out)) return true;
  Diag *d = elab_error(b->e, DIAG_PREPARATION, x->span, "the family \"%s\" does not name columns", x->u.string);
  diag_help(b->e->diags, d, "\"{a,b}_{x,y}\" are the four columns a_x, a_y, b_x, b_y");
  (void)f;
  return false;
}

static void refuse_source(Elab *e, const AstExpr *x) {
  if (x->kind == EX_NAME || x->kind == EX_FIELD || x->kind == EX_CALL || x->kind == EX_IF) {
    Diag *d = elab_error(e, DIAG_PREPARATION, x->span, "a field of columns begins with a column, and is undone to it");
    diag_help(e->diags, d, "functions stand in the chain, or behind an operator: `\"a\" / sqrt(\"b\") |> log`; `s = sqrt(a)` is a field made of the field a");
    return;
  }
  Diag *d = elab_error(e, DIAG_PREPARATION, x->span, "a field is made of columns, and columns are named in quotes");
  diag_help(e->diags, d, "`pt = \"Jet_pt\" / \"GenJet_pt\" |> log |> standardize`");
}

static bool items_of(Blocks *b, DataField *f, const AstExpr *x);

static bool formula(Blocks *b, DataField *f, const AstExpr *x) {
  Elab *e = b->e;
  AstBinary op = x->u.binary.op;
  if (op != BIN_ADD && op != BIN_SUB && op != BIN_MUL && op != BIN_DIV) {
    Diag *d = elab_error(e, DIAG_NOT_INVERTIBLE, x->u.binary.op_span, "formulas of columns are undone, and this one cannot be");
    diag_help(e->diags, d, "`+ - * /` with other columns or numbers can");
    return false;
  }
  size_t first = f->items.len;
  if (!items_of(b, f, x->u.binary.left)) return false;
  size_t n = f->items.len - first;
  for (size_t i = 0; i < n; i++) {
    DataTerm term = {.op = op};
    if (!term_read(b, f->block, x->u.binary.right, i, n, &term)) return false;
    VEC_PUSH(e->arena, &f->items.at[first + i].terms, term);
  }
  return true;
}

static bool set_unit(Blocks *b, DataField *f, AstName unit, size_t first) {
  Elab *e = b->e;
  if (!unit_exists(unit.text)) {
    Diag *d = elab_error(e, DIAG_UNIT_UNKNOWN, unit.span, "`%s` is no unit", unit.text);
    const char *near = unit_nearest(unit.text);
    if (near != NULL) diag_help(e->diags, d, "did you mean `%s`?", near);
    else diag_help(e->diags, d, "units are GeV, MeV, rad, deg, cm, mm, ns and others");
    return false;
  }
  for (size_t i = first; i < f->items.len; i++) {
    bool ratio = false;
    for (size_t k = 0; k < f->items.at[i].terms.len; k++) ratio = ratio || f->items.at[i].terms.at[k].op == BIN_MUL || f->items.at[i].terms.at[k].op == BIN_DIV;
    if (ratio) continue; // the unit is the ratio's, not the column's
    ModelColumn *c = &f->block->model->columns.at[f->items.at[i].own];
    double factor;
    if (c->unit != NULL && strcmp(c->unit, unit.text) != 0) {
      Diag *d = elab_error(e, DIAG_UNIT, unit.span, "`%s` is in %s here and in %s before", c->name, unit.text, c->unit);
      diag_help(e->diags, d, unit_convert(c->unit, unit.text, &factor) ? "declare one unit for a column" : "an energy is no angle");
      return false;
    }
    c->unit = unit.text;
  }
  return true;
}

static bool items_of(Blocks *b, DataField *f, const AstExpr *x) {
  Elab *e = b->e;
  size_t first = f->items.len;
  switch (x->kind) {
  case EX_STRING: {
    Strings names = {0};
    if (!family(b, f, x, &names)) return false;
    f->vector = f->vector || names.len > 1;
    for (size_t i = 0; i < names.len; i++) VEC_PUSH(e->arena, &f->items, (DataItem){.own = data_column(b, f->block, names.at[i], x->span), .span = x->span});
    return true;
  }
  case EX_LIST:
    f->vector = true;
    for (size_t i = 0; i < x->u.items.len; i++)
      if (!items_of(b, f, x->u.items.at[i])) return false;
    if (x->u.items.len == 0) refuse_source(e, x);
    return x->u.items.len > 0;
  case EX_BINARY: return formula(b, f, x);
  case EX_UNIT: return items_of(b, f, x->u.unit.operand) && set_unit(b, f, x->u.unit.unit, first);
  case EX_ERROR: return false;
  case EX_NAME:
  case EX_NUMBER:
  case EX_BOOL:
  case EX_FILL:
  case EX_COMPREHENSION:
  case EX_TUPLE:
  case EX_UNARY:
  case EX_PIPE:
  case EX_IF:
  case EX_FN:
  case EX_FIELD:
  case EX_CALL:
  case EX_INDEX: refuse_source(e, x); return false;
  }
  return false;
}

static bool has_terms(const DataField *f) {
  for (size_t i = 0; i < f->items.len; i++)
    if (f->items.at[i].terms.len > 0) return true;
  return false;
}

// By name: angles and pseudorapidities have both signs.
static bool signed_by_name(const char *name) {
  static const char endings[] = "etaphi";
  size_t len = strlen(name);
  for (size_t k = 0; len >= 3 && k < 6; k += 3) {
    bool same = true;
    for (size_t i = 0; i < 3; i++) same = same && (name[len - 3 + i] | 32) == endings[k + i]; // | 32: lower case
    if (same) return true;
  }
  return false;
}

static PrepRange start_range(const DataField *f) {
  if (unit_is_angle(f->unit)) return PREP_ANY;
  for (size_t i = 0; i < f->items.len; i++) {
    const DataItem *item = &f->items.at[i];
    if (item->terms.len == 0 && signed_by_name(f->block->model->columns.at[item->own].name)) return PREP_ANY;
    for (size_t k = 0; k < item->terms.len; k++)
      if (item->terms.at[k].op == BIN_SUB) return PREP_ANY;
  }
  return PREP_SAME;
}

// A column is written out by one field: a second one would give it twice.
static void check_owner(Blocks *b, const DataField *f) {
  for (size_t i = 0; i < f->items.len; i++)
    for (size_t k = 0; k < i; k++)
      if (f->items.at[i].own == f->items.at[k].own) {
        Diag *d =
            elab_error(b->e, DIAG_GIVEN_TWICE, f->items.at[i].span, "`%s` stands twice in this field", f->block->model->columns.at[f->items.at[i].own].name);
        diag_help(b->e->diags, d, "a column is generated once");
        return;
      }
}

static bool only_sums(const DataItem *item) {
  for (size_t i = 0; i < item->terms.len; i++)
    if (item->terms.at[i].op != BIN_ADD && item->terms.at[i].op != BIN_SUB) return false;
  return true;
}

// What the file reader and the writer must know of the field's columns.
static void describe_columns(Blocks *b, DataField *f) {
  for (size_t i = 0; i < f->items.len; i++) {
    ModelColumn *c = &f->block->model->columns.at[f->items.at[i].own];
    c->has_chain = c->has_chain || f->classes == NULL;
    if (f->items.len == 1 && !f->vector) {
      c->rank = f->shape.rank;
      for (int k = 0; k < f->shape.rank; k++) c->shape[k] = f->shape.axes[k] + (f->set && k == f->shape.rank - 1);
      c->of_set = f->set;
      c->told_by = f->told_by;
    }
    if (f->p4 && !f->vector) c->order = arena_printf(b->e->arena, "order:%s.%s", f->block->model->name, c->name);
    if (f->angle && only_sums(&f->items.at[i])) c->period = full_turn(f->unit);
    if (f->items.at[i].terms.len == 0) c->half_turn = c->period / 2;
    if (f->classes != NULL) {
      c->kind = f->classes->texts.len > 0 ? COLUMN_TEXT_CATEGORY : COLUMN_CATEGORY;
      for (size_t k = 0; k < f->classes->values.len; k++) VEC_PUSH(b->e->arena, &c->values, f->classes->values.at[k]);
      for (int64_t k = 0; f->classes->values.len == 0 && k < f->classes->n; k++) VEC_PUSH(b->e->arena, &c->values, (double)k);
      for (size_t k = 0; k < f->classes->texts.len; k++) VEC_PUSH(b->e->arena, &c->texts, f->classes->texts.at[k]);
    }
    for (size_t k = 0; k < f->chain.len; k++) {
      const PrepStep *s = f->chain.at[k];
      if (s->info->kind == PREP_MISSING) {
        if (s->setting[0] != s->setting[0]) c->allows_nan = true;
        else c->missing = s->setting[0], c->has_missing = true;
      }
      bool first = k == 0 || (k == 1 && f->chain.at[0]->info->kind == PREP_MISSING);
      if (!first || f->items.at[i].terms.len > 0) continue;
      if (s->info->kind == PREP_DEQUANTIZE && s->setting[0] == 1) c->kind = COLUMN_INTEGER;
      if (s->info->kind == PREP_ONE_HOT || s->info->kind == PREP_LEVELS) {
        c->kind = COLUMN_CATEGORY;
        for (size_t v = 0; v < s->values.len && c->values.len < s->values.len; v++) VEC_PUSH(b->e->arena, &c->values, s->values.at[v]);
      }
    }
  }
}

static const char *known_unit(const ModelColumn *c) { return c->unit != NULL ? c->unit : c->meets; }

static bool meets(ModelColumn *c, const char *unit) {
  if (unit == NULL || known_unit(c) != NULL) return false;
  c->meets = unit;
  return true;
}

bool data_units_meet(DataBlock *d, const DataField *f) {
  ModelColumn *columns = d->model->columns.at;
  bool any = false;
  for (size_t i = 0; i < f->fields.len; i++) any |= data_units_meet(d, f->fields.at[i]);
  for (size_t i = 0; i < f->items.len; i++)
    for (size_t k = 0; k < f->items.at[i].terms.len; k++) {
      ModelColumn *own = &columns[f->items.at[i].own];
      const DataTerm *term = &f->items.at[i].terms.at[k];
      for (size_t c = 0; c < term->columns.len; c++) {
        ModelColumn *other = &columns[term->columns.at[c]];
        any |= meets(own, known_unit(other)) | meets(other, known_unit(own));
      }
    }
  return any;
}

static void of_part(Blocks *b, DataField *f, const DataField *part, const AstExpr *const *steps, size_t n) {
  f->of = part;
  f->shape = part->shape;
  f->classes = part->classes;
  f->unit = part->unit;
  if (f->classes != NULL && n > 0) {
    diag_help(b->e->diags, elab_error(b->e, DIAG_PREPARATION, f->span, "a class is taken as it is, without a chain"), "leave the chain out");
    f->broken = true;
    return;
  }
  bool share = part->part == 1 && part->whole->split->info->kind == PREP_SEGMENTS;
  data_chain(b, f, steps, n, share ? PREP_UNIT : PREP_SAME, arena_printf(b->e->arena, "`%s`", part->name));
}

static bool has_shape_of_columns(Elab *e, DataField *f) {
  if (!f->vector || extents_elements(&f->shape) == (int64_t)f->items.len) return true;
  Diag *d =
      elab_error(e, DIAG_COLUMN_SHAPE, f->span, "`%s` has %zu columns and is declared %s", f->label, f->items.len, extents_text(e->arena, "real", &f->shape));
  diag_help(e->diags, d, "`real[%zu]`", f->items.len);
  f->shape = extents_of(1, (int64_t[]){(int64_t)f->items.len});
  return false;
}

void data_source(Blocks *b, DataField *f, const AstSource *source) {
  Elab *e = b->e;
  VEC(const AstExpr *) reversed = {0}, steps = {0};
  const AstExpr *x = source->value;
  for (; x->kind == EX_PIPE; x = x->u.pipe.left) VEC_PUSH(e->arena, &reversed, x->u.pipe.right);
  for (size_t i = reversed.len; i-- > 0;) VEC_PUSH(e->arena, &steps, reversed.at[i]);
  f->text = source_text(e, source->value->span);
  if (x->kind == EX_UNIT) f->unit = x->u.unit.unit.text;
  const DataField *part = split_named(f->block, x);
  if (part != NULL) {
    of_part(b, f, part, steps.at, steps.len);
    return;
  }
  if (!items_of(b, f, x) && f->items.len == 0) {
    f->broken = true;
    return;
  }
  check_owner(b, f);
  if (f->p4 && f->vector) field_order_p4(f);
  if (f->shape.rank == 0 && f->vector) f->shape = extents_of(1, (int64_t[]){(int64_t)f->items.len});
  if (!set_told(b, f, steps.at, steps.len) || !split_sizes(b, f, steps.at, steps.len)) {
    f->broken = true;
    return;
  }
  if (!has_shape_of_columns(e, f)) return;
  if (f->classes != NULL && (steps.len > 0 || has_terms(f) || f->vector)) {
    Diag *d = elab_error(e, DIAG_PREPARATION, source->span, "a class is one column as it is, without a chain");
    diag_help(e->diags, d, "leave the chain out; `one_hot([0, 1])` in a field without a declared class makes numbers of its values");
    f->broken = true;
    return;
  }
  const char *what = f->items.len == 1 && !has_terms(f) ? arena_printf(e->arena, "`%s`", f->block->model->columns.at[f->items.at[0].own].name)
                                                        : arena_printf(e->arena, "`%s`", f->label);
  data_chain(b, f, steps.at + f->set, steps.len - f->set, start_range(f), what);
  if (unit_is_angle(f->unit)) f->angle = true; // generated values are brought into range
  describe_columns(b, f);
}
