// Products of three arrays in the cheapest order.
//
//   t = einsum "eb,bc->ec" x, l : f32[e,32]          w = einsum "bc,cd->bd" l, u : f32[32,32]
//   y = einsum "ec,cd->ed" t, u : f32[e,32]    ->    y = einsum "eb,bd->ed" x, w : f32[e,32]
//
// A product t that only other products read is dissolved when all its readers together are cheaper without it: each reader
// r = (a b) c becomes a (b c) or (a c) b. Costs are multiplications for a batch of EVENTS; products of weights alone run
// on one thread and count more.
#include "compiler/opt/opt.h"

#include <string.h>

#include "compiler/opt/rewrite.h"

OptPass opt_associate;

enum { MOST_USERS = 4, MOST_ROUNDS = 3, LETTERS = 128 };
static const double EVENTS = 1024, ALONE = 8;
// A change must be worth it: the new cost below this part of the old.
static const double WORTH = 0.9;

// Three arrays a, b, c to the result (3): letters of each, extents of letters.
typedef struct Triple {
  char letters[4][IR_MAX_RANK + 1];
  IrRef value[3];
  int64_t extent[LETTERS];
} Triple;

// How a reader is built without t: first and second are multiplied, then third.
typedef struct Plan {
  int first, second, third;
  double cost;
} Plan;

static bool has(const char *letters, char c) { return strchr(letters, c) != NULL; }

static void add_letters(char *to, const char *from, const char *besides) {
  for (; *from; from++) {
    size_t n = strlen(to);
    if (!has(to, *from) && (!besides || has(besides, *from)) && n < 4 * IR_MAX_RANK) to[n] = *from, to[n + 1] = 0;
  }
}

// Multiplications of a product over these letters.
static double cost_of(const int64_t *extent, const char *letters) {
  double n = 1;
  bool events = false;
  for (; *letters; letters++) {
    int64_t x = extent[(unsigned char)*letters];
    n *= x < 0 ? EVENTS : (double)x;
    events |= x < 0;
  }
  return events ? n : n * ALONE;
}

static double cost_of_einsum(const IrFn *fn, const IrValue *v) {
  IrEinsum e;
  if (!ir_einsum_parse(v->attr.name, &e)) return 0;
  int64_t extent[LETTERS] = {0};
  char all[4 * IR_MAX_RANK + 1] = {0};
  for (int k = 0; k < 2; k++) {
    for (int i = 0; i < e.rank[k]; i++) extent[(unsigned char)e.letters[k][i]] = ir_type_of(fn, v->operands[k])->axes[i];
    add_letters(all, e.letters[k], NULL);
  }
  return cost_of(extent, all);
}

static char fresh_letter(const char *used) {
  for (char c = 'a'; c <= 'z'; c++) {
    if (!has(used, c)) return c;
  }
  return 0;
}

// The reader as a product of three: letters of t named as the reader names them, those summed in t anew.
static bool unfold(const IrFn *fn, IrRef t, const IrValue *reader, Triple *triple) {
  IrEinsum inner, outer;
  const IrValue *product = ir_at(fn, t);
  if (!ir_einsum_parse(product->attr.name, &inner) || !ir_einsum_parse(reader->attr.name, &outer)) return false;
  int k = reader->operands[0] == t ? 0 : 1;
  char used[4 * IR_MAX_RANK + 1] = {0}, name[LETTERS] = {0};
  *triple = (Triple){.value = {product->operands[0], product->operands[1], reader->operands[1 - k]}};
  for (int j = 0; j < 3; j++) add_letters(used, outer.letters[j], NULL);
  for (int i = 0; i < inner.rank[2]; i++) name[(unsigned char)inner.letters[2][i]] = outer.letters[k][i];
  for (int j = 0; j < 2; j++) {
    for (int i = 0; i < inner.rank[j]; i++) {
      unsigned char c = (unsigned char)inner.letters[j][i];
      if (!name[c]) {
        name[c] = fresh_letter(used);
        if (!name[c]) return false;
        add_letters(used, (char[]){name[c], 0}, NULL);
      }
      triple->letters[j][i] = name[c];
    }
  }
  memcpy(triple->letters[2], outer.letters[1 - k], sizeof outer.letters[0]);
  memcpy(triple->letters[3], outer.letters[2], sizeof outer.letters[0]);
  for (int j = 0; j < 3; j++) {
    const IrType *type = ir_type_of(fn, triple->value[j]);
    for (int i = 0; i < type->rank; i++) triple->extent[(unsigned char)triple->letters[j][i]] = type->axes[i];
  }
  return true;
}

// Letters of (first second), event letters in front; false where there are too many.
static bool intermediate(const Triple *t, const Plan *plan, char *letters) {
  char outside[4 * IR_MAX_RANK + 1] = {0}, inside[4 * IR_MAX_RANK + 1] = {0}, ordered[4 * IR_MAX_RANK + 1] = {0};
  add_letters(outside, t->letters[plan->third], NULL);
  add_letters(outside, t->letters[3], NULL);
  add_letters(inside, t->letters[plan->first], outside);
  add_letters(inside, t->letters[plan->second], outside);
  int events = 0, n = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (const char *c = inside; *c; c++) {
      bool event = t->extent[(unsigned char)*c] < 0;
      if (event == (pass == 0)) ordered[n++] = *c;
      events += event && pass == 0;
    }
  }
  if (n > IR_MAX_RANK || events > 2) return false;
  memcpy(letters, ordered, (size_t)n + 1);
  return true;
}

