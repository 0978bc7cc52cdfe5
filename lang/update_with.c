// `with`: the optimizer, its rate and settings, and what surrounds it.
#include <math.h>
#include <string.h>

#include "lang/update.h"

static bool tuple_numbers(Elab *e, const Value *v, Span span, const char *what, double *out, int n) {
  if (n == 1) return elab_setting_number(e, (Value *)v, span, what, out);
  size_t len = v->kind == VALUE_LIST ? v->u.list.len : v->kind == VALUE_RECORD ? v->u.record.fields.len : 0;
  for (int i = 0; i < n && len == (size_t)n; i++) {
    Value *part = v->kind == VALUE_LIST ? v->u.list.at[i] : v->u.record.fields.at[i].value;
    if (!elab_setting_number(e, part, span, what, &out[i])) return false;
  }
  if (len == (size_t)n) return true;
  Diag *d = elab_error(e, DIAG_OPTIMIZER, span, "%s takes %d numbers, found %s", what, n, value_text(e->arena, v));
  diag_help(e->diags, d, "several stand in round brackets: `adam(1e-3, betas = (0.5, 0.999))`");
  return false;
}

// `plateau(rate, factor = 0.5, patience = 10)`: the rate times factor for each time that so many epochs and one more passed without a gain.
typedef struct Plateau {
  const AstExpr *rate;
  double factor;
  int64_t patience;
} Plateau;

static bool plateau_read(Elab *e, Scope *scope, const AstExpr *x, Plateau *p) {
  static const char *const names[] = {"rate", "factor", "patience"};
  *p = (Plateau){NULL, 0.5, 10};
  for (size_t i = 0; i < x->u.call.args.len; i++) {
    const AstArg *arg = &x->u.call.args.at[i];
    size_t place = i;
    for (size_t k = 0; arg->name.text != NULL && k < 3; k++)
      if (strcmp(arg->name.text, names[place = k]) == 0) break;
    bool known = place < 3 && (arg->name.text == NULL || strcmp(arg->name.text, names[place]) == 0);
    if (known && place == 0) p->rate = arg->value;
    Value *v = known && place > 0 ? elab_expr(e, scope, arg->value) : NULL;
    bool good = known && (place == 0 || (place == 1 ? elab_setting_number(e, v, arg->value->span, "`factor` of `plateau`", &p->factor)
                                                    : elab_setting_int(e, v, arg->value->span, "`patience` of `plateau`", &p->patience)));
    if (!known)
      diag_help(e->diags, elab_error(e, DIAG_OPTIMIZER, arg->value->span, "`plateau` has no such setting"), "`plateau(1e-3, factor = 0.5, patience = 30)`");
    if (!good) return false;
  }
  if (p->rate != NULL && p->factor > 0 && p->factor < 1 && p->patience >= 0) return true;
  Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "`plateau` takes a rate, a factor between 0 and 1 and a patience of 0 epochs or more");
  diag_help(e->diags, d, "`plateau(1e-3, factor = 0.5, patience = 30)`");
  return false;
}

static IrRef falls(Blocks *b, const Plateau *p) {
  Elab *e = b->e;
  const char *name = arena_printf(e->arena, "plateau.%lld", (long long)p->patience);
  IrType two = {.dtype = IR_F64, .rank = 1, .axes = {2}};
  bool known = false;
  for (size_t i = 0; i < b->phase->plateaus.len; i++) known = known || strcmp(b->phase->plateaus.at[i].state, name) == 0;
  if (!known) {
    ModelState state = {.name = name, .type = two};
    VEC_PUSH(e->arena, &b->phase->states, state);
    VEC_PUSH(e->arena, &b->phase->plateaus, ((ModelPlateau){name, p->patience}));
  }
  IrFn *fn = e->scene->fn;
  return ir_reshape(fn, ir_slice(fn, ir_leaf(fn, IR_STATE, name, two), 0, 0, 1, 1), 0, NULL);
}

