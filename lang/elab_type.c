// Written types against values: inputs bind shape names, outputs are checked; records and vectors convert at both.
#include <string.h>

#include "lang/elab_set.h"

// ---- settings

static Value *not_setting(Elab *e, Value *v, Span span, const char *what) {
  bool event = v->kind == VALUE_TENSOR || v->kind == VALUE_RECORD;
  Diag *d = event ? elab_error(e, DIAG_NOT_SETTING, span, "%s is needed now, and this is known only event by event", what)
                  : elab_error(e, DIAG_NOT_SETTING, span, "%s is needed here, this is %s", what, value_text(e->arena, v));
  if (v->span.begin != 0 && v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, "sizes and other settings are made of numbers, params and `len(…)`");
  return value_error(e);
}

bool elab_setting_int(Elab *e, Value *v, Span span, const char *what, int64_t *out) {
  if (value_is_error(v)) return false;
  if (v->kind == VALUE_INT) return *out = v->u.integer, true;
  if (v->kind == VALUE_REAL && v->u.real == (double)(int64_t)v->u.real && v->u.real < 9e15 && v->u.real > -9e15) return *out = (int64_t)v->u.real, true;
  if (v->kind == VALUE_REAL) {
    Diag *d = elab_error(e, DIAG_TYPE, span, "%s is a whole number, this is %g", what, v->u.real);
    diag_help(e->diags, d, "`a // b` divides to a whole number, `floor(x)` rounds down");
    return false;
  }
  return not_setting(e, v, span, what), false;
}

bool elab_setting_number(Elab *e, Value *v, Span span, const char *what, double *out) {
  if (value_is_error(v)) return false;
  if (value_is_number(v)) return *out = value_number(v), true;
  return not_setting(e, v, span, what), false;
}

// ---- names of types

static bool is_element(const char *name) {
  static const char *const words[] = {"real", "angle", "class", "p4"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strcmp(words[i], name) == 0) return true;
  return false;
}

// module.module.data, or data.record of a record's parts: then `inside` is the rest.
static Value *value_by_path(Elab *e, Scope *scope, AstName path, const char **inside) {
  const char *point = strchr(path.text, '.');
  if (point == NULL) return scope_value(e, scope, path);
  Value *v = scope_value(e, scope, (AstName){arena_strndup(e->arena, path.text, (size_t)(point - path.text)), path.span});
  if (v->kind == VALUE_MODULE) return value_by_path(e, v->u.module, (AstName){point + 1, path.span}, inside);
  *inside = point + 1;
  return v;
}

static const FieldType *field_of(Elab *e, Scope *scope, const AstType *t) {
  AstName name = t->u.named.name, field = t->u.named.field;
  if (field.text == NULL) {
    const FieldType *found = e->hooks.field_named ? e->hooks.field_named(e, scope, name.text) : NULL;
    if (found != NULL) return found;
    static const char *const words[] = {"real", "angle", "class", "p4", "int", "bool"};
    const char *best = diag_nearest(name.text, words, sizeof words / sizeof words[0]);
    Diag *d = best ? elab_error(e, DIAG_UNKNOWN_NAME, name.span, "no type `%s`; did you mean `%s`?", name.text, best)
                   : elab_error(e, DIAG_UNKNOWN_NAME, name.span, "no type `%s`", name.text);
    diag_help(e->diags, d, "types are real, angle, class, p4 with sizes in brackets, int, bool, and fields of data like `events.x`");
    return NULL;
  }
  const char *inside = NULL;
  Value *data = value_by_path(e, scope, name, &inside);
  if (value_is_error(data)) return NULL;
  if (inside != NULL) {
    field.text = arena_printf(e->arena, "%s.%s", inside, field.text);
    name.text = arena_strndup(e->arena, name.text, (size_t)(inside - name.text) - 1);
  }
  if (data->kind == VALUE_DATA && e->hooks.field_type != NULL) {
    const FieldType *found = e->hooks.field_type(e, data, field.text);
    if (found != NULL) return found;
    Diag *d = elab_error(e, DIAG_RECORD_FIELD, field.span, "`%s` has no field `%s`", name.text, field.text);
    diag_label(e->diags, d, data->span, "`%s` is declared here", name.text);
    diag_help(e->diags, d, "a type after a data block's name is one of its fields");
    return NULL;
  }
  Diag *d = elab_error(e, DIAG_TYPE, t->span, "`%s.%s` is no type: `%s` is %s", name.text, field.text, name.text, value_text(e->arena, data));
  diag_help(e->diags, d, "`data.field` is the type of a field of a data block");
  return NULL;
}

