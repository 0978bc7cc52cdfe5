// Where a step's time goes: a copy of a compiled program that reads the time stamp counter around every command.
//
//   Watch w;  watch_begin(&w, program);  …run &w.program, watch_step(&w) after each step…  watch_print(&w, cycles_per_ms, stdout);  watch_again(&w);
//
// Of each command and phase the lowest tenth over steps counts: what other processes take lies above it. A command that is split over threads
// lasts until the last is done.
#ifndef HGM_BENCH_COMMANDS_H
#define HGM_BENCH_COMMANDS_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "runtime/program.h"

enum { WATCH_STEPS = 1000, WATCH_THREADS = 8 };

typedef struct Watch {
  HgmProgram program;     // to be run: a command of its own before each phase's first and behind each
  const HgmProgram *of;   // NULL: not begun
  _Atomic uint32_t phase; // that was begun last, and when
  uint64_t since, until;  // the last command's end
  uint64_t *cycles;       // this step's: (WATCH_THREADS, commands of `of`), then of each phase by the clock
  double *steps;          // (WATCH_STEPS, WATCH_THREADS, commands + phases)
  uint32_t n_steps;
} Watch;

static _Atomic int watch_threads;
static _Thread_local int watch_thread = -1;
static _Thread_local uint64_t watch_begun;

// From the first thread's start to the first start of the next phase.
static void watch_phase(Watch *w, uint32_t phase) {
  uint32_t last = atomic_load(&w->phase);
  if (last == phase || !atomic_compare_exchange_strong(&w->phase, &last, phase)) return;
  uint64_t now = phase < w->of->n_phases ? __rdtsc() : w->until;
  if (last < w->of->n_phases) w->cycles[(size_t)WATCH_THREADS * w->of->n_commands + last] += now - w->since;
  w->since = now;
}

static void watch_start(const HgmTile *tile, void *const *pointers) {
  (void)tile;
  if (watch_thread < 0) watch_thread = atomic_fetch_add(&watch_threads, 1) % WATCH_THREADS;
  watch_phase(pointers[0], *(const uint32_t *)pointers[1]);
  watch_begun = __rdtsc();
}

static void watch_stop(const HgmTile *tile, void *const *pointers) {
  (void)tile;
  Watch *w = pointers[0];
  w->until = __rdtsc();
  ((uint64_t *)pointers[1])[(size_t)watch_thread * w->of->n_commands] += w->until - watch_begun;
  watch_begun = __rdtsc();
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

static size_t watch_numbers(const Watch *w) { return (size_t)WATCH_THREADS * w->of->n_commands + w->of->n_phases; }

// The program must stay; what is made here is never freed.
static void watch_begin(Watch *w, const HgmProgram *of) {
  uint32_t n = of->n_commands, start = of->n_kernels, stop = start + 1, most = 2 * n + of->n_phases;
  *w = (Watch){.program = *of, .of = of, .phase = of->n_phases};
  w->cycles = watch_memory(watch_numbers(w), sizeof *w->cycles), w->steps = watch_memory(WATCH_STEPS * watch_numbers(w), sizeof *w->steps);
  uint32_t *numbers = watch_memory(of->n_phases, sizeof *numbers);
  HgmPhase *phases = watch_memory(of->n_phases, sizeof *phases);
  WatchTables t = {watch_memory(most, sizeof *t.commands), watch_memory(of->n_pointers + 2 * (size_t)most, sizeof *t.pointers), 0, 0};
  for (uint32_t p = 0; p < of->n_phases; p++) {
    phases[p] = of->phases[p];
    phases[p].first_command = t.n_commands;
    numbers[p] = p;
    watch_add(&t, (HgmCommand){.kernel = start, .n_pointers = 2}, (HgmPointer[]){watch_pointer(of, w), watch_pointer(of, &numbers[p])});
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
  w->phase = w->of->n_phases;
  memset(w->cycles, 0, watch_numbers(w) * sizeof *w->cycles);
}

static void watch_step(Watch *w) {
  watch_phase(w, w->of->n_phases);
  size_t n = watch_numbers(w);
  for (size_t i = 0; i < n && w->n_steps < WATCH_STEPS; i++) w->steps[w->n_steps * n + i] = (double)w->cycles[i];
  w->n_steps += w->n_steps < WATCH_STEPS;
  memset(w->cycles, 0, n * sizeof *w->cycles);
}

static int watch_by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// Of the sum of numbers i, i + pitch, … of each step.
static double watch_low(const Watch *w, size_t i, size_t n, size_t pitch) {
  double values[WATCH_STEPS] = {0};
  if (w->n_steps == 0) return 0;
  for (uint32_t s = 0; s < w->n_steps; s++)
    for (size_t k = 0; k < n; k++) values[s] += w->steps[s * watch_numbers(w) + i + k * pitch];
  qsort(values, w->n_steps, sizeof *values, watch_by_value);
  return values[w->n_steps / 10];
}

// A line a phase: by the clock, and what its commands take on all threads. A line a command in the order of `hgmc check --dump schedule`, on all threads.
static void watch_print(const Watch *w, double cycles_per_ms, FILE *out) {
  double all = 0, clock = 0;
  uint32_t n = w->of->n_commands;
  for (uint32_t p = 0; p < w->of->n_phases; p++) {
    const HgmPhase *phase = &w->of->phases[p];
    double took = 0, ms = watch_low(w, (size_t)WATCH_THREADS * n + p, 1, 0) / cycles_per_ms;
    for (uint32_t i = phase->first_command; i < phase->first_command + phase->n_commands; i++) {
      double command = watch_low(w, i, WATCH_THREADS, n) / cycles_per_ms;
      fprintf(out, "phase %u command %u kernel %u %.4f ms\n", p, i, w->of->commands[i].kernel, command);
      took += command;
    }
    fprintf(out, "phase %u %s %.4f ms by the clock, %.4f ms of its commands\n", p, phase->events ? "events" : "once", ms, took);
    all += took;
    clock += ms;
  }
  fprintf(out, "all %.4f ms by the clock, %.4f ms of commands, %u steps\n", clock, all, w->n_steps);
}

#endif
