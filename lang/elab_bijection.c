// Bijections: one direction elaborated on a value, and bijections of one number lifted over the components of a vector.
//
// Lifting: the axes of x become hidden axes, x one number. Settings that are tensors with more axes than the header says
// lend their leading axes in the same way. What comes out is shown as a vector again; log_det is added up over it in f64.
#include <string.h>

#include "lang/elab_set.h"

Value *bijection_new(Elab *e, const AstDecl *decl, Scope *settings, const char *path, Span span) {
  Value *v = value_copy(e, value_error(e));
  v->kind = VALUE_BIJECTION;
  v->span = span;
  v->u.bijection = (Bijection){.decl = decl, .settings = settings, .path = path};
  return v;
}

// ---- lifting

typedef struct Lift {
  bool on;
  int axes;
  int32_t id[IR_MAX_RANK];
  Extents shape;
  const bool *circular;
} Lift;

static bool of_one_number(const AstVar *var) {
  const AstType *t = var->type;
  return t != NULL && t->kind == TY_NAME && t->u.named.field.text == NULL && t->u.named.dims.len == 0 &&
         (strcmp(t->u.named.name.text, "real") == 0 || strcmp(t->u.named.name.text, "angle") == 0);
}

static Lift lift_over(Elab *e, const AstDecl *decl, const Value *x) {
  const TensorType *t = &x->u.tensor.type;
  Lift l = {.on = of_one_number(&decl->u.bijection.from) && t->shape.rank > 0, .axes = t->shape.rank, .shape = t->shape, .circular = t->circular};
  for (int i = 0; l.on && i < l.axes; i++) l.id[i] = ++e->next_hidden;
  return l;
}

// The first `axes` visible axes become the last of the lifted ones.
static Value *hide_axes(Elab *e, const Lift *l, const Value *v, int axes) {
  Value *out = value_copy(e, v);
  Tensor *t = &out->u.tensor;
  int hidden = t->hidden.n > e->scene->alike.n ? t->hidden.n : e->scene->alike.n; // what it meets may be of the lists here
  if (hidden + axes > MAX_HIDDEN)
    return elab_not_built(e, v->span, "a bijection of so many axes, or inside so many bijections and lists,",
                          "`flatten` in front of it, or a bijection of a vector instead of one of a number inside of another");
  for (int i = 0; i < axes; i++) {
    t->hidden.id[t->hidden.n] = l->id[l->axes - axes + i];
    t->hidden.extent[t->hidden.n++] = t->type.shape.axes[i];
  }
  for (int i = axes; i < t->type.shape.rank; i++) t->type.shape.axes[i - axes] = t->type.shape.axes[i];
  t->type.shape.rank = (uint8_t)(t->type.shape.rank - axes);
  if (t->type.shape.rank == 0) t->type.circular = NULL;
  return out;
}

static int declared_rank(const AstParam *p) {
  if (p->type == NULL || p->type->kind != TY_NAME) return 0;
  return (int)p->type->u.named.dims.len;
}

static Scope *lifted_settings(Elab *e, const Bijection *b, const Lift *l) {
  Scope *scope = scope_new(e, b->settings);
  for (size_t i = 0; i < b->decl->u.bijection.settings.len; i++) {
    const AstParam *p = &b->decl->u.bijection.settings.at[i];
    Binding *known = scope_own(b->settings, p->name.text);
    if (known == NULL || known->value == NULL || known->value->kind != VALUE_TENSOR) continue;
    const Extents *s = &known->value->u.tensor.type.shape;
    int extra = s->rank - declared_rank(p);
    if (extra <= 0) continue;
    bool fits = extra <= l->axes && memcmp(s->axes, l->shape.axes + l->axes - extra, (size_t)extra * sizeof s->axes[0]) == 0;
    if (!fits) {
      Value *like = value_tensor(e, (Span){0, 0}, tensor_type_real(l->shape), IR_NONE, (Belongs){0});
      Diag *d = elab_shape_error(e, known->value->span, known->value, like, NULL);
      diag_help(e->diags, d, "`%s` of `%s` has one entry for each component that it acts on", p->name.text, b->decl->name.text);
      return NULL;
    }
    scope_bind(e, scope, p->name.text, p->name.span, hide_axes(e, l, known->value, extra));
  }
  return scope;
}

// One number for each component, shown as a vector again.
static Value *unlift(Elab *e, const Lift *l, Value *v, Span span) {
  v = elab_tensor(e, v, span);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  if (v->u.tensor.type.shape.rank != 0) {
    Diag *d = elab_error(e, DIAG_OUTPUT_TYPE, span, "a bijection of one number gives one number, this is %s", value_text(e->arena, v));
    diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
    diag_help(e->diags, d, "`sum(…)` makes one number of several");
    return value_error(e);
  }
  Layout own = layout_of(e, &v->u.tensor), lifted = {0};
  for (int i = 0; i < l->axes; i++) lifted.hidden.id[i] = l->id[i], lifted.hidden.extent[i] = l->shape.axes[i];
  lifted.hidden.n = (uint8_t)l->axes;
  Layout all = layout_join(&own, &lifted, (Extents){0});
  Value *out = value_copy(e, v);
  out->u.tensor.ir = tensor_spread(e, v, &all);
  out->u.tensor.hidden = all.hidden;
  out->u.tensor.hidden.n = (uint8_t)(all.hidden.n - l->axes);
  out->u.tensor.type.shape = l->shape;
  out->u.tensor.lifted_circular = NULL;
  return out;
}

