// The text behind `hgmc show`: data and their chains, nets and flows with shapes and numbers of weights, updates, samplers,
// what an event costs, and every param with the value that is used.
#ifndef HGM_SHOW_H
#define HGM_SHOW_H

#include <stdio.h>

#include "lang/model.h"

void model_show(FILE *out, const Model *model);
int64_t model_weights(const Model *model); // how many numbers are learnt
// Arithmetic operations per event, of a program and of one value of it; contractions count as multiply and add.
double program_operations(const IrFn *fn);
double value_operations(const IrFn *fn, IrRef r);

#endif
