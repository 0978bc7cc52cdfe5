// Loads a model from text and runs its programs through the reference evaluator.
//
//   Loaded l = load("data d { x = \"a\" |> log }");   const double *y = run(&l, fn, 3, "prep:x", LEAF("column:a", a), END);
//   expect(text, "domain");                           // the text must be refused with this slug
// Included by one test file a program (functions are static). The library is read from stdlib/ of the working directory.
#ifndef HGM_TESTS_MODEL_H
#define HGM_TESTS_MODEL_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> // wants what stands above it

#include "lang/model.h"
#include "runtime/philox.h"
#include "runtime/sha256.h"

enum { TEST_LEAVES = 256 };

typedef struct Loaded {
  Arena *arena;
  Sources *sources;
  Diags *diags;
  Model *model;
  IrArray leaf[TEST_LEAVES];
  size_t leaves;
} Loaded;

static inline Loaded load_turned(const char *path, const char *text, IrDtype real, const char *name, const char *value) {
  Loaded l = {.arena = arena_create()};
  l.sources = sources_new(l.arena);
  l.diags = diags_new(l.arena, l.sources);
  ModelOptions options = {.path = path, .text = text, .stdlib = "stdlib", .seed = 1, .real = real, .checksum = hgm_sha256_of};
  if (name != NULL) VEC_PUSH(l.arena, &options.sets, (struct ModelSet){name, value});
  l.model = model_load(l.arena, l.sources, l.diags, &options);
  return l;
}

static inline Loaded load_with(const char *path, const char *text, const char *name, const char *value) { return load_turned(path, text, IR_F64, name, value); }

static inline Loaded load_as(const char *text, IrDtype real) {
  Loaded l = load_turned("test.hgm", text, real, NULL, NULL);
  if (l.model == NULL) {
    diags_print(stderr, l.diags, false, 0);
    fail_msg("the model is refused");
  }
  return l;
}

static inline Loaded load(const char *text) { return load_as(text, IR_F64); }

static inline void leave(Loaded *l) { arena_destroy(l->arena); }

// Gives a leaf its numbers, from now on.
static inline void give(Loaded *l, const char *name, const double *data, int64_t n) {
  for (size_t i = 0; i < l->leaves; i++)
    if (strcmp(l->leaf[i].name, name) == 0) {
      l->leaf[i] = (IrArray){l->leaf[i].name, n, (double *)data};
      return;
    }
  assert_true(l->leaves < TEST_LEAVES);
  l->leaf[l->leaves++] = (IrArray){arena_strdup(l->arena, name), n, (double *)data};
}

static inline void give_number(Loaded *l, const char *name, double x) {
  double *data = ARENA_NEW(l->arena, double);
  *data = x;
  give(l, name, data, 1);
}

// All outputs of a program, in its order.
static inline IrArray *run_all(Loaded *l, const IrFn *fn, int64_t events) {
  const char *wrong = ir_verify(fn, l->arena), *error = NULL;
  if (wrong != NULL) fail_msg("%s: %s", fn->name, wrong);
  IrArray *out = ARENA_ARRAY(l->arena, IrArray, fn->outputs.len + 1);
  IrEnv env = {.events = events, .seed = 1, .leaves = l->leaf, .n_leaves = l->leaves};
  if (!ir_eval(fn, &env, l->arena, out, &error)) fail_msg("%s: %s", fn->name, error);
  return out;
}

static inline const double *run(Loaded *l, const IrFn *fn, int64_t events, const char *output) {
  IrArray *out = run_all(l, fn, events);
  for (size_t i = 0; i < fn->outputs.len; i++)
    if (strcmp(fn->outputs.at[i].name, output) == 0) return out[i].data;
  fail_msg("%s has no output %s", fn->name, output);
  return NULL;
}

static inline bool has_output(const IrFn *fn, const char *name) {
  for (size_t i = 0; i < fn->outputs.len; i++)
    if (strcmp(fn->outputs.at[i].name, name) == 0) return true;
  return false;
}

static inline void near(double found, double expected, double tolerance) {
  if (!(fabs(found - expected) <= tolerance * (1 + fabs(expected)))) fail_msg("%.17g, expected %.17g", found, expected);
}

// The weights begin as their programs say.
static inline void give_weights(Loaded *l) {
  for (size_t i = 0; i < l->model->weights.len; i++) {
    const ModelWeight *w = &l->model->weights.at[i];
    give(l, w->name, run(l, w->init, 1, "value"), ir_elements(&w->type));
  }
}

// Or are normal numbers of this width, different for all, as after a training; those that training leaves alone begin as they do.
static inline void scatter_weights(Loaded *l, double width) {
  give_weights(l);
  for (size_t i = 0; i < l->model->weights.len; i++) {
    const ModelWeight *w = &l->model->weights.at[i];
    if (w->fixed) continue;
    int64_t n = ir_elements(&w->type);
    double *data = ARENA_ARRAY(l->arena, double, n);
    for (int64_t j = 0; j < n; j++) data[j] = width * philox_normal(philox_key(3, w->name), 0, 0, (uint64_t)j);
    give(l, w->name, data, n);
  }
}

static inline bool said(const Loaded *l, const char *slug) {
  for (size_t i = 0; i < l->diags->all.len; i++)
    if (strcmp(diag_slug(l->diags->all.at[i]->kind), slug) == 0) return true;
  return false;
}

static inline void expect_in(Loaded l, const char *text, const char *slug) {
  if (!said(&l, slug) || (l.model != NULL && l.diags->errors > 0)) {
    diags_print(stderr, l.diags, false, 0);
    fail_msg("no `%s` in\n%s", slug, text);
  }
  leave(&l);
}

static inline void expect(const char *text, const char *slug) { expect_in(load_with("test.hgm", text, NULL, NULL), text, slug); }

#endif