static bool price(const Triple *t, Plan *plan) {
  char middle[IR_MAX_RANK + 1], first[4 * IR_MAX_RANK + 1] = {0}, second[4 * IR_MAX_RANK + 1] = {0};
  if (!intermediate(t, plan, middle)) return false;
  add_letters(first, t->letters[plan->first], NULL);
  add_letters(first, t->letters[plan->second], NULL);
  add_letters(second, middle, NULL);
  add_letters(second, t->letters[plan->third], NULL);
  plan->cost = cost_of(t->extent, first) + cost_of(t->extent, second);
  return true;
}

static bool best_plan(const Triple *t, Plan *best) {
  Plan plans[2] = {{.first = 1, .second = 2, .third = 0}, {.first = 0, .second = 2, .third = 1}};
  bool found = false;
  for (int i = 0; i < 2; i++) {
    if (t->value[plans[i].first] > t->value[plans[i].second]) { // one order for all readers: cse finds equal products
      plans[i].second = plans[i].first;
      plans[i].first = 2;
    }
    if (!price(t, &plans[i]) || (found && plans[i].cost >= best->cost)) continue;
    *best = plans[i];
    found = true;
  }
  return found;
}

// ---- which products are dissolved

typedef struct Products {
  uint32_t *n_readers; // products that read value i
  IrRef (*readers)[MOST_USERS];
  IrRef *dissolved; // by reader: the product that is dissolved in it, or IR_NONE
  bool *fixed;      // takes part in a change already
} Products;

static void note_readers(const Rewrite *rw, Products *p) {
  for (IrRef i = 0; i < rw->from->values.len; i++) {
    const IrValue *v = ir_at(rw->from, i);
    p->dissolved[i] = IR_NONE;
    if (v->op != IR_EINSUM || v->operands[0] == v->operands[1]) continue;
    for (int k = 0; k < 2; k++) {
      uint32_t *n = &p->n_readers[v->operands[k]];
      if (*n < MOST_USERS) p->readers[v->operands[k]][*n] = i;
      ++*n;
    }
  }
}

static bool is_worth(const Rewrite *rw, const Products *p, IrRef t) {
  const IrFn *fn = rw->from;
  uint32_t n = p->n_readers[t];
  if (ir_at(fn, t)->op != IR_EINSUM || p->fixed[t] || n == 0 || n > MOST_USERS || n != rw->uses[t]) return false;
  double before = cost_of_einsum(fn, ir_at(fn, t)), after = 0;
  for (uint32_t k = 0; k < n; k++) {
    Triple triple;
    Plan plan;
    IrRef reader = p->readers[t][k];
    if (p->fixed[reader] || !unfold(fn, t, ir_at(fn, reader), &triple) || !best_plan(&triple, &plan)) return false;
    before += cost_of_einsum(fn, ir_at(fn, reader));
    after += plan.cost;
  }
  return after < WORTH * before;
}

static bool choose(const Rewrite *rw, Products *p) {
  bool any = false;
  for (IrRef t = 0; t < rw->from->values.len; t++) {
    if (!is_worth(rw, p, t)) continue;
    any = p->fixed[t] = true;
    for (uint32_t k = 0; k < p->n_readers[t]; k++) {
      p->fixed[p->readers[t][k]] = true;
      p->dissolved[p->readers[t][k]] = t;
    }
  }
  return any;
}

static IrRef multiply(Rewrite *rw, const char *a, const char *b, const char *result, IrRef x, IrRef y) {
  IrAttr attr = {.name = arena_printf(rw->arena, "%s,%s->%s", a, b, result)};
  return opt_make(rw, IR_EINSUM, (IrRef[]){x, y}, 2, &attr, NULL);
}

static IrRef build(Rewrite *rw, IrRef reader, IrRef t) {
  Triple triple;
  Plan plan;
  char middle[IR_MAX_RANK + 1];
  bool sound = unfold(rw->from, t, ir_at(rw->from, reader), &triple) && best_plan(&triple, &plan);
  if (!sound || !intermediate(&triple, &plan, middle)) ir_fail("associate: value %u", reader);
  IrRef first = rw->map[triple.value[plan.first]], second = rw->map[triple.value[plan.second]];
  IrRef product = multiply(rw, triple.letters[plan.first], triple.letters[plan.second], middle, first, second);
  const char *last = triple.letters[plan.third];
  if (plan.third == 0) return multiply(rw, last, middle, triple.letters[3], rw->map[triple.value[0]], product);
  return multiply(rw, middle, last, triple.letters[3], product, rw->map[triple.value[plan.third]]);
}

static IrFn *round_of(Arena *arena, const IrFn *fn, bool *changed) {
  Rewrite rw = opt_rewrite(arena, fn, NULL);
  size_t n = fn->values.len + 1;
  Products p = {ARENA_ARRAY(rw.scratch, uint32_t, n), arena_alloc(rw.scratch, n * sizeof *p.readers), ARENA_ARRAY(rw.scratch, IrRef, n),
                ARENA_ARRAY(rw.scratch, bool, n)};
  note_readers(&rw, &p);
  *changed = choose(&rw, &p);
  for (IrRef i = 0; i < fn->values.len; i++) {
    bool gone = p.fixed[i] && p.dissolved[i] == IR_NONE;
    if (gone) continue;
    if (p.dissolved[i] == IR_NONE) opt_copy(&rw, i);
    else rw.to->span = ir_at(fn, i)->span, opt_set(&rw, i, build(&rw, i, p.dissolved[i]));
  }
  return opt_rewrite_end(&rw);
}

IrFn *opt_associate(Arena *arena, const IrFn *fn) {
  bool changed = true;
  IrFn *result = NULL;
  for (int i = 0; changed && i < MOST_ROUNDS; i++) result = round_of(arena, result ? result : fn, &changed);
  return result;
}
