#include "compiler/driver/watch.h"

#include <math.h>
#include <string.h>

#include "compiler/driver/evaluate.h"

bool watch_is_due(const Phase *p, bool epoch_ended) {
  const ModelPhase *m = p->model;
  if (m->watch == NULL) return false;
  bool in_steps = m->steps > 0 && m->watch_every > 0;
  if (in_steps) return !epoch_ended && (int64_t)p->t->position.step % m->watch_every == 0;
  return epoch_ended && (m->watch_every == 0 || (int64_t)p->t->position.epoch % m->watch_every == 0);
}

typedef struct Watched {
  Phase *p;
  double valid;
  Session session;       // the training's, with arrays that last as long as this number
  Evaluation evaluation; // made when a metric is asked for; computes what more is asked from in that session
  bool evaluated, failed;
  HgmError *error;
} Watched;

static bool evaluate(Watched *w) {
  if (w->evaluated) return true;
  const ModelEvaluate *asked = w->session.model->evaluate;
  Dataset *dataset = w->p->n_sources == 0 ? &w->p->t->datasets[0] : w->p->sources[0].dataset;
  int64_t n = dataset->data == NULL ? 0 : dataset->n[SPLIT_VALID];
  if (asked != NULL && asked->events > 0 && asked->events < n) n = asked->events;
  if (n < 2) w->failed = !hgm_fail(w->error, EXIT_USER, "`watch` looks at metrics of validation events, and there are none: give a validation part in `split`");
  else w->failed = !evaluate_model(&w->evaluation, &w->session, w->p->t->store, dataset, dataset->chosen[SPLIT_VALID], n, w->error);
  w->evaluated = !w->failed;
  return w->evaluated;
}

// `loss` and `grad_norm` are those of the last block; `loss.critic` names one.
static bool of_training(const Phase *p, bool norm, const char *member, double *value) {
  for (size_t i = phase_losses(p->model); i-- > 0;) {
    if (member != NULL && strcmp(member, phase_loss(p->model, i)->name) != 0) continue;
    *value = phase_mean(p, i, norm ? MEAN_NORM : MEAN_LOSS);
    return true;
  }
  return false;
}

static bool lookup(void *data, const ModelMetricUse *use, double *value) {
  Watched *w = data;
  MetricKind kind = use->metric != NULL ? use->metric->kind : METRIC_COUNT;
  if (kind == METRIC_LOSS || kind == METRIC_GRAD_NORM) return of_training(w->p, kind == METRIC_GRAD_NORM, use->member.text, value);
  if (kind == METRIC_VALIDATION) {
    *value = w->valid;
    return true;
  }
  if (!evaluate(w)) return false;
  bool known = evaluate_number(&w->evaluation, use, value);
  if (w->evaluation.failed) *w->error = w->evaluation.error;
  w->failed |= w->evaluation.failed;
  return known;
}

bool watch_number(Phase *p, double valid, double *number, HgmError *error) {
  Watched w = {.p = p, .valid = valid, .session = *p->t->session, .evaluation.manifest = p->t->manifest, .error = error};
  w.session.arena = arena_create();
  const char *unknown = NULL;
  bool ok = model_formula(w.session.model->evaluate, p->model->watch, lookup, &w, number, &unknown);
  arena_destroy(w.session.arena);
  if (w.failed) return false;
  if (ok && isnan(*number) && !p->no_number && ranks_first(p->t->ranks)) {
    p->no_number = true;
    fprintf(stderr, "warning: %s: what `watch` looks at is no number after step %.0f, so nothing says whether these weights are better\n", p->model->name,
            p->t->position.step);
  }
  return ok || hgm_fail(error, EXIT_USER, "`watch` asks for `%s`, which this training does not have", unknown != NULL ? unknown : "?");
}