// ---- dimensions

static bool is_size(Elab *e, int64_t n, Span span) {
  if (n >= 0) return true;
  Diag *d = elab_error(e, DIAG_SHAPE, span, "an axis of %lld", (long long)n);
  diag_help(e->diags, d, "sizes are at least 0");
  return false;
}

bool elab_axis_size(Elab *e, Value *v, Span span, const char *what, int64_t *out) { return elab_setting_int(e, v, span, what, out) && is_size(e, *out, span); }

static bool dim_value(Elab *e, Scope *scope, const AstDim *dim, int64_t *out) {
  return elab_axis_size(e, elab_expr(e, scope, dim->value), dim->value->span, "the size of an axis", out);
}

bool elab_splice_axes(Elab *e, Scope *scope, AstName name, Extents *out) {
  Value *list = scope_value(e, scope, name);
  const int64_t *axes;
  int64_t n;
  if (value_is_error(list)) return false;
  if (!static_ints(list, &axes, &n, e->arena) || out->rank + n > IR_MAX_RANK - 2) {
    Diag *d = elab_error(e, DIAG_TYPE, name.span, "`*%s` is a list of sizes, this is %s", name.text, value_text(e->arena, list));
    diag_help(e->diags, d, "`real[*s, n]` in a header binds `s` to the axes before the last");
    return false;
  }
  for (int64_t i = 0; i < n; i++) {
    if (!is_size(e, axes[i], name.span)) return false;
    out->axes[out->rank++] = axes[i];
  }
  return true;
}

// Sizes that are known now.
static bool known_dims(Elab *e, Scope *scope, const AstType *t, Extents *out) {
  *out = (Extents){0};
  for (size_t i = 0; i < t->u.named.dims.len; i++) {
    const AstDim *dim = &t->u.named.dims.at[i];
    if (dim->splice.text != NULL) {
      if (!elab_splice_axes(e, scope, dim->splice, out)) return false;
      continue;
    }
    if (out->rank >= IR_MAX_RANK - 2) return elab_not_built(e, t->span, "a value of so many axes", FEWER_AXES), false;
    if (!dim_value(e, scope, dim, &out->axes[out->rank++])) return false;
  }
  return static_fits(e, out, t->span);
}

static const char *written(Elab *e, const AstType *t) { // the type as it stands in the file
  const SourceFile *f = source_of(e->sources, t->span);
  if (f == NULL) return "another type";
  return arena_strndup(e->arena, f->text + (t->span.begin - f->base), t->span.end - t->span.begin);
}

// The axes that `*s` stands for: a free name is bound, one that is must agree.
static bool match_splice(Elab *e, Scope *scope, AstName name, const int64_t *axes, int64_t n, const char **cure) {
  Binding *b = scope_find(scope, name.text);
  const int64_t *bound;
  int64_t n_bound;
  if (b != NULL && static_ints(scope_value(e, scope, name), &bound, &n_bound, e->arena)) {
    if (n_bound == n && memcmp(bound, axes, sizeof *axes * (size_t)n) == 0) return true;
    Extents before = {.rank = (uint8_t)n_bound};
    for (int i = 0; i < before.rank; i++) before.axes[i] = bound[i];
    *cure = arena_printf(e->arena, "`*%s` is %s by another value of this header", name.text, n_bound > 0 ? extents_text(e->arena, "", &before) : "no axis");
    return false;
  }
  Value *list = value_list(e, name.span);
  for (int64_t i = 0; i < n; i++) VEC_PUSH(e->arena, &list->u.list, value_int(e, name.span, axes[i]));
  scope_bind(e, scope, name.text, name.span, list);
  return true;
}

