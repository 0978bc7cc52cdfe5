// Making steps, shared by the files that make those of one kind of value. Private to steps*.c.
//
//   Step t = step_new(s, STEP_COPY, r, place);  step_loops_of_place(s, &t);  step_operand(s, &t, x, axis_of);  step_push(s, t);
#ifndef HGM_CODEGEN_STEPS_H
#define HGM_CODEGEN_STEPS_H

#include "compiler/codegen/schedule.h"

Step step_new(const Schedule *s, StepKind kind, IrRef value, uint32_t place); // no loops yet
void step_push(Schedule *s, Step t);                                          // does nothing where nothing is to be done
void step_loop(Step *t, int64_t extent);
void step_loops_of_place(const Schedule *s, Step *t); // over the axes of the place, stored row-major
// The next operand is value r; axis_of[l]: the axis of r that loop l walks, or -1; variable[i]: of event axis i of r.
void step_events_operand(const Schedule *s, Step *t, IrRef r, const int *axis_of, const uint8_t *variable);
void step_operand(const Schedule *s, Step *t, IrRef r, const int *axis_of);
void step_same_axes(const IrType *type, int *axis_of); // axis_of for an operand with the same axes as the step's loops
// What is summed over event axes. `gone`: which event axes of a type go; the variables of all: those left come first.
void step_reduce_events(Step *t, const IrType *type, uint32_t gone, uint8_t variable[2]);
void step_put_into_memory(Schedule *s, uint32_t place); // computed constants, for those who read them at places that only the data know

// ---- steps_index.c
void steps_of_gather(Schedule *s, IrRef r, uint32_t place);
void steps_of_scatter(Schedule *s, IrRef r, uint32_t place);
void steps_of_sort(Schedule *s, IrRef r, uint32_t place);
// ---- clips.c
void place_clip_pads(Schedule *s, uint32_t place, IrRef r);                        // of value r: pads of pads
void place_clip_slices(Schedule *s, uint32_t place, IrRef r, const IrRef *reader); // of value r; reader: by value the only one, or IR_NONE
void step_clip(const Schedule *s, Step *t);
// ---- steps_move.c
void step_zero_place(Schedule *s, uint32_t place);                            // a fold's result before anything is added
void step_loops_of_fold(const Schedule *s, Step *t, IrRef r, const View *to); // over the axes of a value that is added to a fold's rows
void steps_of_fold(Schedule *s, IrRef r, uint32_t place);
void steps_of_concat(Schedule *s, IrRef r, uint32_t place);
void steps_of_pad(Schedule *s, IrRef r, uint32_t place);
void steps_of_reshape(Schedule *s, IrRef r, uint32_t place);

#endif
