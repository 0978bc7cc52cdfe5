// needs: compiler/codegen compiler/ad tests/support compiler/ir runtime lang/base
// long: 20 parts
// Compiled programs against the evaluator: hand-made ones, one for each op, and random programs; every number of events
// around a vector and a tile, float32 and float64; the same bits with one and two threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/ad/ad.h"
#include "runtime/one.h"
#include "tests/support/checked.h"
#include "tests/support/effort.h"
#include "tests/support/random_program.h"

static void test_sum(void **state) {
  (void)state;
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "sum");
  IrRef x = ir_leaf(fn, IR_INPUT, "x", ir_type(IR_F32, 2, (int64_t[]){IR_EVENTS, 3}));
  IrRef w = ir_leaf(fn, IR_PARAM, "w", ir_type(IR_F32, 1, (int64_t[]){3}));
  IrRef y = ir_binary(fn, IR_MUL, x, ir_broadcast_like(fn, w, x));
  ir_output(fn, "y", y);
  ir_output(fn, "loss", ir_sum(fn, ir_cast(fn, y, IR_F64), 3));
  checked_check(fn, 1, true, "sum");
  arena_destroy(arena);
}

static IrRef leaf(IrFn *fn, IrOp op, const char *name, IrDtype dtype, int rank, const int64_t *axes) {
  return ir_leaf(fn, op, name, ir_type(dtype, rank, axes));
}

// Forward, backward and a momentum step of a small network: matrix products, what follows on them, weight and bias gradients.
static void test_network(void **state) {
  (void)state;
  static const int64_t widths[] = {5, 20, 33, 3};
  for (int f64 = 0; f64 < 2; f64++) {
    IrDtype real = f64 ? IR_F64 : IR_F32;
    Arena *arena = arena_create();
    IrFn *fn = ir_fn_new(arena, "network");
    IrRef x = leaf(fn, IR_INPUT, "x", real, 2, (int64_t[]){IR_EVENTS, widths[0]}), weights[6], g[6], refused;
    for (int l = 0; l < 3; l++) {
      weights[2 * l] = leaf(fn, IR_PARAM, arena_printf(arena, "w%d", l), real, 2, (int64_t[]){widths[l], widths[l + 1]});
      weights[2 * l + 1] = leaf(fn, IR_PARAM, arena_printf(arena, "b%d", l), real, 1, &widths[l + 1]);
      x = ir_einsum(fn, "ek,kn->en", x, weights[2 * l]);
      x = ir_binary(fn, IR_ADD, x, ir_broadcast_like(fn, weights[2 * l + 1], x));
      if (l < 2) x = l ? ir_unary(fn, IR_TANH, x) : ir_binary(fn, IR_MAX, x, ir_number(fn, real, 0));
    }
    ir_output(fn, "y", x);
    IrRef loss = ir_sum(fn, ir_cast(fn, ir_binary(fn, IR_MUL, x, x), IR_F64), 3);
    ir_output(fn, "loss", loss);
    assert_true(ad_gradient(fn, loss, IR_NONE, weights, 6, g, &refused));
    for (int k = 0; k < 6; k++) {
      IrRef m = ir_leaf(fn, IR_STATE, arena_printf(arena, "m%d", k), *ir_type_of(fn, weights[k]));
      m = ir_binary(fn, IR_ADD, ir_binary(fn, IR_MUL, m, ir_number(fn, real, 0.5)), g[k]);
      ir_output(fn, arena_printf(arena, "set:m%d", k), m);
      ir_output(fn, arena_printf(arena, "set:w%d", k), ir_binary(fn, IR_SUB, weights[k], ir_binary(fn, IR_MUL, m, ir_number(fn, real, 0.01))));
    }
    checked_check(fn, 3, !f64, f64 ? "network f64" : "network f32");
    arena_destroy(arena);
  }
}

typedef struct Contraction {
  const char *spec;
  int rank[2];
  int64_t axes[2][4];
} Contraction;