static bool read_rate(Blocks *b, Scope *scope, const AstExpr *x, With *with) {
  Elab *e = b->e;
  if (x->kind == EX_CALL && x->u.call.callee->kind == EX_NAME && strcmp(x->u.call.callee->u.name, "plateau") == 0) {
    Plateau p;
    if (!plateau_read(e, scope, x, &p) || !read_rate(b, scope, p.rate, with)) return false;
    IrFn *fn = e->scene->fn;
    with->rate = ir_binary(fn, IR_MUL, with->rate, ir_binary(fn, IR_POW, ir_number(fn, IR_F64, p.factor), falls(b, &p)));
    return true;
  }
  Value *v = elab_expr(e, scope, x);
  if (value_is_number(v) && !(value_number(v) >= 0 && value_number(v) < INFINITY)) {
    Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "a rate of %g", value_number(v));
    diag_help(e->diags, d, "a step goes down its loss by a positive rate; `maximize` goes up");
    return false;
  }
  if (value_is_number(v) && value_number(v) == 0) with->still = x;
  if (value_is_number(v)) v = elab_cast(e, v, IR_F64); // not by way of float32
  if (!value_is_error(v)) v = elab_real(e, v, x->span);
  if (value_is_error(v) || v->kind != VALUE_TENSOR) return false;
  IrFn *fn = e->scene->fn;
  if (ir_type_of(fn, v->u.tensor.ir)->rank != 0) {
    Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "a rate is one number a step, found %s", value_text(e->arena, v));
    diag_help(e->diags, d, "rates are formulas of `step`, `epoch` and `progress`");
    return false;
  }
  with->rate = ir_cast(fn, v->u.tensor.ir, IR_F64);
  return true;
}

// eps is not negative; betas, momentum and decays are shares of what was there before.
static bool setting_fits(Elab *e, const OptimizerSetting *s, const AstExpr *x) {
  bool share = strcmp(s->name, "eps") != 0 && strcmp(s->name, "nesterov") != 0;
  for (int i = 0; i < s->numbers; i++) {
    double v = s->value[i];
    if (v >= 0 && (share ? v < 1 : v < INFINITY)) continue;
    Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` of %g", s->name, v);
    diag_help(e->diags, d, share ? "from 0 up to 1, and not 1 itself" : "0 or a positive number");
    return false;
  }
  return true;
}

static bool read_optimizer(Blocks *b, Scope *scope, const AstExpr *x, With *with) {
  Elab *e = b->e;
  const char *name = with->optimizer.info->name;
  size_t args = x->kind == EX_CALL ? x->u.call.args.len : 0;
  int place = 0;
  bool good = true, rated = false;
  with->written = x;
  for (size_t i = 0; i < args && good; i++) {
    const AstArg *arg = &x->u.call.args.at[i];
    if ((arg->name.text == NULL && place++ == 0) || (arg->name.text != NULL && strcmp(arg->name.text, "rate") == 0)) {
      good = read_rate(b, scope, arg->value, with);
      rated = true;
      continue;
    }
    OptimizerSetting *s = arg->name.text == NULL ? (place - 2 < with->optimizer.settings ? &with->optimizer.setting[place - 2] : NULL)
                                                 : optimizer_setting(&with->optimizer, arg->name.text);
    if (s == NULL) {
      Diag *d = arg->name.text == NULL ? elab_error(e, DIAG_OPTIMIZER, arg->value->span, "`%s` has no more settings", name)
                                       : elab_error(e, DIAG_OPTIMIZER, arg->name.span, "`%s` has no setting `%s`", name, arg->name.text);
      diag_help(e->diags, d, "it has the rate%s%s", with->optimizer.settings > 0 ? ", then " : "", with->optimizer.info->settings);
      return false;
    }
    Value *v = elab_expr(e, scope, arg->value);
    good = !value_is_error(v) && tuple_numbers(e, v, arg->value->span, s->name, s->value, s->numbers) && setting_fits(e, s, arg->value);
  }
  if (good && !rated) {
    Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` needs a rate", name);
    diag_help(e->diags, d, "`%s(1e-3)`", name);
  }
  return good && rated;
}