// ---- one direction

static const AstStmt *direction_of(const AstDecl *decl, bool inverse) {
  for (size_t i = 0; i < decl->u.bijection.body.len; i++) {
    const AstStmt *s = decl->u.bijection.body.at[i];
    if (s->kind == ST_DIRECTION && s->u.direction.inverse == inverse) return s;
  }
  return NULL;
}

static Value *missing_direction(Elab *e, const AstDecl *decl, bool inverse, Span span) {
  Diag *d = inverse ? elab_error(e, DIAG_ONE_WAY, span, "`%s` has no inverse: it scores its own draws only", decl->name.text)
                    : elab_error(e, DIAG_ONE_SIDE, span, "`%s` has no forward direction", decl->name.text);
  diag_label(e->diags, d, decl->name.span, "declared here");
  diag_help(e->diags, d, inverse ? "`inverse { x = …; log_det = … }` in its body gives the density of data" : "`forward { y = …; log_det = … }`");
  return value_error(e);
}

// How many numbers of the condition a name takes that is not the last; -1: reported.
static int64_t taken_by(Elab *e, Scope *scope, const AstVar *var, Extents *shape) {
  Type type = {.kind = TYPE_ANY};
  if (var->type != NULL && !elab_type(e, scope, var->type, &type)) return -1;
  if (type.kind == TYPE_TENSOR && type.tensor.element == ELEMENT_REAL) {
    *shape = type.tensor.shape;
    return extents_elements(shape);
  }
  Diag *d = elab_error(e, DIAG_TYPE, var->name.span, "the condition comes as one vector, and how much of it is `%s` is not said", var->name.text);
  diag_help(e->diags, d, "`| %s: real[3], rest` takes three numbers, and the last name what is left", var->name.text);
  return -1;
}

// What is given is one vector: the names take their numbers from it in order, the last what is left.
static Value *part_of_context(Elab *e, Scope *scope, const AstDecl *decl, size_t name, Value *context, int64_t *at, Span span) {
  const AstVars *given = &decl->u.bijection.given;
  const AstVar *var = &given->at[name];
  int64_t all = extents_elements(&context->u.tensor.type.shape), left = all - *at;
  Extents shape = extents_of(1, &left);
  int64_t n = name + 1 == given->len ? left : taken_by(e, scope, var, &shape);
  if (n < 0) return value_error(e);
  if (n == 0 || n > left) {
    Diag *d = elab_error(e, DIAG_SHAPE, span, "`%s` is given %lld number%s, which is too few for `%s`", decl->name.text, (long long)all, all == 1 ? "" : "s",
                         var->name.text);
    diag_label(e->diags, d, var->name.span, "declared here");
    diag_help(e->diags, d, "give it a value for each name behind its `|`");
    return value_error(e);
  }
  Value *part = tensor_slice(e, context, 0, *at, *at + n, 1, span);
  *at += n;
  return tensor_reshape(e, part, shape, span);
}

static bool bind_context(Elab *e, Scope *scope, const AstDecl *decl, Value *context, Span span) {
  const AstVars *given = &decl->u.bijection.given;
  int64_t at = 0, none = 0;
  if (context == NULL) context = given->len > 1 ? tensor_fill(e, span, extents_of(1, &none), 0) : value_list(e, span);
  for (size_t i = 0; i < given->len; i++) {
    const AstVar *var = &given->at[i];
    Value *part = given->len > 1 ? part_of_context(e, scope, decl, i, context, &at, span) : context;
    part = elab_coerce_input(e, scope, var->type, part, span, decl->name.text);
    if (value_is_error(part)) return false;
    scope_bind(e, scope, var->name.text, var->name.span, part);
  }
  return true;
}

static bool bind_sides(Elab *e, Scope *scope, const AstDecl *decl, bool inverse, Value *x, Span span) {
  const AstVar *in = inverse ? &decl->u.bijection.to : &decl->u.bijection.from;
  const AstVar *out = inverse ? &decl->u.bijection.from : &decl->u.bijection.to;
  Value *promised = value_copy(e, x);
  promised->u.tensor.ir = IR_NONE;
  promised->span = out->name.span;
  x = elab_coerce_input(e, scope, in->type, x, span, decl->name.text);
  if (value_is_error(x)) return false;
  promised = elab_coerce_input(e, scope, out->type, promised, span, decl->name.text);
  if (value_is_error(promised)) return false;
  scope_bind(e, scope, in->name.text, in->name.span, x);
  scope_bind(e, scope, out->name.text, out->name.span, promised);
  return true;
}

