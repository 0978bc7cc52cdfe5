// Several update blocks as one program, in which what they have in common is there once: blocks that are `simultaneous`, which all see the
// weights from before the step, and neighbours, each of which reads as values what those before it have set.
//
//   judge     { minimize f(judge, fake) }     fake = generator(z); sets judge's weights and its optimizer's states
//   generator { minimize g(judge, fake) }     the same fake, for generator has not moved; in the place of judge's weights the values that are set
#include <string.h>

#include "compiler/ir/same.h"
#include "lang/show.h"
#include "lang/update.h"

// ---- two programs as one

typedef struct Joined {
  IrFn *fn;
  double common; // share of the later's operations on events: products that the earlier makes too
  double kept;   // numbers an event that these leave behind for the rest of the later
} Joined;

// The values of `from` behind those that stand in `to`, each where it has no equal there; a leaf that `to` has set before is what it was set to.
static IrRef *append(IrFn *to, const IrFn *from, const Map *set, IrSame *same, Arena *work) {
  const bool *needed = ir_needed(work, from);
  IrRef *map = ARENA_ARRAY(work, IrRef, from->values.len + 1);
  for (size_t i = 0; i < from->values.len; i++) {
    if (!needed[i]) continue;
    IrValue *v = ARENA_NEW(work, IrValue);
    *v = from->values.at[i];
    const uintptr_t now = ir_is_leaf(v->op) ? (uintptr_t)map_get(set, v->attr.name) : 0;
    if (now != 0) {
      map[i] = (IrRef)(now - 1);
      continue;
    }
    IrRef *operands = arena_dup(to->arena, v->operands, v->n_operands * sizeof *operands);
    for (uint32_t k = 0; k < v->n_operands; k++) operands[k] = map[operands[k]];
    v->operands = operands;
    IrRef *first = ir_same(same, v);
    if (*first == IR_NONE) {
      ir_push(to, v);
      *first = (IrRef)(to->values.len - 1);
      if (ir_is_leaf(v->op)) map_put(to->arena, &to->leaves, v->attr.name, (void *)(uintptr_t)to->values.len);
    }
    map[i] = *first;
  }
  return map;
}

static const char *set_leaf(const IrOutput *o) { return strncmp(o->name, "set:", 4) == 0 ? o->name + 4 : NULL; }

// "loss" of the third block is "loss_3".
static const char *numbered(Elab *e, const char *output, size_t n) { return output == NULL || n == 1 ? output : arena_printf(e->arena, "%s_%zu", output, n); }

// map: the values of b in the joined program; those below `before` are the earlier's too.
static void weigh(Joined *j, const IrFn *b, const IrRef *map, size_t before, Arena *work) {
  const bool *needed = ir_needed(work, b);
  bool *read = ARENA_ARRAY(work, bool, b->values.len + 1); // by what is the later's alone
  double all = 0, common = 0;
  for (IrRef i = 0; i < b->values.len; i++) {
    const IrValue *v = ir_at(b, i);
    const double operations = needed[i] ? value_operations(b, i) : 0;
    all += operations;
    if (map[i] < before && v->op == IR_EINSUM) common += operations;
    for (uint32_t k = 0; k < v->n_operands && needed[i] && map[i] >= before; k++) read[v->operands[k]] = true;
  }
  for (IrRef i = (IrRef)b->values.len; i-- > 0;) {
    const IrValue *v = ir_at(b, i);
    if (!read[i] || map[i] >= before || v->n_operands == 0 || !ir_has_events(&v->type)) continue;
    if (v->n_operands == 1 && ir_op_info[v->op].flops == 0) read[v->operands[0]] = true; // a view
    else j->kept += (double)ir_elements(&v->type);
  }
  j->common = all > 0 ? common / all : 0;
}

// in_turn: `one` reads what `all` has set, else what was there before.
static Joined join_programs(Elab *e, const char *name, const ModelUpdate *all, const ModelUpdate *one, bool in_turn) {
  const IrFn *a = all->step, *b = one->step;
  Joined joined = {.fn = ir_fn_new(e->arena, name)};
  Arena *work = arena_create();
  IrSame same = ir_same_new(work, a->values.len + b->values.len);
  Map set = {0}, set_again = {0};
  for (size_t i = 0; i < b->outputs.len; i++) map_put(work, &set_again, b->outputs.at[i].name, (void *)b);
  const IrRef *map = append(joined.fn, a, &set, &same, work);
  for (size_t i = 0; i < a->outputs.len; i++) {
    const IrOutput *o = &a->outputs.at[i];
    const char *leaf = set_leaf(o);
    if (leaf == NULL || map_get(&set_again, o->name) == NULL) ir_output(joined.fn, o->name, map[o->value]);
    if (leaf != NULL && in_turn) map_put(work, &set, leaf, (void *)(uintptr_t)(map[o->value] + 1));
  }
  const size_t before = joined.fn->values.len;
  map = append(joined.fn, b, &set, &same, work);
  weigh(&joined, b, map, before, work);
  for (size_t i = 0; i < b->outputs.len; i++) {
    const IrOutput *o = &b->outputs.at[i];
    ir_output(joined.fn, set_leaf(o) != NULL ? o->name : numbered(e, o->name, all->losses.len + 1), map[o->value]);
  }
  arena_destroy(work);
  return joined;
}

