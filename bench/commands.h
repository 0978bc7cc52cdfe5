// Time of each command of a compiled program: a copy of the program with a reading of the clock behind every command.
//
//   Watch w = watch_begin(program);  …run w.program on one thread…  watch_step(&w);  …  watch_print(&w, stdout);
//
// Cycles are those of the time stamp counter. Of each command the lower quartile over steps counts: what other processes take is above it.
#ifndef HGM_BENCH_COMMANDS_H
#define HGM_BENCH_COMMANDS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "runtime/program.h"

enum { WATCH_STEPS = 4000 };

typedef struct Watch {
  HgmProgram program;
  const HgmProgram *of;
  uint64_t *cycles; // by command of `of`, of this step: before the first of a phase they belong to what runs outside commands
  float *steps;     // (WATCH_STEPS, commands)
  uint32_t n_steps;
} Watch;

// The reading before this one; ticks of all watches follow one another on one thread.
static uint64_t watch_last;

static void watch_tick(const HgmTile *tile, void *const *pointers) {
  (void)tile;
  uint64_t now = __rdtsc();
  *(uint64_t *)pointers[0] += now - watch_last;
  watch_last = __rdtsc();
}

static void watch_start(const HgmTile *tile, void *const *pointers) {
  (void)tile;
  (void)pointers;
  watch_last = __rdtsc();
}

static Watch watch_begin(const HgmProgram *of) {
  uint32_t n = of->n_commands + of->n_phases, commands = 0, pointers = 0;
  Watch w = {.program = *of, .of = of, .cycles = calloc(of->n_commands + 1, sizeof(uint64_t))};
  w.steps = calloc((size_t)WATCH_STEPS * (of->n_commands + 1), sizeof(float));
  HgmKernel **kernels = calloc(of->n_kernels + 2, sizeof *kernels);
  HgmPhase *phases = calloc(of->n_phases + 1, sizeof *phases);
  HgmCommand *all = calloc(2 * n + 3 * of->n_commands, sizeof *all);
  HgmPointer *table = calloc(2 * of->n_pointers + 2 * n + 3 * of->n_commands, sizeof *table);
  memcpy(kernels, of->kernels, of->n_kernels * sizeof *kernels);
  kernels[of->n_kernels] = watch_tick;
  kernels[of->n_kernels + 1] = watch_start;
  for (uint32_t p = 0; p < of->n_phases; p++) {
    phases[p] = of->phases[p];
    phases[p].first_command = commands;
    all[commands++] = (HgmCommand){of->n_kernels + 1, pointers, 1, 0};
    table[pointers++] = (HgmPointer){.space = HGM_SPACE_DATA};
    for (uint32_t i = 0; i < of->phases[p].n_commands; i++) {
      uint32_t index = of->phases[p].first_command + i;
      const HgmCommand *c = &of->commands[index];
      if (getenv("WARM")) {
        all[commands] = *c;
        all[commands++].first_pointer = pointers;
        memcpy(table + pointers, of->pointers + c->first_pointer, c->n_pointers * sizeof *table);
        pointers += c->n_pointers;
        all[commands++] = (HgmCommand){of->n_kernels + 1, pointers, 1, 0};
        table[pointers++] = (HgmPointer){.space = HGM_SPACE_DATA};
      }
      all[commands] = *c;
      all[commands++].first_pointer = pointers;
      memcpy(table + pointers, of->pointers + c->first_pointer, c->n_pointers * sizeof *table);
      pointers += c->n_pointers;
      all[commands++] = (HgmCommand){of->n_kernels, pointers, 1, 0};
      table[pointers++] = (HgmPointer){.space = HGM_SPACE_DATA, .offset = (uint64_t)(uintptr_t)&w.cycles[index] - (uint64_t)(uintptr_t)of->data};
    }
    phases[p].n_commands = commands - phases[p].first_command;
  }
  w.program.kernels = kernels;
  w.program.n_kernels += 2;
  w.program.phases = phases;
  w.program.commands = all;
  w.program.n_commands = commands;
  w.program.pointers = table;
  w.program.n_pointers = pointers;
  return w;
}

static void watch_step(Watch *w) {
  if (w->n_steps == WATCH_STEPS) return;
  float *to = w->steps + (size_t)w->n_steps++ * w->of->n_commands;
  for (uint32_t i = 0; i < w->of->n_commands; i++) to[i] = (float)w->cycles[i], w->cycles[i] = 0;
}

static int watch_by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double watch_quartile(const Watch *w, uint32_t command) {
  float *values = malloc((w->n_steps + 1) * sizeof *values);
  for (uint32_t s = 0; s < w->n_steps; s++) values[s] = w->steps[(size_t)s * w->of->n_commands + command];
  qsort(values, w->n_steps, sizeof *values, watch_by_value);
  double value = w->n_steps ? values[w->n_steps / 4] : 0;
  free(values);
  return value;
}

static void watch_print(const Watch *w, double cycles_per_ms, FILE *out) {
  double all = 0;
  for (uint32_t p = 0; p < w->of->n_phases; p++)
    for (uint32_t i = 0; i < w->of->phases[p].n_commands; i++) {
      uint32_t index = w->of->phases[p].first_command + i;
      double ms = watch_quartile(w, index) / cycles_per_ms;
      fprintf(out, "phase %u command %u kernel %u %.4f ms\n", p, i, w->of->commands[index].kernel, ms);
      all += ms;
    }
  fprintf(out, "all %.4f ms a step of %u\n", all, w->n_steps);
}

#endif
