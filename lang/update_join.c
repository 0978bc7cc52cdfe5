// Several update blocks as one program, in which all see the weights from before it and what they have in common is there once:
// blocks that are `simultaneous`, and neighbours of which none reads what one before it moves.
//
//   judge_a { minimize f(judge_a, fake) }     reads judge_a and generator, moves judge_a
//   judge_b { minimize f(judge_b, fake) }     reads nothing that judge_a's block moves: one program, with one fake
//   generator { … }                           reads both judges: a program of its own
#include <string.h>

#include "compiler/ir/same.h"
#include "lang/update.h"

// ---- two programs as one

typedef struct Joined {
  IrFn *fn;
  size_t common; // products of events that both compute
} Joined;

// The values of `from` behind those that stand in `to`, each where it has no equal there.
static IrRef *append(IrFn *to, const IrFn *from, IrSame *same, Arena *work) {
  const bool *needed = ir_needed(work, from);
  IrRef *map = ARENA_ARRAY(work, IrRef, from->values.len + 1);
  for (size_t i = 0; i < from->values.len; i++) {
    if (!needed[i]) continue;
    IrValue *v = ARENA_NEW(work, IrValue);
    *v = from->values.at[i];
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

static bool sets(const IrOutput *o) { return strncmp(o->name, "set:", 4) == 0; }

// "loss" of the third block is "loss_3".
static const char *numbered(Elab *e, const char *output, size_t n) { return output == NULL || n == 1 ? output : arena_printf(e->arena, "%s_%zu", output, n); }

static Joined join_programs(Elab *e, const char *name, const ModelUpdate *all, const ModelUpdate *one) {
  const IrFn *a = all->step, *b = one->step;
  Joined joined = {.fn = ir_fn_new(e->arena, name)};
  Arena *work = arena_create();
  IrSame same = ir_same_new(work, a->values.len + b->values.len);
  const IrRef *map = append(joined.fn, a, &same, work);
  for (size_t i = 0; i < a->outputs.len; i++) ir_output(joined.fn, a->outputs.at[i].name, map[a->outputs.at[i].value]);
  const size_t before = joined.fn->values.len;
  map = append(joined.fn, b, &same, work);
  const bool *needed = ir_needed(work, b);
  for (size_t i = 0; i < b->values.len; i++)
    joined.common += needed[i] && map[i] < before && b->values.at[i].op == IR_EINSUM && ir_has_events(&b->values.at[i].type);
  for (size_t i = 0; i < b->outputs.len; i++) {
    const IrOutput *o = &b->outputs.at[i];
    ir_output(joined.fn, sets(o) ? o->name : numbered(e, o->name, all->losses.len + 1), map[o->value]);
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
    else join_block(e, &all, one, e->diags->errors == 0 ? join_programs(e, name, &all, one).fn : NULL);
  }
  phase->updates.len = 1;
  phase->updates.at[0] = all;
}

// ---- neighbours

// Does a program read what another sets? What it sets it has read, so neither do both set the same then.
static bool reads_moved(const IrFn *reader, const IrFn *mover) {
  bool reads = false;
  Arena *work = arena_create();
  const bool *needed = ir_needed(work, reader);
  for (size_t i = 0; i < mover->outputs.len && !reads; i++) {
    const IrOutput *o = &mover->outputs.at[i];
    const uintptr_t leaf = sets(o) ? (uintptr_t)map_get(&reader->leaves, o->name + 4) : 0;
    reads = leaf != 0 && needed[leaf - 1];
  }
  arena_destroy(work);
  return reads;
}

// Several passes alternate in one program, so that neither may see what the other moves.
static bool may_join(const ModelUpdate *all, const ModelUpdate *one) {
  if (all->control != NULL || one->control != NULL || all->repeat != one->repeat) return false;
  return !reads_moved(one->step, all->step) && (one->repeat == 1 || !reads_moved(all->step, one->step));
}

void updates_in_common(Elab *e, ModelPhase *phase) {
  size_t kept = 0;
  for (size_t i = 1; i < phase->updates.len; i++) {
    ModelUpdate *all = &phase->updates.at[kept];
    const ModelUpdate one = phase->updates.at[i];
    if (may_join(all, &one)) {
      const Joined joined = join_programs(e, arena_printf(e->arena, "%s%s", all->step->name, strrchr(one.step->name, '_')), all, &one);
      if (joined.common > 0) {
        join_block(e, all, &one, joined.fn);
        continue;
      }
    }
    phase->updates.at[++kept] = one;
  }
  phase->updates.len = kept + 1;
}