// `all` with one block more, whose step is in `step` now.
static void join_block(Elab *e, ModelUpdate *all, const ModelUpdate *one, IrFn *step) {
  all->step = step;
  for (size_t i = 0; i < one->targets.len; i++) VEC_PUSH(e->arena, &all->targets, one->targets.at[i]);
  for (size_t i = 0; i < one->losses.len; i++) {
    ModelLoss loss = one->losses.at[i];
    const size_t n = all->losses.len + 1;
    loss.output = numbered(e, loss.output, n);
    loss.norm = numbered(e, loss.norm, n);
    loss.accuracy = numbered(e, loss.accuracy, n);
    VEC_PUSH(e->arena, &all->losses, loss);
  }
}

// ---- simultaneous

static void refuse_at_once(Elab *e, const AstExpr *x, const char *what) {
  if (x == NULL) return;
  Diag *d = elab_error(e, DIAG_SIMULTANEOUS, x->span, "`%s` in a step where all blocks move at once", what);
  diag_help(e->diags, d, "drop `simultaneous`, or drop `%s`", what);
}

static void refuse_moved_twice(Elab *e, const AstUpdate *u, const ModelUpdate *all, const ModelUpdate *one) {
  for (size_t i = 0; i < one->targets.len; i++)
    for (size_t k = 0; k < all->targets.len; k++) {
      if (strcmp(one->targets.at[i], all->targets.at[k]) != 0) continue;
      Diag *d = elab_error(e, DIAG_SIMULTANEOUS, u->targets.at[i]->span, "`%s` is moved by two blocks at once", one->targets.at[i]);
      diag_help(e->diags, d, "drop `simultaneous`, or write one block with both losses");
    }
}

void updates_at_once(Blocks *b, ModelPhase *phase, const TrainScope *t) {
  Elab *e = b->e;
  const char *name = arena_printf(e->arena, "%s.step", t->site);
  ModelUpdate all = {0};
  size_t n = 0;
  for (size_t i = 0; i < t->decl->u.train.items.len; i++) {
    const AstUpdate *u = t->decl->u.train.items.at[i]->update;
    if (t->decl->u.train.items.at[i]->kind != TI_UPDATE) continue;
    const ModelUpdate *one = &phase->updates.at[n++];
    refuse_at_once(e, u->repeat, "repeat");
    refuse_at_once(e, u->when, "when");
    refuse_moved_twice(e, u, &all, one);
    if (n == 1) all = *one;
    else join_block(e, &all, one, e->diags->errors == 0 ? join_programs(e, name, &all, one, false).fn : NULL);
  }
  phase->updates.len = 1;
  phase->updates.at[0] = all;
}

// ---- neighbours

// Does a program read what another sets?
static bool reads_set(const IrFn *reader, const IrFn *setter) {
  bool reads = false;
  Arena *work = arena_create();
  const bool *needed = ir_needed(work, reader);
  for (size_t i = 0; i < setter->outputs.len && !reads; i++) {
    const char *name = set_leaf(&setter->outputs.at[i]);
    const uintptr_t leaf = name == NULL ? 0 : (uintptr_t)map_get(&reader->leaves, name);
    reads = leaf != 0 && needed[leaf - 1];
  }
  arena_destroy(work);
  return reads;
}

// One program is worth it where it leaves out a tenth of the later block, and what it keeps of a batch for that is no more than
// remat.c lets a step keep, in float32: fast memory does not hold more.
enum { KEEP_BYTES = 32 << 20 };
static const double worth = 0.1;

// Several passes alternate in one program, so that neither may see what the other sets.
static bool may_join(const ModelUpdate *all, const ModelUpdate *one) {
  if (all->control != NULL || one->control != NULL || all->repeat != one->repeat) return false;
  return one->repeat == 1 || (!reads_set(one->step, all->step) && !reads_set(all->step, one->step));
}

void updates_in_common(Elab *e, ModelPhase *phase) {
  size_t kept = 0;
  for (size_t i = 1; i < phase->updates.len; i++) {
    ModelUpdate *all = &phase->updates.at[kept];
    const ModelUpdate one = phase->updates.at[i];
    if (may_join(all, &one)) {
      const Joined joined = join_programs(e, arena_printf(e->arena, "%s%s", all->step->name, strrchr(one.step->name, '_')), all, &one, true);
      if (joined.common >= worth && joined.kept * (double)phase->batch <= KEEP_BYTES / 4) {
        const ModelUpdate before = *all;
        if (before.parts.len == 0) VEC_PUSH(e->arena, &all->parts, before);
        VEC_PUSH(e->arena, &all->parts, one);
        join_block(e, all, &one, joined.fn);
        continue;
      }
    }
    phase->updates.at[++kept] = one;
  }
  phase->updates.len = kept + 1;
}