// Every kind of contraction: dense in both orientations, weight gradients, per-event matrices, weights alone.
static void test_contractions(void **state) {
  (void)state;
  enum { E = IR_EVENTS };
  static const Contraction all[] = {
      {"ek,kn->en", {2, 2}, {{E, 37}, {37, 41}}},
      {"ek,nk->en", {2, 2}, {{E, 37}, {41, 37}}},
      {"nk,ek->en", {2, 2}, {{41, 7}, {E, 7}}},
      {"ek,kn->en", {2, 2}, {{E, 1}, {1, 16}}},
      {"ek,kn->en", {2, 2}, {{E, 67}, {67, 83}}},
      {"esk,skn->esn", {3, 3}, {{E, 2, 64}, {2, 64, 70}}},
      {"esk,kn->esn", {3, 2}, {{E, 3, 9}, {9, 17}}},
      {"esk,skn->esn", {3, 3}, {{E, 3, 9}, {3, 9, 17}}},
      {"esk,skn->en", {3, 3}, {{E, 3, 9}, {3, 9, 17}}},
      {"eks,skn->en", {3, 3}, {{E, 9, 3}, {3, 9, 17}}},
      {"ek,en->kn", {2, 2}, {{E, 37}, {E, 41}}},
      {"ek,en->nk", {2, 2}, {{E, 5}, {E, 33}}},
      {"esk,esn->kn", {3, 3}, {{E, 3, 9}, {E, 3, 17}}},
      {"esk,esn->skn", {3, 3}, {{E, 3, 9}, {E, 3, 17}}},
      {"e,en->n", {1, 2}, {{E}, {E, 20}}},
      {"e,e->", {1, 1}, {{E}, {E}}},
      {"esk,etk->est", {3, 3}, {{E, 4, 5}, {E, 6, 5}}},
      {"ek,ek->e", {2, 2}, {{E, 30}, {E, 30}}},
      {"ei,ej->eij", {2, 2}, {{E, 4}, {E, 3}}},
      {"ij,jk->ik", {2, 2}, {{6, 7}, {7, 8}}},
  };
  for (size_t c = 0; c < sizeof all / sizeof *all; c++) {
    for (int f64 = 0; f64 < 2; f64++) {
      Arena *arena = arena_create();
      IrFn *fn = ir_fn_new(arena, "contraction");
      IrRef r[2];
      for (int k = 0; k < 2; k++)
        r[k] = leaf(fn, all[c].axes[k][0] == E ? IR_INPUT : IR_PARAM, k ? "b" : "a", f64 ? IR_F64 : IR_F32, all[c].rank[k], all[c].axes[k]);
      ir_output(fn, "y", ir_einsum(fn, all[c].spec, r[0], r[1]));
      checked_check(fn, 7 + 4 * ((c + f64) % 2), !f64, all[c].spec); // made quickly or with care
      arena_destroy(arena);
    }
  }
}

// The zeros that a ReLU leaves are skipped where one event is computed: the same bits, down to the sign of sums whose terms are all too
// small for any number but zero.
static void test_skipped_zeros(void **state) {
  (void)state;
  enum { EVENTS = 8, K = 40, N = 21 };
  for (int f64 = 0; f64 < 2; f64++) {
    Arena *arena = arena_create();
    IrDtype real = f64 ? IR_F64 : IR_F32;
    IrFn *fn = ir_fn_new(arena, "zeros");
    IrRef x = leaf(fn, IR_INPUT, "x", real, 2, (int64_t[]){IR_EVENTS, K}), w = leaf(fn, IR_PARAM, "w", real, 2, (int64_t[]){K, N});
    ir_output(fn, "y", ir_einsum(fn, "ek,kn->en", ir_binary(fn, IR_MAX, x, ir_number(fn, real, 0)), w));
    double tiny = f64 ? 1e-200 : 1e-30, *xs = ARENA_ARRAY(arena, double, EVENTS *K), *ws = ARENA_ARRAY(arena, double, K *N);
    for (int i = 0; i < EVENTS * K; i++) xs[i] = (i % K + i / K) % 2 ? -1 : tiny;
    for (int i = 0; i < K * N; i++) ws[i] = i % N % 3 == 0 ? -tiny : i % N % 3 == 1 ? (i / N % 2 ? tiny : -tiny) : 0.25 * (i % 7) / tiny;
    IrArray leaves[] = {{.name = "x", .data = xs, .n = EVENTS * K}, {.name = "w", .data = ws, .n = K * N}};
    IrEnv env = {.events = EVENTS, .leaves = leaves, .n_leaves = 2};
    CodegenOptions options = codegen_defaults();
    HgmProgram *program = codegen_compile(fn, &options, NULL, NULL);
    options.tile = 1;
    HgmProgram *single = codegen_compile(fn, &options, NULL, NULL);
    void **many = checked_execute(arena, program, &env, 1), **one = checked_execute(arena, single, &env, 1);
    checked_same_bits(program, many, one, EVENTS, UINT32_MAX, "zeros", "many events and one at a time");
    int minus = 0, plus = 0, other = 0;
    for (int i = 0; i < EVENTS * N; i++) {
      double y = checked_get(many[0], (HgmDtype)real, i);
      *(y != 0 ? &other : signbit(y) ? &minus : &plus) += 1;
    }
    assert_true(minus > 0 && plus > 0 && other > 0);
    codegen_free(program);
    codegen_free(single);
    arena_destroy(arena);
  }
}

