// Laws whose draws are found by rejection, or by summing up probabilities: a fixed number of tries, each with random numbers of
// its own, so that event k is the same wherever it is drawn. No derivative passes through these draws. Densities are component by component.
#ifndef HGM_LANG_ELAB_LAW_H
#define HGM_LANG_ELAB_LAW_H

#include "lang/elab_builtin.h"

// ---- of all laws (elab_distribution.c)
Value *law_log_width(Elab *e, Value *width, Span span);    // its logarithm; where the width is exp(v) it is v
Value *law_sum_wide(Elab *e, Value *v, Span span);         // over all components, in f64
Value *law_softmax_log(Elab *e, Value *logits, Span span); // along the last axis
// Random numbers of the scene, shaped (shape) or with the axis of events before it.
Value *law_random(Elab *e, IrDraw kind, const char *site, Extents shape, Span span);

// ---- drawn by rejection
// Counts. Below a rate of 10 from the summed probabilities, above by PTRS (Hoermann, Insurance Math. Econ. 12, 39, 1993).
Value *law_draw_poisson(Elab *e, const Distribution *d, Extents shape, const char *site, Span span);
// From two gamma variates (Marsaglia, Tsang, ACM TOMS 26, 363, 2000), as logarithms: small parameters do not underflow.
Value *law_draw_beta(Elab *e, const Distribution *d, Extents shape, const char *site, Span span);
// Best, Fisher, Appl. Stat. 28, 152, 1979; a wrapped normal above k = 10^4.
Value *law_draw_von_mises(Elab *e, const Distribution *d, Extents shape, const char *site, Span span);

Value *law_log_poisson(Elab *e, const Distribution *d, Value *x, Span span);
Value *law_log_beta(Elab *e, const Distribution *d, Value *x, Span span);
Value *law_log_von_mises(Elab *e, const Distribution *d, Value *x, Span span);

#endif
