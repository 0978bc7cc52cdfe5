#include "lang/show.h"

#include <string.h>

static double elements(const IrFn *fn, IrRef r) { return (double)ir_elements(ir_type_of(fn, r)); }

// Multiply and add for every combination of letters that a contraction runs over, events aside.
static double contraction(const IrFn *fn, const IrValue *v) {
  const char *spec = v->attr.name;
  bool seen[128] = {false};
  double n = 2;
  int operand = 0, axis = 0;
  for (const char *at = spec; *at != 0 && *at != '-'; at++) {
    if (*at == ',') {
      operand++;
      axis = 0;
      continue;
    }
    int64_t extent = ir_type_of(fn, v->operands[operand])->axes[axis++];
    if (!seen[(unsigned char)*at & 127] && extent > 0) n *= (double)extent;
    seen[(unsigned char)*at & 127] = true;
  }
  return n;
}

double value_operations(const IrFn *fn, IrRef r) {
  const IrValue *v = ir_at(fn, r);
  bool per_event = ir_has_events(&v->type);
  for (uint32_t k = 0; k < v->n_operands; k++) per_event = per_event || ir_has_events(ir_type_of(fn, v->operands[k]));
  if (!per_event) return 0;
  if (v->op == IR_EINSUM) return contraction(fn, v);
  return elements(fn, v->op == IR_SUM || v->op == IR_AMAX ? v->operands[0] : r) * ir_op_info[v->op].flops;
}

double program_operations(const IrFn *fn) {
  double total = 0;
  for (size_t i = 0; i < fn->values.len; i++) total += value_operations(fn, (IrRef)i);
  return total;
}

int64_t model_weights(const Model *model) {
  int64_t n = 0;
  for (size_t i = 0; i < model->weights.len; i++)
    if (!model->weights.at[i].fixed) n += ir_elements(&model->weights.at[i].type);
  return n;
}

static void count(FILE *out, int64_t n) { // 1,499,400
  if (n >= 1000) {
    count(out, n / 1000);
    fprintf(out, ",%03lld", (long long)(n % 1000));
  } else {
    fprintf(out, "%lld", (long long)n);
  }
}

static void show_params(FILE *out, const Model *m) {
  if (m->params.len > 0) fprintf(out, "params\n");
  for (size_t i = 0; i < m->params.len; i++)
    fprintf(out, "  %-16s = %s%s\n", m->params.at[i].name, m->params.at[i].value, m->params.at[i].turned ? "   (turned)" : "");
}

static void show_data(FILE *out, const Model *m) {
  for (size_t i = 0; i < m->data.len; i++) {
    const ModelData *d = m->data.at[i];
    fprintf(out, "data %s: %zu columns, %zu fields, %zu round%s of fitting%s\n", d->name, d->columns.len, d->fields.len, d->rounds.len,
            d->rounds.len == 1 ? "" : "s", d->has_weight ? ", weighted" : "");
    for (size_t k = 0; k < d->fields.len; k++)
      fprintf(out, "  %-16s %4lld  %s\n", d->fields.at[k].name, (long long)d->fields.at[k].elements, d->fields.at[k].text);
    if (d->has_split) fprintf(out, "  split            %g / %g / %g\n", d->split[0], d->split[1], d->split[2]);
    else fprintf(out, "  split            0.8 / 0.1 / 0.1 (default)\n");
  }
}

static bool same_owner(const ModelWeight *a, const ModelWeight *b) { return strcmp(a->owner == NULL ? "" : a->owner, b->owner == NULL ? "" : b->owner) == 0; }

static void show_owner(FILE *out, const Model *m, size_t first) {
  int64_t n = 0;
  for (size_t i = first; i < m->weights.len; i++)
    if (same_owner(&m->weights.at[i], &m->weights.at[first]) && !m->weights.at[i].fixed) n += ir_elements(&m->weights.at[i].type);
  fprintf(out, "%s: ", m->weights.at[first].owner == NULL ? "weights" : m->weights.at[first].owner);
  count(out, n);
  fprintf(out, " weights\n");
  for (size_t i = first; i < m->weights.len; i++) {
    const ModelWeight *w = &m->weights.at[i];
    if (!same_owner(w, &m->weights.at[first])) continue;
    fprintf(out, "  %-40s %-14s ", w->name, ir_type_text(m->arena, &w->type));
    count(out, ir_elements(&w->type));
    fprintf(out, "%s\n", w->fixed ? "   fixed" : "");
  }
}

static void show_weights(FILE *out, const Model *m) {
  for (size_t i = 0; i < m->weights.len; i++) {
    bool shown = false;
    for (size_t k = 0; k < i; k++) shown = shown || same_owner(&m->weights.at[k], &m->weights.at[i]);
    if (!shown) show_owner(out, m, i);
  }
  fprintf(out, "all: ");
  count(out, model_weights(m));
  fprintf(out, " weights\n");
}

static void show_phase(FILE *out, const ModelPhase *p) {
  fprintf(out, "%s: batch %lld", p->name, (long long)p->batch);
  if (p->epochs > 0) fprintf(out, ", %lld epochs", (long long)p->epochs);
  if (p->steps > 0) fprintf(out, ", %lld steps", (long long)p->steps);
  if (p->steps_per_epoch > 0) fprintf(out, " of %lld steps", (long long)p->steps_per_epoch);
  if (p->patience > 0) fprintf(out, ", patience %lld", (long long)p->patience);
  fprintf(out, "%s\n", p->keep_last || p->validate == NULL ? ", ends with the last weights" : ", ends with the best weights");
  for (size_t i = 0; i < p->updates.len; i++) {
    const ModelUpdate *u = &p->updates.at[i];
    for (size_t k = 0; k < u->losses.len; k++) fprintf(out, "%supdate %s", k == 0 ? "  " : " and ", u->losses.at[k].name);
    fprintf(out, ": %.4g operations per event, %zu values\n", program_operations(u->step), u->step->values.len);
  }
}

static void show_program(FILE *out, const char *what, const char *name, const IrFn *fn) {
  fprintf(out, "%s%s%s: %.4g operations per event ->", what, name[0] != 0 ? " " : "", name, program_operations(fn));
  for (size_t i = 0; i < fn->outputs.len; i++) {
    const char *colon = strchr(fn->outputs.at[i].name, ':');
    fprintf(out, "%s %s", i > 0 ? "," : "", colon != NULL ? colon + 1 : fn->outputs.at[i].name);
  }
  fprintf(out, "\n");
}

void model_show(FILE *out, const Model *model) {
  if (model->doc != NULL) fprintf(out, "%s\n\n", model->doc);
  show_params(out, model);
  show_data(out, model);
  show_weights(out, model);
  for (size_t i = 0; i < model->phases.len; i++) show_phase(out, model->phases.at[i]);
  for (size_t i = 0; i < model->generators.len; i++) show_program(out, "generate", model->generators.at[i]->name, model->generators.at[i]->fn);
  if (model->score != NULL) show_program(out, "score", "", model->score);
  if (model->evaluate != NULL && model->evaluate->observables != NULL) show_program(out, "observables", "", model->evaluate->observables);
  fprintf(out, "seed %llu, values in %s\n", (unsigned long long)model->seed, model->real == IR_F64 ? "float64" : "float32");
}
