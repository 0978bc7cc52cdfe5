// Weights: where they stand (`encoder.mlp_1.dense_2.w`) and how they begin.
//
// A path is made of the owner's name, of layer names with ordinals that restart with every elaboration of the owner, and
// of the name after `learn`. So every program that elaborates the same net finds the same weights.
#include <math.h>
#include <string.h>

#include "lang/elab_core.h"
#include "runtime/philox.h"

Place *place_enter(Elab *e, const char *path, const char *owner) {
  Place *p = ARENA_NEW(e->arena, Place);
  p->outer = e->place;
  p->path = path;
  p->owner = owner;
  e->place = p;
  return p;
}

void place_leave(Elab *e) { e->place = e->place->outer; }

const char *place_child(Elab *e, const char *name) {
  const char *path = e->place->path;
  return arena_printf(e->arena, "%s%s%s", path, path[0] ? "." : "", name);
}

const char *place_next(Elab *e, const char *name) {
  size_t n = (size_t)map_get(&e->place->ordinals, name) + 1;
  map_put(e->arena, &e->place->ordinals, name, (void *)n);
  return place_child(e, arena_printf(e->arena, "%s_%zu", name, n));
}

// ---- values fixed when the program is checked

// What a trained run has drawn stays as it was: its seed, and the path that it knows. The longest prefix is that of the innermost run.
static uint64_t key_of(const Elab *e, const char *path) {
  uint64_t seed = e->model->seed;
  size_t longest = 0;
  for (size_t i = 0; i < e->model->trained.len; i++) {
    const ModelTrained *t = e->model->trained.at[i];
    size_t n = strlen(t->prefix) + 1;
    if (n > longest && strncmp(path, t->prefix, n - 1) == 0 && path[n - 1] == '.') seed = t->seed, longest = n;
  }
  return philox_key(seed, path + longest);
}

static Value *fixed_permutation(Elab *e, const Value *count, const char *path, Span span) {
  int64_t n;
  if (!elab_setting_int(e, (Value *)count, span, "the length of a permutation", &n)) return value_error(e);
  Value *list = static_range(e, span, 0, n);
  if (value_is_error(list)) return list;
  uint64_t key = key_of(e, path);
  for (int64_t i = n - 1; i > 0; i--) {
    uint64_t word = philox_bits(key, 0, 0, (uint64_t)i);
    int64_t k = (int64_t)((word * (uint64_t)(i + 1)) >> 32);
    Value *swap = list->u.list.at[i];
    list->u.list.at[i] = list->u.list.at[k];
    list->u.list.at[k] = swap;
  }
  return list;
}

static double dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

// Orthonormal rows by Gram-Schmidt, each row twice; `rows` is at most `cols`.
static void orthonormal_rows(double *m, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; r++) {
    double *row = m + r * cols;
    for (int pass = 0; pass < 2; pass++) {
      for (int64_t k = 0; k < r; k++) {
        double along = dot(row, m + k * cols, cols);
        for (int64_t i = 0; i < cols; i++) row[i] -= along * m[k * cols + i];
      }
    }
    double size = sqrt(dot(row, row, cols));
    for (int64_t i = 0; i < cols; i++) row[i] /= size;
  }
}

static double *random_rotation(Elab *e, const char *path, Extents shape, double gain) {
  int64_t n = shape.axes[0], m = shape.axes[1], rows = n < m ? n : m, cols = n < m ? m : n;
  double *square = ARENA_ARRAY(e->arena, double, rows *cols), *out = ARENA_ARRAY(e->arena, double, rows *cols);
  uint64_t key = key_of(e, path);
  for (int64_t i = 0; i < rows * cols; i++) square[i] = philox_normal(key, 0, 0, (uint64_t)i);
  orthonormal_rows(square, rows, cols);
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < m; k++) out[i * m + k] = gain * (n < m ? square[i * cols + k] : square[k * cols + i]);
  return out;
}

static Value *orthogonal_start(Elab *e, const Value *d, Extents shape, const char *path, Span span) {
  double gain;
  if (!elab_setting_number(e, d->u.distribution.a, span, "the gain of an orthogonal beginning", &gain)) return value_error(e);
  if (shape.rank != 2) {
    Diag *diag = elab_error(e, DIAG_DISTRIBUTION, span, "an orthogonal beginning is a matrix, this is %s", extents_text(e->arena, "real", &shape));
    diag_help(e->diags, diag, "weights of two axes begin orthogonal: `learn w: real[n, m] ~ orthogonal(1)`");
    return value_error(e);
  }
  return tensor_const(e, span, ELEMENT_REAL, shape, random_rotation(e, path, shape, gain));
}

// ---- beginnings

static Value *start_of(Elab *e, Scope *scope, const AstStmt *s, Extents shape, const char *path) {
  Value *v = elab_expr(e, scope, s->u.learn.value);
  if (value_is_error(v)) return v;
  if (!s->u.learn.draw) return elab_real(e, v, s->u.learn.value->span);
  v = elab_as_distribution(e, v);
  if (v->kind != VALUE_DISTRIBUTION) {
    Diag *d = elab_error(e, DIAG_DRAW_WHAT, s->u.learn.value->span, "%s is nothing to draw from", value_text(e->arena, v));
    diag_help(e->diags, d, "weights begin as a distribution, `~ normal(0, 0.02)`, or as a number, `= 0`");
    return value_error(e);
  }
  if (v->u.distribution.kind == DISTRIBUTION_ORTHOGONAL) return orthogonal_start(e, v, shape, path, s->span);
  return distribution_draw(e, v, &shape, path, s->span);
}

