// The schedule as text.
#include <inttypes.h>

#include "compiler/codegen/schedule.h"

static const char *const kinds[] = {"point", "copy",   "zero",    "sum",  "max",     "rank",    "argmax", "scan",
                                    "dot",   "gather", "scatter", "draw", "partial", "inverse", "none"};

const char *schedule_kind(GroupKind kind) {
  static const char *const kinds_of_groups[] = {"dead", "nest", "pairs", "product", "gradient", "inverse"};
  return kinds_of_groups[kind];
}

static void print_step(const Schedule *s, const Step *t, FILE *out) {
  const char *op = t->value != IR_NONE ? ir_op_info[ir_at(s->fn, t->value)->op].name : "";
  fprintf(out, "    %s %s -> #%u [", kinds[t->kind], op, t->place);
  for (int l = 0; l < t->loops; l++) fprintf(out, "%s%s%" PRId64, l ? " " : "", l == t->kept ? "| " : "", t->extent[l]);
  fprintf(out, "%s]", t->over_pairs ? (t->over_events ? " | e p" : " | p") : t->over_events ? " | e" : "");
  for (int k = 0; k < t->n_operands; k++) fprintf(out, " #%u", t->operand[k].place);
  const Place *p = &s->places.at[t->place];
  if (t->n_clips) fprintf(out, " clips %d", t->n_clips);
  fprintf(out, "%s%s\n", p->memory ? " kept" : "", p->crosses ? " for the batch" : "");
}

void schedule_print(const Schedule *s, FILE *out) {
  int class = -1;
  for (size_t o = 0; o < s->order.len; o++) {
    const Group *g = &s->groups.at[s->order.at[o]];
    if (g->class != class)
      fprintf(out, "phase of class %d (%s)\n", g->class, class_has_events(g->class) ? "events" : g->class == CLASS_CONSTANT ? "constant" : "once");
    class = g->class;
    fprintf(out, "  %s, outer [", schedule_kind(g->kind));
    for (int l = 0; l < g->outer; l++) fprintf(out, "%s%" PRId64, l ? " " : "", g->extent[l]);
    fprintf(out, "], about %d instructions\n", g->cost);
    for (size_t i = 0; i < g->steps.len; i++) print_step(s, &s->steps.at[g->steps.at[i]], out);
  }
  fprintf(out, "bytes: tile %" PRIu64 ", constant %" PRIu64 ", once %" PRIu64 ", batch %" PRIu64 " a tile, partial %" PRIu64 "\n", s->tile_bytes,
          s->constant_bytes, s->once_bytes, s->batch_bytes, s->partial_bytes);
}
