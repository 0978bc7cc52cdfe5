/* Two models in one program: every name begins with its model's.
     cc -std=c99 two_models.c libjetsim.a libothersim.a -o two_models */
#include <stdio.h>
#include <stdlib.h>

#include "jetsim.h"
#include "othersim.h"

int main(void) {
  jetsim *a = jetsim_open();
  othersim *b = othersim_open();
  float given[JETSIM_N_GIVEN] = {80, 0, 0, 10, 0, 0, 30, 0}, x[JETSIM_N_OUT], y[OTHERSIM_N_OUT];
  void *work = a != NULL && b != NULL ? malloc(jetsim_work_bytes(a, 1) + othersim_work_bytes(b, 1)) : NULL;
  int code = work == NULL || jetsim_sample(a, work, 1, 0, 1, given, x) != 0 || othersim_sample(b, work, 1, 0, 1, given, y) != 0;
  if (code == 0) printf("%g and %g\n", (double)x[JETSIM_OUT_Jet_pt], (double)y[OTHERSIM_OUT_Jet_pt]);
  free(work);
  jetsim_close(a);
  othersim_close(b);
  return code;
}