// A size in a header: a free name is bound, everything else must agree.
static bool match_dim(Elab *e, Scope *scope, const AstDim *dim, int64_t n, int64_t *expected) {
  *expected = n;
  if (dim->value->kind == EX_NAME) {
    Binding *b = scope_find(scope, dim->value->u.name);
    Value *v = b == NULL ? NULL : scope_value(e, scope, (AstName){dim->value->u.name, dim->value->span});
    if (v == NULL || (v->kind != VALUE_INT && !value_is_error(v))) {
      scope_bind(e, scope, dim->value->u.name, dim->value->span, value_int(e, dim->value->span, n));
      return true;
    }
  }
  return dim_value(e, scope, dim, expected);
}

typedef enum { MATCH_YES, MATCH_NO, MATCH_BAD } Match; // BAD: reported

// cure: of a mismatch, what is needed, where that can be said.
static Match match_dims(Elab *e, Scope *scope, const AstType *t, const Extents *have, const char **cure) {
  size_t n = t->u.named.dims.len, splice = n;
  for (size_t i = 0; i < n; i++)
    if (t->u.named.dims.at[i].splice.text != NULL) splice = i;
  size_t fixed = splice == n ? n : n - 1;
  *cure = NULL;
  if (splice == n ? have->rank != fixed : have->rank < fixed) return MATCH_NO;
  size_t spliced = have->rank - fixed;
  for (size_t i = 0, axis = 0; i < n; i++) {
    const AstDim *dim = &t->u.named.dims.at[i];
    if (i == splice) {
      if (!match_splice(e, scope, dim->splice, have->axes + axis, (int64_t)spliced, cure)) return MATCH_NO;
      axis += spliced;
      continue;
    }
    int64_t expected;
    if (!match_dim(e, scope, dim, have->axes[axis], &expected)) return MATCH_BAD;
    if (expected != have->axes[axis]) {
      bool last = axis + 1 == have->rank && expected > 0;
      if (last) *cure = arena_printf(e->arena, "%lld is needed; `dense(%lld)` makes a vector of that length", (long long)expected, (long long)expected);
      return MATCH_NO;
    }
    axis++;
  }
  return MATCH_YES;
}

// ---- values against types

typedef struct Want {
  const AstType *type;
  const char *what;
  Span span;
  bool output;
} Want;

// What makes more axes of fewer, or fewer of more. NULL: neither helps.
static const char *axes_cure(Elab *e, const Want *w, const Value *v) {
  if (v->kind != VALUE_TENSOR || w->type->kind != TY_NAME || !is_element(w->type->u.named.name.text)) return NULL;
  size_t have = v->u.tensor.type.shape.rank, want = w->type->u.named.dims.len;
  if (want > 1 && have == 1) return arena_printf(e->arena, "`reshape(…)` to %zu sizes makes its axes of a vector", want);
  if (have > 1 && want < 2)
    return want == 0 ? "`flatten |> dense(1)`, `sum(…)` or `mean(…)` makes one number of all" : "`flatten` makes a vector of all its numbers";
  return NULL;
}

