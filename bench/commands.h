// Where a step's time goes: a copy of a compiled program that reads the time stamp counter around every command, on one thread.
//
//   Watch w;  watch_begin(&w, program);  …run &w.program, watch_step(&w) after each step…  watch_print(&w, cycles_per_ms, stdout);  watch_again(&w);
//
// Of each command the lower quartile over steps counts: what other processes take lies above it.
#ifndef HGM_BENCH_COMMANDS_H
#define HGM_BENCH_COMMANDS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "runtime/program.h"

enum { WATCH_STEPS = 1000 };

typedef struct Watch {
  HgmProgram program;   // to be run: a command of its own before each phase's first and behind each
  const HgmProgram *of; // NULL: not begun
  uint64_t begin;       // when the command at hand did
  uint64_t *cycles;     // by command of `of`, this step's
  double *steps;        // (WATCH_STEPS, commands)
  uint32_t n_steps;
} Watch;

static void watch_start(const HgmTile *tile, void *const *pointers) {
  (void)tile;
  ((Watch *)pointers[0])->begin = __rdtsc();
}

static void watch_stop(const HgmTile *tile, void *const *pointers) {
  (void)tile;
  Watch *w = pointers[0];
  *(uint64_t *)pointers[1] += __rdtsc() - w->begin;
  w->begin = __rdtsc();
}

static void *watch_memory(size_t n, size_t size) {
  void *p = calloc(n + 1, size);
  if (p == NULL) abort();
  return p;
}

typedef struct WatchTables {
  HgmCommand *commands;
  HgmPointer *pointers;
  uint32_t n_commands, n_pointers;
} WatchTables;

static void watch_add(WatchTables *t, HgmCommand command, const HgmPointer *pointers) {
  command.first_pointer = t->n_pointers;
  t->commands[t->n_commands++] = command;
  memcpy(t->pointers + t->n_pointers, pointers, command.n_pointers * sizeof *pointers);
  t->n_pointers += command.n_pointers;
}

// What lies anywhere, as a pointer to the program's constants.
static HgmPointer watch_pointer(const HgmProgram *of, const void *to) {
  return (HgmPointer){.space = HGM_SPACE_DATA, .offset = (uint64_t)((uintptr_t)to - (uintptr_t)of->data)};
}

// The program must stay; what is made here is never freed.
static void watch_begin(Watch *w, const HgmProgram *of) {
  uint32_t n = of->n_commands, start = of->n_kernels, stop = start + 1, most = 2 * n + of->n_phases;
  *w = (Watch){.program = *of, .of = of, .cycles = watch_memory(n, sizeof *w->cycles), .steps = watch_memory((size_t)WATCH_STEPS * n, sizeof *w->steps)};
  HgmPhase *phases = watch_memory(of->n_phases, sizeof *phases);
  WatchTables t = {watch_memory(most, sizeof *t.commands), watch_memory(of->n_pointers + 2 * (size_t)most, sizeof *t.pointers), 0, 0};
  for (uint32_t p = 0; p < of->n_phases; p++) {
    phases[p] = of->phases[p];
    phases[p].first_command = t.n_commands;
    watch_add(&t, (HgmCommand){.kernel = start, .n_pointers = 1}, (HgmPointer[]){watch_pointer(of, w)});
    for (uint32_t i = of->phases[p].first_command; i < of->phases[p].first_command + of->phases[p].n_commands; i++) {
      watch_add(&t, of->commands[i], of->pointers + of->commands[i].first_pointer);
      watch_add(&t, (HgmCommand){.kernel = stop, .n_pointers = 2}, (HgmPointer[]){watch_pointer(of, w), watch_pointer(of, &w->cycles[i])});
    }
    phases[p].n_commands = t.n_commands - phases[p].first_command;
  }
  HgmKernel **kernels = watch_memory(start + 2, sizeof *kernels);
  memcpy(kernels, of->kernels, start * sizeof *kernels);
  kernels[start] = watch_start;
  kernels[stop] = watch_stop;
  w->program.kernels = kernels, w->program.n_kernels = start + 2;
  w->program.phases = phases;
  w->program.commands = t.commands, w->program.n_commands = t.n_commands;
  w->program.pointers = t.pointers, w->program.n_pointers = t.n_pointers;
}

static void watch_again(Watch *w) {
  w->n_steps = 0;
  memset(w->cycles, 0, w->of->n_commands * sizeof *w->cycles);
}

static void watch_step(Watch *w) {
  uint32_t n = w->of->n_commands;
  for (uint32_t i = 0; i < n && w->n_steps < WATCH_STEPS; i++) w->steps[(size_t)w->n_steps * n + i] = (double)w->cycles[i];
  w->n_steps += w->n_steps < WATCH_STEPS;
  memset(w->cycles, 0, n * sizeof *w->cycles);
}

static int watch_by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double watch_quartile(const Watch *w, uint32_t command) {
  double values[WATCH_STEPS];
  if (w->n_steps == 0) return 0;
  for (uint32_t s = 0; s < w->n_steps; s++) values[s] = w->steps[(size_t)s * w->of->n_commands + command];
  qsort(values, w->n_steps, sizeof *values, watch_by_value);
  return values[w->n_steps / 4];
}

// A line a command, in the order of `hgmc check --dump schedule`, then their sum.
static void watch_print(const Watch *w, double cycles_per_ms, FILE *out) {
  double all = 0;
  for (uint32_t p = 0; p < w->of->n_phases; p++)
    for (uint32_t i = w->of->phases[p].first_command; i < w->of->phases[p].first_command + w->of->phases[p].n_commands; i++) {
      double ms = watch_quartile(w, i) / cycles_per_ms;
      fprintf(out, "phase %u command %u kernel %u %.4f ms\n", p, i, w->of->commands[i].kernel, ms);
      all += ms;
    }
  fprintf(out, "all %.4f ms, %u steps\n", all, w->n_steps);
}

#endif