static IrFn *init_program(Elab *e, Scope *scope, const AstStmt *s, Extents shape, const char *path) {
  Scene *scene = scene_open(e, SCENE_INIT, path, "");
  Value *v = start_of(e, scope, s, shape, path);
  IrFn *fn = NULL;
  if (!value_is_error(v)) {
    Extents joined;
    if (!extents_join(&v->u.tensor.type.shape, &shape, &joined) || !extents_equal(&joined, &shape)) {
      Value *weight = value_tensor(e, s->u.learn.name.span, tensor_type_real(shape), IR_NONE, (Belongs){0});
      Diag *d = elab_shape_error(e, s->span, weight, v, NULL);
      diag_help(e->diags, d, "weights begin as one number for all, or with one of each");
    } else if (tensor_ir(e, v) != IR_NONE) {
      Layout l = {.shape = shape};
      ir_output(scene->fn, "value", ir_cast(scene->fn, tensor_spread(e, v, &l), e->model->real));
      fn = scene->fn;
    }
  }
  scene_close(e);
  return fn;
}

static bool register_weight(Elab *e, Scope *scope, const AstStmt *s, Extents shape, const char *path) {
  IrType type = ir_type(e->model->real, shape.rank, shape.axes);
  size_t known = (size_t)map_get(&e->weights, path);
  if (known > 0) {
    const ModelWeight *w = &e->model->weights.at[known - 1];
    if (ir_type_equal(&w->type, &type)) return true;
    Extents before = extents_of(w->type.rank, w->type.axes);
    Diag *d = elab_error(e, DIAG_SHAPE, s->u.learn.name.span, "`%s` is %s here and %s at another use", path, extents_text(e->arena, "real", &shape),
                         extents_text(e->arena, "real", &before));
    diag_label(e->diags, d, w->span, "made here");
    diag_help(e->diags, d, "a net has one set of weights: all its uses have inputs of one shape");
    return false;
  }
  IrFn *init = init_program(e, scope, s, shape, path);
  if (init == NULL) return false;
  ModelWeight w = {.name = path, .owner = e->place->owner, .type = type, .init = init, .fixed = s->u.learn.fixed, .span = s->u.learn.name.span};
  VEC_PUSH(e->arena, &e->model->weights, w);
  map_put(e->arena, &e->weights, path, (void *)e->model->weights.len);
  return true;
}

static Value *learn_list(Elab *e, Scope *scope, const AstStmt *s) {
  Value *v = elab_expr(e, scope, s->u.learn.value);
  const char *path = place_child(e, s->u.learn.name.text);
  if (value_is_error(v)) return v;
  if (!s->u.learn.draw && s->u.learn.fixed) return v;
  v = elab_as_distribution(e, v);
  if (s->u.learn.fixed && v->kind == VALUE_DISTRIBUTION && v->u.distribution.kind == DISTRIBUTION_PERMUTATION)
    return fixed_permutation(e, v->u.distribution.a, path, s->span);
  Diag *d = elab_error(e, DIAG_TYPE, s->span, "a list of whole numbers is fixed, not learned");
  diag_help(e->diags, d, "`fixed p: [int] ~ permutation(n)` draws an order once");
  return value_error(e);
}

Value *elab_learn(Elab *e, Scope *scope, const AstStmt *s) {
  const AstType *type = s->u.learn.type;
  if (type->kind == TY_LIST) return learn_list(e, scope, s);
  Type t;
  if (!elab_type(e, scope, type, &t)) return value_error(e);
  if (t.kind != TYPE_TENSOR || t.tensor.element != ELEMENT_REAL) {
    Diag *d = elab_error(e, DIAG_TYPE, type->span, "weights are real numbers");
    diag_help(e->diags, d, "`learn %s: real[n, m] ~ normal(0, 0.02)`", s->u.learn.name.text);
    return value_error(e);
  }
  Extents shape = t.tensor.shape;
  if (extents_elements(&shape) == 0) return tensor_fill(e, s->span, shape, 0);
  if (e->place->owner == NULL) {
    Diag *d = elab_error(e, DIAG_WEIGHTS_PLACE, s->span, "the weights `%s` stand outside of any net", s->u.learn.name.text);
    diag_help(e->diags, d, "put the layer into `net name(x: …) -> … = …` and use the net here");
    return value_error(e);
  }
  if (alike_own_weights(e, s->span)) return value_error(e);
  const char *path = place_child(e, s->u.learn.name.text);
  if (!register_weight(e, scope, s, shape, path)) return value_error(e);
  TensorType made = tensor_type_real(shape);
  return elab_leaf(e, s->span, IR_PARAM, path, e->model->real, made, (Belongs){0});
}