static Value *mismatch(Elab *e, const Want *w, Value *v, const char *cure) {
  DiagKind kind = w->output ? DIAG_OUTPUT_TYPE : DIAG_SHAPE;
  const char *verb = w->output ? "promises" : "takes";
  if (cure == NULL) cure = axes_cure(e, w, v);
  Diag *d = elab_error(e, kind, w->span, "`%s` %s %s, this is %s", w->what, verb, written(e, w->type), value_text(e->arena, v));
  if (v->span.begin != 0 && v->span.begin != w->span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  const SourceFile *f = source_of(e->sources, w->type->span);
  if (f != NULL && !f->library) diag_label(e->diags, d, w->type->span, "declared here");
  if (cure != NULL) diag_help(e->diags, d, "%s", cure);
  else diag_help(e->diags, d, w->output ? "change what the body gives, or the type in the header" : "give a value of that type");
  bool class = w->type->kind == TY_NAME && strcmp(w->type->u.named.name.text, "class") == 0,
       field = v->type != NULL && v->type->field != NULL && !v->type->record;
  if (class && field && !w->output) diag_help(e->diags, d, "a field of classes is declared one, and has no chain: `%s: class[2] = …`", v->type->label);
  if (!class && !w->output) elab_help_undeclared(e, d, v);
  return value_error(e);
}

static bool is_vector_type(const AstType *t) { // real[n], real[*s, n]
  size_t n = t->u.named.dims.len;
  if (n == 0 || t->u.named.dims.at[n - 1].splice.text != NULL) return false;
  return n == 1 || (n == 2 && t->u.named.dims.at[0].splice.text != NULL);
}

// real and real[1] convert, a record becomes a vector.
static Value *as_real_type(Elab *e, const Want *w, Value *v) {
  if (v->kind == VALUE_RECORD) return elab_flatten(e, v, w->span);
  if (value_is_number(v) && w->type->u.named.dims.len == 0) return v;
  Extents s;
  if (v->kind == VALUE_LIST && static_shape(v, &s)) return v;
  Value *t = elab_real(e, v, w->span);
  if (value_is_error(t)) return t;
  const Extents *have = &t->u.tensor.type.shape;
  Extents one = {.rank = 1, .axes = {1}}, none = {0};
  if (w->type->u.named.dims.len == 0 && have->rank == 1 && have->axes[0] == 1) return tensor_reshape(e, t, none, w->span);
  if (have->rank == 0 && is_vector_type(w->type)) return tensor_reshape(e, t, one, w->span);
  return t;
}

static Value *match_real(Elab *e, Scope *scope, const Want *w, Value *v) {
  Value *given = v;
  v = as_real_type(e, w, v);
  if (value_is_error(v)) return v;
  Extents have = {0};
  if (v->kind == VALUE_TENSOR) have = v->u.tensor.type.shape;
  else static_shape(v, &have);
  const char *cure;
  Match m = match_dims(e, scope, w->type, &have, &cure);
  if (m != MATCH_YES) return m == MATCH_BAD ? value_error(e) : mismatch(e, w, given, cure);
  if (strcmp(w->type->u.named.name.text, "angle") == 0 && v->kind == VALUE_TENSOR) {
    int64_t n = circular_count(&v->u.tensor.type);
    bool *flags = ARENA_ARRAY(e->arena, bool, n);
    for (int64_t i = 0; i < n; i++) flags[i] = true;
    v = value_copy(e, v);
    v->u.tensor.type.circular = flags;
  }
  return v;
}

static Value *match_p4(Elab *e, Scope *scope, const Want *w, Value *v) {
  v = elab_real(e, v, w->span);
  if (value_is_error(v)) return v;
  Extents have = v->u.tensor.type.shape, outer = have;
  if (have.rank == 1 && have.axes[0] % 4 == 0 && w->type->u.named.dims.len == 1 && have.axes[0] != 4)
    have = (Extents){.rank = 2, .axes = {have.axes[0] / 4, 4}}, v = tensor_reshape(e, v, have, w->span), outer = have;
  const char *ignored; // of the axes in front
  if (have.rank == 0 || have.axes[have.rank - 1] != 4) return mismatch(e, w, v, NULL);
  outer.rank--;
  Match m = match_dims(e, scope, w->type, &outer, &ignored);
  if (m != MATCH_YES) return m == MATCH_BAD ? value_error(e) : mismatch(e, w, v, NULL);
  v = value_copy(e, v);
  v->u.tensor.type.p4 = true;
  return v;
}

static Value *match_class(Elab *e, Scope *scope, const Want *w, Value *v) {
  if (v->kind == VALUE_INT) {
    int64_t n;
    if (w->type->u.named.dims.len != 1 || !dim_value(e, scope, &w->type->u.named.dims.at[0], &n)) return value_error(e);
    ClassValues *c = ARENA_NEW(e->arena, ClassValues);
    c->n = n;
    return elab_as_class(e, c, v, w->span);
  }
  if (v->kind != VALUE_TENSOR || v->u.tensor.type.element != ELEMENT_CLASS) return mismatch(e, w, v, NULL);
  int64_t n = v->u.tensor.type.classes->n, expected;
  if (w->type->u.named.dims.len != 1) return v;
  if (!match_dim(e, scope, &w->type->u.named.dims.at[0], n, &expected)) return value_error(e);
  return elab_as_class(e, &(ClassValues){.n = expected}, v, w->span);
}

typedef enum { OF_REAL, OF_P4, OF_OTHER } SetOf;

static SetOf set_of(const AstType *of) {
  bool word = of->kind == TY_NAME && of->u.named.field.text == NULL;
  return word && strcmp(of->u.named.name.text, "real") == 0 ? OF_REAL : word && strcmp(of->u.named.name.text, "p4") == 0 ? OF_P4 : OF_OTHER;
}

static void refuse_set(Elab *e, const AstType *of) {
  Diag *d = elab_error(e, DIAG_TYPE, of->span, "the elements of a set are real[f] or p4, these are %s", written(e, of));
  diag_help(e->diags, d, "`set[30] of real[5]` holds what one element has side by side: four-vectors as `p4(x[..., :4])`, a class as numbers 0 and 1");
}

// set[n] of real[f], set[n] of p4: the places, then what an element is.
static Value *match_set(Elab *e, Scope *scope, const Want *w, Value *v) {
  const AstType *of = w->type->u.set.of;
  SetOf kind = set_of(of);
  if (kind == OF_OTHER) return refuse_set(e, of), value_error(e);
  if (!value_is_set(v)) return mismatch(e, w, v, NULL);
  const Extents *have = &v->u.tensor.type.shape;
  Extents element = {.rank = (uint8_t)(have->rank - 1)};
  for (int i = 0; i < element.rank; i++) element.axes[i] = have->axes[i + 1];
  if (kind == OF_P4 && (element.rank == 0 || element.axes[--element.rank] != 4)) return mismatch(e, w, v, NULL);
  int64_t expected;
  const char *ignored;
  if (!match_dim(e, scope, &(AstDim){.value = w->type->u.set.count}, have->axes[0], &expected)) return value_error(e);
  if (expected != have->axes[0]) return mismatch(e, w, v, NULL);
  Match m = match_dims(e, scope, of, &element, &ignored);
  if (m != MATCH_YES) return m == MATCH_BAD ? value_error(e) : mismatch(e, w, v, NULL);
  if (kind == OF_P4) v = value_copy(e, v), v->u.tensor.type.p4 = true;
  return v;
}

static Value *match_field_set(Elab *e, const Want *w, const FieldType *t, Value *v) {
  if (t->type.set && value_is_set(v) && extents_equal(&v->u.tensor.type.shape, &t->type.shape)) {
    v = value_copy(e, v);
    v->type = t;
    v->u.tensor.type.p4 = t->type.p4;
    return v;
  }
  Diag *d = elab_error(e, w->output ? DIAG_OUTPUT_TYPE : DIAG_SHAPE, w->span, "`%s` %s %s (%s), this is %s", w->what, w->output ? "promises" : "takes", t->name,
                       tensor_type_text(e->arena, &t->type), value_text(e->arena, v));
  if (v->span.begin != 0 && v->span.begin != w->span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, t->type.set ? "`noise |> first(n)` makes a set of an array" : "pool the set: `mean(x, axis = 0)`");
  return value_error(e);
}

static Value *match_field(Elab *e, const Want *w, const FieldType *t, Value *v) {
  if (v->type == t) return v;
  if (!t->record && (t->type.set || value_is_set(v))) return match_field_set(e, w, t, v);
  if (e->hooks.fields_meet != NULL && !e->hooks.fields_meet(e, t, v, w->span)) return value_error(e);
  Value *class = !t->record && t->type.element == ELEMENT_CLASS ? elab_as_class(e, t->type.classes, v, w->span) : NULL;
  if (class != NULL) return class;
  Value *vector = elab_flatten_as(e, v, t, w->span);
  if (value_is_error(vector)) return vector;
  int64_t have = extents_elements(&vector->u.tensor.type.shape), need = field_type_numbers(t);
  if (have == need) {
    if (!t->record && v->kind == VALUE_TENSOR && extents_equal(&v->u.tensor.type.shape, &t->type.shape)) {
      v = value_copy(e, v);
      v->type = t;
      if (v->u.tensor.type.circular == NULL) v->u.tensor.type.circular = t->type.circular;
      v->u.tensor.type.p4 = t->type.p4;
      return v;
    }
    return elab_unflatten(e, vector, t, w->span);
  }
  Diag *d = elab_error(e, w->output ? DIAG_OUTPUT_TYPE : DIAG_SHAPE, w->span, "`%s` %s %s (%lld numbers), %s %s", w->what, w->output ? "promises" : "takes",
                       t->name, (long long)need, w->output ? "its body gives" : "this is", value_text(e->arena, v));
  if (v->span.begin != 0 && v->span.begin != w->span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  if (w->type != NULL) diag_label(e->diags, d, w->type->span, "declared here");
  const char *itself = !t->record && t->type.shape.rank > 1 ? tensor_type_text(e->arena, &t->type) : "the record itself";
  diag_help(e->diags, d, "a vector of %lld numbers or %s is needed", (long long)need, itself);
  return value_error(e);
}

Value *elab_as_field(Elab *e, const FieldType *t, Value *v, Span span, const char *what) {
  return value_is_error(v) ? v : match_field(e, &(Want){NULL, what, span, false}, t, v);
}

static Value *match_word(Elab *e, const Want *w, Value *v) {
  const char *name = w->type->u.named.name.text;
  if (strcmp(name, "int") == 0) {
    int64_t n;
    return elab_setting_int(e, v, w->span, arena_printf(e->arena, "a whole number for `%s`", w->what), &n) ? value_int(e, v->span, n) : value_error(e);
  }
  bool fits = strcmp(name, "bool") == 0 ? v->kind == VALUE_BOOL : v->kind == VALUE_STRING;
  return fits ? v : mismatch(e, w, v, NULL);
}

static bool is_word(const char *name) { return strcmp(name, "int") == 0 || strcmp(name, "bool") == 0 || strcmp(name, "string") == 0; }

static Value *match_list(Elab *e, Scope *scope, const Want *w, Value *v) {
  if (v->kind != VALUE_LIST) return mismatch(e, w, v, NULL);
  Value *out = value_list(e, v->span);
  Want inner = *w;
  inner.type = w->type->u.list;
  for (size_t i = 0; i < v->u.list.len; i++) {
    Value *x = inner.type->kind == TY_NAME && is_word(inner.type->u.named.name.text) ? match_word(e, &inner, v->u.list.at[i]) : v->u.list.at[i];
    if (value_is_error(x)) return x;
    VEC_PUSH(e->arena, &out->u.list, x);
  }
  (void)scope;
  return out;
}

static Value *match(Elab *e, Scope *scope, const Want *w, Value *v) {
  const AstType *t = w->type;
  switch (t->kind) {
  case TY_ERROR: return value_error(e);
  case TY_LIST: return match_list(e, scope, w, v);
  case TY_SET: return match_set(e, scope, w, v);
  case TY_CHOICES:
    if (v->kind == VALUE_TENSOR && v->u.tensor.type.element == ELEMENT_CLASS) return v;
    return mismatch(e, w, v, NULL);
  case TY_NAME: break;
  }
  const char *name = t->u.named.name.text;
  if (t->u.named.field.text == NULL && is_word(name)) return match_word(e, w, v);
  if (t->u.named.field.text == NULL && is_element(name)) {
    if (strcmp(name, "class") == 0) return match_class(e, scope, w, v);
    return strcmp(name, "p4") == 0 ? match_p4(e, scope, w, v) : match_real(e, scope, w, v);
  }
  const FieldType *field = field_of(e, scope, t);
  return field == NULL ? value_error(e) : match_field(e, w, field, v);
}

Value *elab_coerce_input(Elab *e, Scope *scope, const AstType *t, Value *v, Span span, const char *what) {
  if (t == NULL || value_is_error(v)) return v;
  return match(e, scope, &(Want){t, what, span, false}, v);
}

Value *elab_coerce_output(Elab *e, Scope *scope, const AstType *t, Value *v, Span span, const char *what) {
  if (t == NULL || value_is_error(v)) return v;
  return match(e, scope, &(Want){t, what, span, true}, v);
}

// ---- a type alone

static bool tensor_type(Elab *e, Scope *scope, const AstType *t, Type *out) {
  const char *name = t->u.named.name.text;
  out->kind = TYPE_TENSOR;
  if (!known_dims(e, scope, t, &out->tensor.shape)) return false;
  if (strcmp(name, "class") == 0) {
    ClassValues *c = ARENA_NEW(e->arena, ClassValues);
    c->n = out->tensor.shape.rank == 1 ? out->tensor.shape.axes[0] : 2;
    out->tensor = (TensorType){.element = ELEMENT_CLASS, .classes = c};
  } else if (strcmp(name, "p4") == 0) {
    out->tensor.p4 = true;
    out->tensor.shape.axes[out->tensor.shape.rank++] = 4;
  } else if (strcmp(name, "angle") == 0) {
    int64_t n = circular_count(&out->tensor);
    bool *flags = ARENA_ARRAY(e->arena, bool, n);
    for (int64_t i = 0; i < n; i++) flags[i] = true;
    out->tensor.circular = flags;
  }
  return true;
}

static bool choices_type(Elab *e, Scope *scope, const AstType *t, Type *out) {
  ClassValues *c = ARENA_NEW(e->arena, ClassValues);
  c->n = (int64_t)t->u.choices.values.len;
  for (size_t i = 0; i < t->u.choices.values.len; i++) {
    Value *v = elab_expr(e, scope, t->u.choices.values.at[i]);
    double x;
    if (v->kind == VALUE_STRING) {
      VEC_PUSH(e->arena, &c->texts, v->u.string);
      VEC_PUSH(e->arena, &c->values, (double)i);
    } else if (elab_setting_number(e, v, t->u.choices.values.at[i]->span, "a value of the class", &x)) {
      VEC_PUSH(e->arena, &c->values, x);
    } else {
      return false;
    }
  }
  out->kind = TYPE_TENSOR;
  out->tensor = (TensorType){.element = ELEMENT_CLASS, .classes = c};
  return true;
}

static bool set_type(Elab *e, Scope *scope, const AstType *t, Type *out) {
  const AstType *of = t->u.set.of;
  SetOf kind = set_of(of);
  if (kind == OF_OTHER) return refuse_set(e, of), false;
  Extents element, *all = &out->tensor.shape;
  if (!known_dims(e, scope, of, &element) || !dim_value(e, scope, &(AstDim){.value = t->u.set.count}, &all->axes[0])) return false;
  out->tensor.p4 = kind == OF_P4;
  if (kind == OF_P4) element.axes[element.rank++] = 4;
  all->rank = (uint8_t)(element.rank + 1);
  for (int i = 0; i < element.rank; i++) all->axes[i + 1] = element.axes[i];
  out->kind = TYPE_TENSOR;
  out->tensor.set = true;
  return true;
}

bool elab_type(Elab *e, Scope *scope, const AstType *t, Type *out) {
  *out = (Type){.kind = TYPE_ANY, .span = t == NULL ? (Span){0, 0} : t->span};
  if (t == NULL) return true;
  switch (t->kind) {
  case TY_ERROR: return false;
  case TY_LIST: return out->kind = TYPE_LIST, true;
  case TY_SET: return set_type(e, scope, t, out);
  case TY_CHOICES: return choices_type(e, scope, t, out);
  case TY_NAME: break;
  }
  const char *name = t->u.named.name.text;
  if (t->u.named.field.text == NULL && is_word(name)) {
    out->kind = strcmp(name, "int") == 0 ? TYPE_INT : strcmp(name, "bool") == 0 ? TYPE_BOOL : TYPE_STRING;
    return true;
  }
  if (t->u.named.field.text == NULL && is_element(name)) return tensor_type(e, scope, t, out);
  out->kind = TYPE_FIELD;
  out->field = field_of(e, scope, t);
  return out->field != NULL;
}