static const struct {
  const char *name;
  size_t value; // a double of With
} modifiers[] = {
    {"clip", offsetof(With, clip)}, {"decay", offsetof(With, decay)}, {"clip_weights", offsetof(With, clip_weights)}, {"ema", offsetof(With, ema)}};
enum { MODIFIERS = sizeof modifiers / sizeof *modifiers };

static double *modifier_of(With *with, const char *name) {
  for (int i = 0; i < MODIFIERS; i++)
    if (strcmp(modifiers[i].name, name) == 0) return (double *)((char *)with + modifiers[i].value);
  return NULL;
}

static const char *modifier_nearest(const char *name) {
  const char *names[MODIFIERS];
  for (int i = 0; i < MODIFIERS; i++) names[i] = modifiers[i].name;
  return diag_nearest(name, names, MODIFIERS);
}

static bool read_modifier(Elab *e, Scope *scope, const AstExpr *x, const char *name, With *with) {
  double *out = modifier_of(with, name);
  if (out == NULL) {
    Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` is no optimizer", name);
    const char *near = optimizer_nearest(name);
    if (near == NULL) near = modifier_nearest(name);
    if (near != NULL) diag_help(e->diags, d, "did you mean `%s`?", near);
    else
      diag_help(e->diags, d,
                "optimizers are sgd, adam, adamw, adamax and rmsprop; `clip(norm)`, `clip_weights(bound)`, `decay(w)` and `ema(keep)` go with them");
    return false;
  }
  if (x->kind != EX_CALL || x->u.call.args.len != 1) {
    diag_help(e->diags, elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` takes one number", name), "`%s(…)` with one number in it", name);
    return false;
  }
  Value *v = elab_expr(e, scope, x->u.call.args.at[0].value);
  if (value_is_error(v) || !elab_setting_number(e, v, x->span, name, out)) return false;
  bool share = out == &with->ema; // of the old value in the new
  if (*out > 0 && !(share && *out >= 1)) return true;
  Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` takes a %s, found %g", name, share ? "number between 0 and 1" : "positive number", *out);
  diag_help(e->diags, d, share ? "`ema(0.999)` keeps that much of the average in each step" : "leave it out where nothing is to be bounded");
  return false;
}

bool with_read(Blocks *b, Scope *scope, const AstUpdate *u, With *with) {
  Elab *e = b->e;
  bool good = true, found = false;
  for (size_t i = 0; i < u->items.len; i++) {
    if (u->items.at[i]->kind != UI_WITH) continue;
    for (size_t k = 0; k < u->items.at[i]->with.len; k++) {
      const AstExpr *x = u->items.at[i]->with.at[k], *named = x->kind == EX_CALL ? x->u.call.callee : x;
      if (named->kind != EX_NAME) {
        diag_help(e->diags, elab_error(e, DIAG_OPTIMIZER, x->span, "`with` takes optimizers by name"), "`with adam(1e-3), clip(5)`");
        good = false;
        continue;
      }
      Optimizer optimizer;
      if (!optimizer_find(e->arena, named->u.name, &optimizer)) {
        good = read_modifier(e, scope, x, named->u.name, with) && good;
        continue;
      }
      if (found) {
        Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "a second optimizer in one update");
        diag_label(e->diags, d, with->written->span, "the first");
        diag_help(e->diags, d, "keep one of them");
        good = false;
        continue;
      }
      found = true;
      with->optimizer = optimizer;
      good = read_optimizer(b, scope, x, with) && good;
    }
  }
  if (!found && good) {
    Diag *d = elab_error(e, DIAG_NO_OPTIMIZER, u->span, "this update has no `with`");
    diag_help(e->diags, d, "add `with adam(1e-3)`");
    return false;
  }
  return good && found;
}