// A handle for single events refuses weights with which skipping zeros would hide a NaN, and programs for many events.
static void test_one_refuses(void **state) {
  (void)state;
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "refused");
  IrRef x = leaf(fn, IR_INPUT, "x", IR_F32, 2, (int64_t[]){IR_EVENTS, 2}), w = leaf(fn, IR_PARAM, "weight", IR_F32, 2, (int64_t[]){2, 8});
  ir_output(fn, "y", ir_einsum(fn, "ek,kn->en", x, w));
  CodegenOptions options = codegen_defaults();
  for (int tile = 1; tile <= 128; tile += 127) {
    options.tile = (uint32_t)tile;
    HgmProgram *program = codegen_compile(fn, &options, NULL, NULL);
    float weights[16] = {1, 2, tile == 1 ? INFINITY : 3};
    const void *leaves[2];
    leaves[hgm_port_find(program->leaves, 2, "x")] = NULL;
    leaves[hgm_port_find(program->leaves, 2, "weight")] = weights;
    HgmError error = {0};
    assert_null(hgm_one_create(program, &(HgmCall){.leaves = leaves, .outputs = (void *[]){NULL}}, &error));
    assert_non_null(strstr(error.text, tile == 1 ? "weight holds a number that is not finite" : "compiled for many events"));
    codegen_free(program);
  }
  arena_destroy(arena);
}

// What needs all events first crosses a phase: standardised with the batch's own mean and spread.
static void test_phases(void **state) {
  (void)state;
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "phases");
  IrRef x = leaf(fn, IR_INPUT, "x", IR_F64, 2, (int64_t[]){IR_EVENTS, 6}), n = ir_leaf(fn, IR_COUNTER, "n", ir_scalar(IR_F64));
  IrRef t = ir_unary(fn, IR_TANH, x), shift = ir_binary(fn, IR_ADD, n, ir_number(fn, IR_F64, 100));
  IrRef mean = ir_binary(fn, IR_DIV, ir_sum(fn, t, 1), shift);
  IrRef d = ir_binary(fn, IR_SUB, t, ir_broadcast_like(fn, mean, t));
  IrRef spread = ir_unary(fn, IR_SQRT, ir_binary(fn, IR_ADD, ir_sum(fn, ir_binary(fn, IR_MUL, d, d), 1), ir_number(fn, IR_F64, 1)));
  IrRef z = ir_binary(fn, IR_DIV, d, ir_broadcast_like(fn, spread, d));
  ir_output(fn, "z", z);
  ir_output(fn, "largest", ir_amax(fn, z, 1));
  ir_output(fn, "x", x); // an input as it came
  checked_check(fn, 2, false, "phases");
  arena_destroy(arena);
}

// Windows along both axes of [e,h,w,c] as [e,h',w',i,j,c].
static IrRef image_windows(IrFn *fn, IrRef x, int64_t size, int64_t step) {
  IrRef both = ir_windows(fn, ir_windows(fn, x, 1, size, step), 3, size, step);
  return ir_transpose(fn, both, (int8_t[]){0, 1, 3, 2, 4, 5});
}

typedef struct Image {
  const char *spec;
  int64_t h, w, c, size, step, channels, pad, dilation;
} Image;