static Value *named_side(Elab *e, Scope *scope, const char *name, const AstStmt *direction) {
  Binding *b = scope_own(scope, name);
  if (b != NULL) return b->value;
  Diag *d = elab_error(e, DIAG_ONE_SIDE, direction->span, "`%s` never gives `%s`", direction->u.direction.inverse ? "inverse" : "forward", name);
  diag_help(e->diags, d, "each direction gives its value and `log_det`, the logarithm of its own Jacobian's determinant");
  return value_error(e);
}

static Value *sum_of_log_det(Elab *e, const Lift *l, Value *v, Span span) {
  if (value_is_error(v)) return v;
  if (value_is_number(v)) return value_real(e, span, value_number(v) * (l->on ? (double)extents_elements(&l->shape) : 1));
  v = elab_real(e, v, span);
  if (value_is_error(v)) return v;
  v = elab_cast(e, v, IR_F64);
  if (l->on && !value_is_error(v)) v = unlift(e, l, v, span);
  if (value_is_error(v)) return v;
  if (!l->on && v->u.tensor.type.shape.rank > 0 && extents_elements(&v->u.tensor.type.shape) != 1) {
    Diag *d = elab_error(e, DIAG_ONE_SIDE, v->span, "`log_det` is one number, this is %s", value_text(e->arena, v));
    diag_help(e->diags, d, "`sum(…)` adds the components up");
    return value_error(e);
  }
  return tensor_sum_axes(e, IR_SUM, v, (1u << v->u.tensor.type.shape.rank) - 1, false, span);
}

static Value *run_direction(Elab *e, const Bijection *b, bool inverse, Value *x, Value *context, Value **log_det, Span span) {
  const AstDecl *decl = b->decl;
  const AstStmt *direction = direction_of(decl, inverse);
  if (direction == NULL) return missing_direction(e, decl, inverse, span);
  Lift l = lift_over(e, decl, x);
  Scope *settings = l.on ? lifted_settings(e, b, &l) : b->settings;
  if (settings == NULL) return value_error(e);
  Scope *scope = scope_new(e, settings);
  Value *inside = l.on ? hide_axes(e, &l, x, l.axes) : x;
  if (value_is_error(inside)) return inside;
  if (l.on) inside->u.tensor.lifted_circular = circular_any(&x->u.tensor.type) ? l.circular : NULL;
  if (!bind_context(e, scope, decl, context, span) || !bind_sides(e, scope, decl, inverse, inside, span)) return value_error(e);
  int errors = e->diags->errors;
  for (size_t i = 0; i < decl->u.bijection.body.len; i++)
    if (decl->u.bijection.body.at[i]->kind != ST_DIRECTION && !elab_goes_on(e, scope, decl->u.bijection.body.at[i])) return value_error(e);
  Scope *inner = scope_new(e, scope);
  elab_statements(e, inner, &direction->u.direction.body);
  if (e->diags->errors > errors) return value_error(e);
  const char *name = inverse ? decl->u.bijection.from.name.text : decl->u.bijection.to.name.text;
  Value *y = named_side(e, inner, name, direction), *det = named_side(e, inner, "log_det", direction);
  if (value_is_error(y) || value_is_error(det)) return value_error(e);
  *log_det = sum_of_log_det(e, &l, det, span);
  if (value_is_error(*log_det)) return *log_det;
  if (!l.on) {
    y = elab_coerce_output(e, inner, inverse ? decl->u.bijection.from.type : decl->u.bijection.to.type, y, y->span, decl->name.text);
    if (y->kind != VALUE_TENSOR || !of_one_number(&decl->u.bijection.from)) return y;
    y = value_copy(e, y); // a map of one number makes an angle of an angle
    y->u.tensor.type.circular = x->u.tensor.type.circular;
    return y;
  }
  y = unlift(e, &l, y, span);
  if (!value_is_error(y)) y->u.tensor.type.circular = l.circular;
  return y;
}

Value *bijection_apply(Elab *e, const Value *v, bool inverse, Value *x, Value *context, Value **log_det, Span span) {
  const Bijection *b = &v->u.bijection;
  x = elab_real(e, x->kind == VALUE_RECORD ? elab_flatten(e, x, span) : x, span);
  if (value_is_error(x) || tensor_ir(e, x) == IR_NONE) return value_error(e);
  if (value_is_set(x)) return set_refused(e, x, span, "a bijection");
  if (e->uses.len > 200) return elab_not_built(e, span, "a bijection so deep inside others", "make a flow of the steps, one behind the other");
  const char *outer = e->in_bijection;
  e->in_bijection = b->decl->name.text;
  place_enter(e, b->path, e->place->owner);
  VEC_PUSH(e->arena, &e->uses, (ElabUse){span, b->decl->name.text});
  Value *y = run_direction(e, b, inverse != b->inverted, x, context, log_det, span);
  e->uses.len--;
  place_leave(e);
  e->in_bijection = outer;
  if (y->kind != VALUE_TENSOR) return y;
  trial_note(e, b, x, context, span);
  y = value_copy(e, y);
  y->span = span;
  return y;
}
