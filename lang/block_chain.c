// Chains of preparations: from `|> logit(1e-3) |> standardize` to steps, with the checks that need no data.
#include <math.h>
#include <string.h>

#include "lang/block.h"
#include "lang/unit.h"

// Does a preparation that wants `domain` take values of `range`?
static bool takes(PrepRange domain, PrepRange range) {
  switch (domain) {
  case PREP_ANY:
  case PREP_ANGLE:
  case PREP_INTEGER: return true;
  case PREP_POSITIVE: return range == PREP_SAME || range == PREP_POSITIVE;
  case PREP_ABOVE_MINUS_ONE: return range == PREP_SAME || range == PREP_POSITIVE || range == PREP_UNIT || range == PREP_INTEGER;
  case PREP_UNIT:
  case PREP_SIGNED: return range == PREP_SAME || range == PREP_UNIT;
  case PREP_SAME: return true;
  }
  return true;
}

static const char *domain_text(PrepRange domain) {
  switch (domain) {
  case PREP_POSITIVE: return "positive numbers";
  case PREP_ABOVE_MINUS_ONE: return "numbers above -1";
  case PREP_UNIT: return "numbers from 0 to 1";
  case PREP_SAME:
  case PREP_ANY:
  case PREP_SIGNED:
  case PREP_ANGLE:
  case PREP_INTEGER: return "any number";
  }
  return "any number";
}

static const char *range_text(PrepRange range) {
  switch (range) {
  case PREP_SIGNED: return "lies between -1 and 1 or a little more";
  case PREP_ANGLE: return "is an angle";
  case PREP_INTEGER: return "counts from 0";
  case PREP_UNIT: return "lies between 0 and 1";
  case PREP_SAME:
  case PREP_ANY:
  case PREP_POSITIVE:
  case PREP_ABOVE_MINUS_ONE: return "may be negative";
  }
  return "may be negative";
}