// Convolutions and layers with weights of their own at each place, their derivatives by image and weights, second ones too.
static void test_images(void **state) {
  (void)state;
  static const Image all[] = {
      {"ehwijc,ijco->ehwo", 7, 6, 3, 3, 1, 20, 1, 1},
      {"ehwijc,ijco->ehwo", 9, 9, 1, 5, 2, 4, 2, 1},
      {"ehwijc,hwijco->ehwo", 6, 5, 3, 3, 1, 6, 0, 1},
      {"ehwijc,hwijco->ehwo", 7, 7, 8, 3, 2, 8, 1, 1},
      {"ehwijc,ijco->ehwo", 4, 4, 17, 2, 1, 9, 1, 2},
      // most places at the rim: pads as wide as half the kernel, wider than that, and such that some numbers of the kernel meet no image at all
      {"ehwijc,ijco->ehwo", 4, 3, 8, 5, 1, 16, 2, 1},
      {"ehwijc,ijco->ehwo", 5, 4, 8, 3, 2, 16, 2, 1},
      {"ehwijc,hwijco->ehwo", 3, 4, 16, 5, 1, 6, 2, 1},
      {"ehwijc,ijco->ehwo", 1, 2, 8, 5, 1, 8, 2, 1},
      {"ehwijc,ijco->ehwo", 2, 2, 8, 2, 1, 8, 2, 1},
      {"ehwijc,hwijco->ehwo", 4, 4, 8, 3, 2, 8, 1, 2},
      // several vectors of outputs, several blocks of places, whose ends have fewer terms
      {"ehwijc,ijco->ehwo", 2, 11, 5, 5, 1, 40, 2, 1},
      {"ehwijc,hwijco->ehwo", 2, 11, 5, 5, 1, 6, 2, 1},
  };
  for (size_t c = 0; c < sizeof all / sizeof *all; c++) {
    const Image *a = &all[c];
    IrDtype real = c % 2 ? IR_F64 : IR_F32;
    Arena *arena = arena_create();
    IrFn *fn = ir_fn_new(arena, "image");
    IrRef x = leaf(fn, IR_INPUT, "x", real, 4, (int64_t[]){IR_EVENTS, a->h, a->w, a->c}), k, g[2], refused;
    IrRef padded = ir_pad(fn, ir_pad(fn, x, 1, a->pad, a->pad, a->dilation), 2, a->pad, a->pad, a->dilation);
    IrRef view = image_windows(fn, padded, a->size, a->step);
    int64_t out = ir_type_of(fn, view)->axes[1], wide = ir_type_of(fn, view)->axes[2];
    if (a->spec[7] == 'h') k = leaf(fn, IR_PARAM, "k", real, 6, (int64_t[]){out, wide, a->size, a->size, a->c, a->channels});
    else k = leaf(fn, IR_PARAM, "k", real, 4, (int64_t[]){a->size, a->size, a->c, a->channels});
    IrRef y = ir_einsum(fn, a->spec, view, k), act = ir_unary(fn, IR_TANH, y);
    IrRef loss = ir_sum(fn, ir_binary(fn, IR_MUL, act, act), 15);
    ir_output(fn, "y", y);
    ir_output(fn, "loss", loss);
    assert_true(ad_gradient(fn, loss, IR_NONE, (IrRef[]){x, k}, 2, g, &refused));
    ir_output(fn, "g x", g[0]);
    ir_output(fn, "g k", g[1]);
    IrRef twice = ir_sum(fn, ir_binary(fn, IR_MUL, g[0], g[0]), 15), h[2];
    assert_true(ad_gradient(fn, twice, IR_NONE, (IrRef[]){x, k}, 2, h, &refused));
    ir_output(fn, "h x", h[0]);
    ir_output(fn, "h k", h[1]);
    checked_check(fn, 2 + c % 2, real == IR_F32, arena_printf(arena, "image %zu", c));
    arena_destroy(arena);
  }
}

static IrRef pairs_of(IrFn *fn, IrRef x, bool second) {
  IrType t = *ir_type_of(fn, x);
  int8_t order[IR_MAX_RANK];
  for (int i = t.rank; i > 1; i--) t.axes[i] = t.axes[i - 1], order[i] = (int8_t)(i - 1);
  t.axes[1] = IR_PAIRS;
  order[0] = second ? -1 : 0;
  order[1] = second ? 0 : -1;
  return ir_broadcast(fn, x, t.rank + 1, t.axes, order);
}

// The first n outputs, all per event, have the same bits for any tile.
static void expect_same_for_any_tile(Arena *arena, const IrFn *fn, uint32_t n) {
  static const uint32_t tiles[] = {16, 48, 128};
  IrEnv env = {.events = CHECKED_MOST_EVENTS, .seed = 5, .pass = 3};
  random_leaves(arena, fn, 1, &env);
  void **first = NULL;
  for (int i = 0; i < 3; i++) {
    CodegenOptions options = codegen_defaults();
    options.tile = tiles[i];
    HgmProgram *program = codegen_compile(fn, &options, NULL, NULL);
    void **outputs = checked_execute(arena, program, &env, 2);
    if (i == 0) first = outputs;
    for (uint32_t o = 0; o < n; o++)
      if (memcmp(first[o], outputs[o], checked_bytes(program->outputs[o].dtype) * (size_t)(program->outputs[o].elements * env.events)) != 0)
        fail_msg("%s differs between tiles of %u and %u events", program->outputs[o].name, tiles[0], tiles[i]);
    codegen_free(program);
  }
}

