// The way back from what a generator makes to columns of the file: a value in a field's prepared numbers is taken apart into the field's leaves, their
// preparations are undone, and the formulas of their columns too, with other columns that are generated or given.
//
//   Output out = output_new(e, data);  output_add(&out, field, value, span);  IrRef x = output_column(&out, 0);
#ifndef HGM_BLOCK_OUTPUT_H
#define HGM_BLOCK_OUTPUT_H

#include "lang/block.h"

// The columns of one data block on their way out.
typedef struct Output {
  Elab *e;
  DataBlock *data;
  VEC(const DataField *) fields; // generated, without parts
  VEC(IrRef) sources;            // of each: the formula's value in physical numbers, f64
  VEC(const DataField *) made;   // generated, without columns
  VEC(IrRef) made_values;        // of each, f64
  IrRef *column;                 // by column: its value, IR_NONE: not yet
  bool *making, *given;          // given: read, and written as it is
  bool *read;                    // given, though perhaps written anew
} Output;

Output output_new(Elab *e, DataBlock *d); // d NULL: no columns
// The field is generated as this value, of its prepared type or a class. Otherwise, and where the value has no such shape, an error at span.
void output_add(Output *out, const DataField *f, Value *v, Span span);
// (events), f64, in physical numbers; IR_NONE: it is neither generated nor given, or what undoes its formula is not, which is reported.
IrRef output_column(Output *out, int column);

#endif