static bool loses(const char *name) {
  static const char *const names[] = {"abs", "floor", "round", "sign", "sin", "cos", "max", "min", "clamp", "cosh"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

static const PrepInfo *find(Elab *e, const char *name, Span span) {
  const PrepInfo *info = prep_find(name);
  if (info != NULL) return info;
  if (loses(name)) {
    Diag *d = elab_error(e, DIAG_NOT_INVERTIBLE, span, "`%s` maps several numbers to one and cannot be undone", name);
    diag_help(e->diags, d, "a chain is undone on generated events; take a step that has an inverse");
  } else {
    Diag *d = elab_error(e, DIAG_PREPARATION, span, "`%s` is no preparation", name);
    const char *near = prep_nearest(name);
    if (near != NULL) diag_help(e->diags, d, "did you mean `%s`?", near);
    else diag_help(e->diags, d, "chains are made of standardize, log, log1p, logit, arctan, wrap, sincos, one_hot and others");
  }
  return NULL;
}

static bool number_of(Elab *e, Scope *scope, const AstExpr *x, const char *what, double *out) {
  if (x->kind == EX_NAME && strcmp(x->u.name, "nan") == 0) {
    *out = NAN;
    return true;
  }
  Value *v = elab_expr(e, scope, x);
  if (value_is_error(v)) return false;
  return elab_setting_number(e, v, x->span, what, out);
}

static bool list_of(Elab *e, Scope *scope, const AstExpr *x, PrepStep *step) {
  Value *v = elab_expr(e, scope, x);
  if (value_is_error(v)) return false;
  for (size_t i = 0; v->kind == VALUE_LIST && i < v->u.list.len; i++)
    if (value_is_number(v->u.list.at[i])) VEC_PUSH(e->arena, &step->values, value_number(v->u.list.at[i]));
  if (v->kind == VALUE_LIST && step->values.len == v->u.list.len && step->values.len > 0) return true;
  Diag *d = elab_error(e, DIAG_TYPE, x->span, "`%s` takes a list of numbers, found %s", step->info->name, value_text(e->arena, v));
  diag_help(e->diags, d, "`%s([0, 4, 5])`", step->info->name);
  return false;
}

static bool settings(Elab *e, Scope *scope, const AstExpr *x, PrepStep *step) {
  PrepSetting known[PREP_MAX_SETTINGS];
  int n = prep_settings(e->arena, step->info, known), place = 0;
  bool given[PREP_MAX_SETTINGS] = {false}, good = true;
  size_t args = x->kind == EX_CALL ? x->u.call.args.len : 0;
  for (size_t i = 0; i < args; i++) {
    const AstArg *arg = &x->u.call.args.at[i];
    int which = arg->name.text == NULL ? place++ : -1;
    for (int k = 0; which < 0 && k < n; k++)
      if (strcmp(known[k].name, arg->name.text) == 0) which = k;
    if (which < 0 || which >= n) {
      const char *text = n == 0 ? "no settings" : arena_printf(e->arena, "the settings %s", step->info->settings);
      elab_error(e, DIAG_ARGUMENTS, arg->value->span, "`%s` takes %s", step->info->name, text);
      return false;
    }
    given[which] = true;
    good = (known[which].list ? list_of(e, scope, arg->value, step) : number_of(e, scope, arg->value, step->info->name, &step->setting[which])) && good;
  }
  for (int k = 0; k < n; k++) {
    if (given[k] || (!known[k].required && !known[k].list)) continue;
    Diag *d = elab_error(e, DIAG_ARGUMENTS, x->span, "`%s` needs `%s`", step->info->name, known[k].name);
    diag_help(e->diags, d, "for example `%s(%s)`", step->info->name, known[k].list ? "[0, 1, 2]" : "1");
    good = false;
  }
  return good;
}

static bool sensible(Elab *e, const PrepStep *s) {
  double eps = s->setting[0];
  if (s->info->kind == PREP_LOGIT && !(eps >= 0 && eps < 0.5)) {
    elab_error(e, DIAG_DOMAIN, s->span, "`logit(%g)`: eps lies from 0 to below 0.5", eps);
    return false;
  }
  if (s->info->kind == PREP_CLIP && !(s->setting[0] < s->setting[1])) {
    elab_error(e, DIAG_DOMAIN, s->span, "`clip(%g, %g)`: the lower bound comes first", s->setting[0], s->setting[1]);
    return false;
  }
  if (s->info->kind == PREP_BITS && !(eps >= 1 && eps <= BITS_MOST && eps == floor(eps))) {
    Diag *d = elab_error(e, DIAG_DOMAIN, s->span, "`bits(%g)`: a whole number of digits, from 1 to %d", eps, BITS_MOST);
    diag_help(e->diags, d, "n digits tell 2^n intervals apart");
    return false;
  }
  if (s->info->kind == PREP_QUANTILE && !(eps >= 2 && eps <= 1e5 && eps == floor(eps))) {
    Diag *d = elab_error(e, DIAG_DOMAIN, s->span, "`quantile(%g)`: a whole number of intervals, from 2 to 100000", eps);
    diag_help(e->diags, d, "1000 unless said");
    return false;
  }
  bool positive = s->info->kind == PREP_ARCTAN || s->info->kind == PREP_DEQUANTIZE;
  if ((positive && !(eps > 0)) || (s->info->kind == PREP_SCALE && !(fabs(eps) > 0))) {
    Diag *d = elab_error(e, DIAG_NOT_INVERTIBLE, s->span, "`%s(%g)` cannot be undone", s->info->name, eps);
    diag_help(e->diags, d, "give it a positive number");
    return false;
  }
  return true;
}

static void check_domain(Elab *e, const DataField *f, const PrepStep *s, PrepRange range, const char *what) {
  if (!takes(s->info->domain, range)) {
    Diag *d = elab_error(e, DIAG_DOMAIN, s->span, "`%s` of %s, which %s", s->info->name, what, range_text(range));
    diag_here(e->diags, d, "takes %s", domain_text(s->info->domain));
    diag_help(e->diags, d, s->info->domain == PREP_UNIT ? "`minmax` brings a column to 0..1" : "`arctan(k)` takes any number");
  }
  if ((s->info->kind == PREP_ONE_HOT || s->info->kind == PREP_LEVELS) && f->chain.len > 0) {
    Diag *d = elab_error(e, DIAG_DOMAIN, s->span, "`%s` looks for listed values behind `%s`, which changes them", s->info->name,
                         f->chain.at[f->chain.len - 1]->info->name);
    diag_help(e->diags, d, "put `%s` first", s->info->name);
  }
  if (s->info->kind == PREP_CLIP) {
    Diag *d = elab_error(e, DIAG_SATURATED, s->span, "`clip(%g, %g)` loses what lies outside; generated values stay inside", s->setting[0], s->setting[1]);
    diag_help(e->diags, d, "cut with `where` if events outside shall not be learnt at all");
  }
}

enum { WHITEN_MOST = 1024 };

static void push(Elab *e, DataField *f, PrepStep *step) {
  if (f->chain.len > 0) {
    step->in = f->chain.at[f->chain.len - 1]->out;
  } else {
    step->in = (IrType){.dtype = IR_F64, .rank = (uint8_t)(f->shape.rank + 1), .axes = {IR_EVENTS}};
    for (int i = 0; i < f->shape.rank; i++) step->in.axes[i + 1] = f->shape.axes[i];
  }
  step->of_set = f->set;
  prep_shape(step);
  if (step->info->kind == PREP_WHITEN && ir_elements(&step->in) > WHITEN_MOST) {
    Diag *d = elab_error(e, DIAG_PREPARATION, step->span, "`whiten` of %lld numbers; the matrix of up to %d is worth it", (long long)ir_elements(&step->in),
                         WHITEN_MOST);
    diag_help(e->diags, d, "`standardize` treats each number alone");
  }
  VEC_PUSH(e->arena, &f->chain, step);
}

// Angles in other units than rad are turned first; the chain works in rad.
static void to_rad(Elab *e, DataField *f) {
  double factor = 1;
  if (!unit_is_angle(f->unit) || !unit_convert(f->unit, "rad", &factor) || factor == 1) return;
  PrepStep *step = prep_step_new(e->arena, prep_find("scale"), arena_printf(e->arena, "%s.unit", f->name));
  step->setting[0] = factor;
  step->span = f->span;
  push(e, f, step);
}

static bool is_of_record(Elab *e, const DataField *f) { // gen.pt
  const char *outer = field_outer(blocks_of(e), f->block);
  size_t len = outer == NULL ? 0 : strlen(outer) + 1;
  return strlen(f->name) != len + strlen(f->label);
}

static bool may_split(Elab *e, const DataField *f, const PrepStep *step, bool last) {
  if (!(step->info->flags & PREP_SPLITS)) return true;
  const char *second = step->info->kind == PREP_HURDLE ? "size" : "share";
  Diag *d = NULL;
  if (!last) d = elab_error(e, DIAG_PREPARATION, step->span, "`%s` makes two parts of `%s` and ends its chain", step->info->name, f->label);
  else if (f->of != NULL || is_of_record(e, f)) d = elab_error(e, DIAG_PREPARATION, step->span, "`%s` stands in a field of the block itself", step->info->name);
  else if (step->info->kind == PREP_HURDLE && (f->shape.rank > 0 || f->vector))
    d = elab_error(e, DIAG_PREPARATION, step->span, "`hurdle` takes one number, `%s` is several", f->label);
  if (d != NULL) diag_help(e->diags, d, "the parts are prepared by fields of their own: `more = %s.%s |> log |> standardize`", f->label, second);
  return d == NULL;
}

// Steps that look at each number alone, with statistics of all elements, go with sets.
static bool of_each_element(Elab *e, const PrepStep *step) {
  PrepFit fit = step->info->fit;
  bool alone = fit == PREP_FIT_NONE || fit == PREP_FIT_MEAN_STD || fit == PREP_FIT_MAXABS || fit == PREP_FIT_MINMAX;
  if (alone && !(step->info->flags & (PREP_WIDENS | PREP_SPLITS)) && step->info->kind != PREP_FRACTIONS) return true;
  Diag *d = elab_error(e, DIAG_PREPARATION, step->span, "`%s` does not treat each number of an element alone", step->info->name);
  diag_help(e->diags, d, "a set takes `standardize`, `minmax`, `maxabs`, `log`, `log1p`, `arctan`, `scale`, `clip` and their like");
  return false;
}

void data_chain(Blocks *b, DataField *f, const AstExpr *const *steps, size_t n, PrepRange start, const char *what) {
  Elab *e = b->e;
  PrepRange range = start;
  to_rad(e, f);
  for (size_t i = 0; i < n; i++) {
    const AstExpr *x = steps[i], *named = x->kind == EX_CALL ? x->u.call.callee : x;
    if (named->kind != EX_NAME) {
      Diag *d = elab_error(e, DIAG_PREPARATION, x->span, "a preparation stands here by its name");
      diag_help(e->diags, d, "like `|> log |> standardize`");
      return;
    }
    const PrepInfo *info = find(e, named->u.name, named->span);
    if (info == NULL) return;
    PrepStep *step = prep_step_new(e->arena, info, arena_printf(e->arena, "%s.%zu", f->name, f->chain.len + 1));
    step->span = x->span;
    if (!settings(e, f->block->scope, x, step) || !sensible(e, step)) return;
    if (f->set && !of_each_element(e, step)) return;
    if (!may_split(e, f, step, i + 1 == n)) {
      f->broken = true;
      return;
    }
    check_domain(e, f, step, range, what);
    push(e, f, step);
    if (info->kind == PREP_WRAP || info->kind == PREP_SINCOS) f->angle = true;
    if (info->range != PREP_SAME) range = info->range;
    what = arena_printf(e->arena, "what `%s` gives", info->name);
  }
}