// Pairs of events: kernel sums, minibatch features, a softmax over the other events, an attention, both orientations and
// what follows from their derivatives.
static void test_pairs(void **state) {
  (void)state;
  for (int f64 = 0; f64 < 2; f64++) {
    IrDtype real = f64 ? IR_F64 : IR_F32;
    Arena *arena = arena_create();
    IrFn *fn = ir_fn_new(arena, "pairs");
    IrRef x = leaf(fn, IR_INPUT, "x", real, 3, (int64_t[]){IR_EVENTS, 3, 2}), w = leaf(fn, IR_PARAM, "w", real, 3, (int64_t[]){3, 2, 2});
    IrRef m = ir_einsum(fn, "eki,kij->ekj", x, w);
    IrRef d = ir_sum(fn, ir_unary(fn, IR_ABS, ir_binary(fn, IR_SUB, pairs_of(fn, m, false), pairs_of(fn, m, true))), 8);
    IrRef near = ir_unary(fn, IR_EXP, ir_unary(fn, IR_NEG, d)), features = ir_sum(fn, near, 2);
    IrRef score = ir_einsum(fn, "eki,fki->ef", m, ir_unary(fn, IR_TANH, x));
    IrRef most = ir_amax(fn, score, 2), soft = ir_unary(fn, IR_EXP, ir_binary(fn, IR_SUB, score, pairs_of(fn, most, false)));
    IrRef attention = ir_einsum(fn, "ef,fki->eki", soft, x);
    ir_output(fn, "features", features);
    ir_output(fn, "attention", attention);
    ir_output(fn, "of the other", ir_sum(fn, ir_cumsum(fn, ir_binary(fn, IR_MUL, near, near), 2, true, true), 1));
    ir_output(fn, "nearest", ir_sum(fn, ir_cast(fn, ir_argmax(fn, near, 2), real), 2));
    IrRef loss = ir_binary(fn, IR_ADD, ir_sum(fn, ir_binary(fn, IR_MUL, features, features), 3), ir_sum(fn, ir_unary(fn, IR_TANH, attention), 7));
    loss = ir_binary(fn, IR_ADD, loss, ir_sum(fn, near, 7));
    IrRef g[2], refused;
    assert_true(ad_gradient(fn, loss, IR_NONE, (IrRef[]){x, w}, 2, g, &refused));
    ir_output(fn, "loss", loss);
    ir_output(fn, "g x", g[0]);
    ir_output(fn, "g w", g[1]);
    checked_check(fn, 2, !f64, f64 ? "pairs f64" : "pairs f32");
    checked_check(fn, 3, !f64, f64 ? "pairs f64, large tile" : "pairs f32, large tile");
    expect_same_for_any_tile(arena, fn, 4);
    arena_destroy(arena);
  }
}

// Gathers from what has no array of its own, and the inverse of a constant.
static void test_constants(void **state) {
  (void)state;
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "constants");
  IrRef x = leaf(fn, IR_INPUT, "x", IR_F64, 1, (int64_t[]){IR_EVENTS});
  IrRef index = ir_cast(fn, ir_binary(fn, IR_MUL, ir_unary(fn, IR_ABS, x), ir_number(fn, IR_F64, 6)), IR_I32);
  ir_output(fn, "from iota", ir_gather(fn, ir_iota(fn, ir_type(IR_F64, 1, (int64_t[]){9}), 0), index, 0, 0));
  ir_output(fn, "from number", ir_gather(fn, ir_fill(fn, ir_type(IR_F64, 1, (int64_t[]){9}), 2.5), index, 0, 0));
  double same[9] = {2, 2, 2, 2, 2, 2, 2, 2, 2};
  ir_output(fn, "inverse", ir_tri_inverse(fn, ir_const(fn, ir_type(IR_F64, 2, (int64_t[]){3, 3}), same), true));
  checked_check(fn, 2, false, "constants");
  arena_destroy(arena);
}

// Without events: what weights start from is drawn, and sums are zero.
static void test_no_events(void **state) {
  (void)state;
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "start");
  ir_output(fn, "value", ir_draw(fn, IR_DRAW_NORMAL, "w", ir_type(IR_F32, 2, (int64_t[]){7, 5})));
  IrRef x = leaf(fn, IR_INPUT, "x", IR_F32, 2, (int64_t[]){IR_EVENTS, 3});
  ir_output(fn, "sum", ir_sum(fn, x, 1));
  CodegenOptions options = codegen_defaults();
  HgmProgram *program = codegen_compile(fn, &options, NULL, NULL);
  IrEnv none = {.events = 1, .seed = 5}, env;
  random_leaves(arena, fn, 1, &none);
  const IrArray *exact = checked_evaluate(arena, fn, &none);
  env = none;
  void **some = checked_execute(arena, program, &env, 1);
  HgmError error = {0};
  HgmWork *work = hgm_work_create(program, 1, 0, NULL, &error);
  float value[35], sum[3] = {9, 9, 9};
  void *outputs[2] = {value, sum};
  HgmCall call = {.leaves = (const void *[]){NULL}, .outputs = outputs, .seed = 5};
  if (!hgm_execute(program, work, NULL, &call, &error)) fail_msg("%s", error.text);
  assert_memory_equal(value, some[0], sizeof value);
  for (int i = 0; i < 35; i++) assert_true(fabs((double)value[i] - exact[0].data[i]) < 1e-5);
  for (int i = 0; i < 3; i++) assert_true(sum[i] == 0);
  hgm_work_destroy(work);
  codegen_free(program);
  arena_destroy(arena);
}

// Zeros around rows, then around columns, of what one kernel computes: no other copies it.
static void pads_of_pads_copy_nothing(IrDtype real) {
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "pads");
  IrRef x = leaf(fn, IR_INPUT, "x", real, 4, (int64_t[]){IR_EVENTS, 9, 9, 32}), w = leaf(fn, IR_PARAM, "w", real, 2, (int64_t[]){32, 16});
  IrRef once = ir_pad(fn, ir_unary(fn, IR_TANH, x), 1, 2, 2, 1);
  ir_output(fn, "y", ir_einsum(fn, "ehwk,kn->ehwn", ir_pad(fn, once, 2, 2, 2, 1), w));
  CodegenOptions options = codegen_defaults();
  CodegenStats stats;
  codegen_free(codegen_compile(fn, &options, NULL, &stats));
  assert_int_equal(stats.commands, 4); // tanh, zeros twice, the product
  arena_destroy(arena);
}

// What is put together and read by one of its kind alone is made inside of it: pads of pads, also with gaps, reshapes that copy, lists of lists.
static void test_parts(void **state) {
  (void)state;
  for (int f32 = 0; f32 < 2; f32++) {
    Arena *arena = arena_create();
    IrFn *fn = ir_fn_new(arena, "parts");
    IrRef x = leaf(fn, IR_INPUT, "x", f32 ? IR_F32 : IR_F64, 3, (int64_t[]){IR_EVENTS, 3, 4}), y = ir_unary(fn, IR_TANH, x);
    ir_output(fn, "padded", ir_unary(fn, IR_NEG, ir_pad(fn, ir_pad(fn, y, 1, 2, 1, 1), 2, 1, 3, 1)));
    ir_output(fn, "gaps", ir_unary(fn, IR_NEG, ir_pad(fn, ir_pad(fn, ir_pad(fn, y, 1, 1, 0, 3), 2, 0, 2, 2), 1, 1, 1, 2)));
    IrRef turned = ir_reshape(fn, ir_transpose(fn, y, (int8_t[]){0, 2, 1}), 3, ir_type_of(fn, y)->axes);
    ir_output(fn, "turned", ir_unary(fn, IR_NEG, ir_pad(fn, ir_pad(fn, turned, 1, 1, 1, 1), 2, 1, 0, 1)));
    IrRef zeros = ir_fill(fn, *ir_type_of(fn, x), 0), list = ir_concat(fn, (IrRef[]){y, ir_pad(fn, x, 1, 1, 0, 1)}, 2, 1);
    ir_output(fn, "list", ir_unary(fn, IR_NEG, ir_concat(fn, (IrRef[]){zeros, list, ir_unary(fn, IR_EXP, y)}, 3, 1)));
    IrRef shared = ir_concat(fn, (IrRef[]){x, y}, 2, 1);
    ir_output(fn, "shared", ir_pad(fn, shared, 1, 1, 1, 1));
    ir_output(fn, "whole", shared);
    checked_check(fn, 2, f32, arena_printf(arena, "parts, f32 %d", f32));
    pads_of_pads_copy_nothing(f32 ? IR_F32 : IR_F64);
    arena_destroy(arena);
  }
}

// Draws of neighbours share blocks of Philox along a last axis of whole blocks, or along the only axis; elsewhere each is drawn alone.
static void test_draws(void **state) {
  (void)state;
  static const int64_t axes[][3] = {{IR_EVENTS, 7, 1}, {IR_EVENTS, 1, 9}, {IR_EVENTS, 3, 8}, {IR_EVENTS, 3, 5}, {IR_EVENTS, 5, 6}, {IR_EVENTS, 8, 1}};
  for (int f32 = 0; f32 < 2; f32++)
    for (int kind = IR_DRAW_BITS; kind <= IR_DRAW_NORMAL; kind++) {
      Arena *arena = arena_create();
      IrFn *fn = ir_fn_new(arena, "draws");
      IrDtype real = f32 ? IR_F32 : IR_F64;
      for (size_t i = 0; i < sizeof axes / sizeof *axes; i++) {
        IrRef draw = ir_draw(fn, (IrDraw)kind, arena_printf(arena, "site %zu", i), ir_type(kind == IR_DRAW_BITS ? IR_I32 : real, 3, axes[i]));
        IrRef x = leaf(fn, IR_INPUT, arena_printf(arena, "x %zu", i), real, 3, axes[i]), y = kind == IR_DRAW_BITS ? draw : ir_binary(fn, IR_MUL, draw, x);
        ir_output(fn, arena_printf(arena, "y %zu", i), y);
        ir_output(fn, arena_printf(arena, "sum %zu", i), ir_sum(fn, y, 2));
      }
      checked_check(fn, 3, f32, arena_printf(arena, "draws of kind %d, f32 %d", kind, f32));
      arena_destroy(arena);
    }
}

// Decisions that the last bits of tanh make may fall either way: float32's tanh of these numbers is the number itself or its neighbour.
static void test_open_decisions(void **state) {
  (void)state;
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "open");
  IrRef x = ir_binary(fn, IR_MUL, leaf(fn, IR_INPUT, "x", IR_F32, 2, (int64_t[]){IR_EVENTS, 8}), ir_number(fn, IR_F32, 1e-3));
  IrRef t = ir_unary(fn, IR_TANH, x), both = ir_concat(fn, (IrRef[]){t, x}, 2, 1);
  ir_output(fn, "less", ir_select(fn, ir_binary(fn, IR_LT, x, t), ir_binary(fn, IR_ADD, x, ir_number(fn, IR_F32, 1)), x));
  ir_output(fn, "whole", ir_unary(fn, IR_FLOOR, ir_binary(fn, IR_DIV, t, x)));
  ir_output(fn, "rest", ir_binary(fn, IR_MOD, t, x));
  ir_output(fn, "largest", ir_argmax(fn, both, 1));
  ir_output(fn, "order", ir_sort(fn, both, 1, 16, false));
  checked_check(fn, 1, true, "open decisions");
  arena_destroy(arena);
}

// Exchanges an op of the function for a related one.
static bool make_fault(IrFn *fn, uint64_t seed) {
  static const IrOp others[IR_OP_COUNT] = {[IR_ADD] = IR_SUB,  [IR_SUB] = IR_ADD,     [IR_MUL] = IR_ADD,  [IR_MAX] = IR_MIN,  [IR_MIN] = IR_MAX,
                                           [IR_EXP] = IR_SINH, [IR_FLOOR] = IR_ROUND, [IR_TANH] = IR_SIN, [IR_SUM] = IR_AMAX, [IR_LT] = IR_EQ};
  size_t n = fn->values.len;
  for (size_t i = 0; i < n; i++) {
    IrValue *v = &fn->values.at[(seed * 7919 + i) % n];
    if (!others[v->op]) continue;
    v->op = others[v->op];
    return true;
  }
  return false;
}

// What compiled code does otherwise is found, however many decisions are open; now and then it reaches only a comparison that it does not turn.
static void test_faults(void **state) {
  (void)state;
  enum { PROGRAMS = SANITIZED ? 6 : 24 };
  int made = 0, found = 0;
  for (uint64_t seed = 0; seed < PROGRAMS; seed++) {
    Arena *arena = arena_create();
    IrDtype real = seed % 2 ? IR_F32 : IR_F64;
    RandomOptions options = {.ops = 12};
    IrFn *meant = random_program(arena, seed, real, &options), *wrong = random_program(arena, seed, real, &options);
    assert_null(checked_difference(arena, meant, meant, seed, real == IR_F32));
    bool fault = make_fault(wrong, seed);
    made += fault;
    found += fault && checked_difference(arena, wrong, meant, seed, real == IR_F32);
    arena_destroy(arena);
  }
  printf("%d of %d faults are found\n", found, made);
  assert_true(made >= PROGRAMS * 9 / 10 && found >= made * 9 / 10);
}

// More outputs: the slopes of the loss by the first real leaves, unless an op on the way has no derivative.
static void add_gradients(IrFn *fn) {
  enum { MOST = 8 };
  IrRef loss = fn->outputs.at[fn->outputs.len - 1].value, wrt[MOST] = {0}, g[MOST], refused;
  uint32_t n = 0;
  for (IrRef r = 0; r < fn->values.len && n < MOST; r++)
    if ((ir_at(fn, r)->op == IR_PARAM || ir_at(fn, r)->op == IR_INPUT) && ir_is_real(ir_type_of(fn, r))) wrt[n++] = r;
  if (!ad_gradient(fn, loss, IR_NONE, wrt, n, g, &refused)) return;
  for (uint32_t i = 0; i < n; i++)
    if (g[i] != IR_NONE) ir_output(fn, arena_printf(fn->arena, "slope%u", i), g[i]);
}

static void check_random(uint64_t seed, IrDtype real, bool reached[IR_OP_COUNT]) {
  Arena *arena = arena_create();
  RandomOptions options = {.ops = seed % 5 == 4 ? IR_OP_COUNT : 12 + (int)(seed % 7) * 6, .no_pairs = seed % 4 == 0, .no_events_reduced = seed % 3 == 0};
  IrFn *fn = random_program(arena, seed, real, &options);
  if (seed % 6 == 1) add_gradients(fn);
  checked_check(fn, seed, real == IR_F32, arena_printf(arena, "seed %llu %s", (unsigned long long)seed, real == IR_F32 ? "f32" : "f64"));
  for (IrRef r = 0; r < fn->values.len; r++) reached[ir_at(fn, r)->op] = true;
  arena_destroy(arena);
}

// HGM_LONG: 2,000 programs, each in both precisions. HGM_TEST_SEED=FIRST[-LAST]: these, as in the long test.
static void test_random(void **state) {
  (void)state;
  enum { SAMPLE = SANITIZED ? 10 : 40, ALL = 2000 };
  bool reached[IR_OP_COUNT] = {0}, thorough = getenv("HGM_LONG") != NULL;
  unsigned long long first = 0, last = thorough ? ALL - 1 : SAMPLE - 1;
  const char *chosen = getenv("HGM_TEST_SEED");
  if (chosen && sscanf(chosen, "%llu-%llu", &first, &last) == 1) last = first;
  for (uint64_t seed = first; seed <= last; seed++)
    for (int f32 = 0; f32 < 2 && part_has(seed, ALL); f32++)
      if (thorough || chosen || (int)(seed % 2) == f32) check_random(seed, f32 ? IR_F32 : IR_F64, reached);
  for (int op = 0; op < IR_OP_COUNT && !chosen; op++)
    if (!reached[op]) fail_msg("no program has %s", ir_op_info[op].name);
}

// Code for other processors gives the bits of code for this one.
static void test_targets(void **state) {
  (void)state;
  static const char *const targets[] = {NULL, "haswell", "znver3", "x86-64-v3"};
  enum { TARGETS = sizeof targets / sizeof *targets, PROGRAMS = 4 };
  for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
    Arena *arena = arena_create();
    IrDtype real = seed % 2 ? IR_F32 : IR_F64;
    IrFn *fn = random_program(arena, 31 * seed, real, &(RandomOptions){.ops = 60});
    add_gradients(fn);
    IrEnv env = {.events = CHECKED_MOST_EVENTS, .seed = 5, .pass = 3};
    random_leaves(arena, fn, seed, &env);
    void **outputs[TARGETS];
    for (int t = 0; t < TARGETS; t++) {
      CodegenOptions options = codegen_defaults();
      options.cpu = targets[t];
      HgmProgram *program = codegen_compile(fn, &options, NULL, NULL);
      outputs[t] = checked_execute(arena, program, &env, 2);
      for (uint32_t o = 0; o < program->n_outputs; o++) {
        const HgmPort *port = &program->outputs[o];
        size_t n = checked_bytes(port->dtype) * (size_t)(port->elements * (port->per_event ? env.events : 1));
        if (memcmp(outputs[0][o], outputs[t][o], n) != 0) fail_msg("seed %d: %s differs for %s", (int)seed, port->name, targets[t]);
      }
      codegen_free(program);
    }
    arena_destroy(arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sum),       cmocka_unit_test(test_network),       cmocka_unit_test(test_contractions), cmocka_unit_test(test_phases),
      cmocka_unit_test(test_constants), cmocka_unit_test(test_no_events),     cmocka_unit_test(test_draws),        cmocka_unit_test(test_parts),
      cmocka_unit_test(test_pairs),     cmocka_unit_test(test_skipped_zeros), cmocka_unit_test(test_one_refuses),  cmocka_unit_test(test_open_decisions),
      cmocka_unit_test(test_faults),    cmocka_unit_test(test_images),        cmocka_unit_test(test_targets),      cmocka_unit_test(test_random)};
  if (getenv("HGM_TEST_SEED") || !part_has(0, 1)) cmocka_set_test_filter("test_random");
  return cmocka_run_group_tests(tests, NULL, NULL);
}
