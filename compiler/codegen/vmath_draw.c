// Draws: Philox 4x32-10 for all lanes at once, and the numbers made of its words (rules: runtime/philox.h).
#include "compiler/codegen/vmath_internal.h"

// Product of 32-bit words: high and low word. Lanes in pairs, as the machine's 32 x 32 -> 64 bit product takes them.
static void product_words(CodeModule *m, Value a, uint32_t constant, Value *high, Value *low) {
  LLVMTypeRef type = LLVMTypeOf(a);
  unsigned lanes = emit_lanes(type);
  LLVMTypeRef pairs = emit_with_lanes(m->i64, lanes > 1 ? lanes / 2 : 1);
  if (lanes == 1) {
    Value product = LLVMBuildMul(m->builder, LLVMBuildZExt(m->builder, a, pairs, ""), emit_integer(pairs, constant), "");
    *low = LLVMBuildTrunc(m->builder, product, type, "");
    *high = LLVMBuildTrunc(m->builder, right(m, product, 32), type, "");
    return;
  }
  Value both = LLVMBuildBitCast(m->builder, a, pairs, ""), lower = emit_integer(pairs, 0xffffffff);
  Value factor = emit_integer(pairs, constant);
  Value even = LLVMBuildMul(m->builder, LLVMBuildAnd(m->builder, both, lower, ""), factor, "");
  Value odd = LLVMBuildMul(m->builder, right(m, both, 32), factor, "");
  Value low_pairs = LLVMBuildOr(m->builder, LLVMBuildAnd(m->builder, even, lower, ""), left(m, odd, 32), "");
  Value high_pairs = LLVMBuildOr(m->builder, right(m, even, 32), LLVMBuildAnd(m->builder, odd, emit_integer(pairs, 0xffffffff00000000u), ""), "");
  *low = LLVMBuildBitCast(m->builder, low_pairs, type, "");
  *high = LLVMBuildBitCast(m->builder, high_pairs, type, "");
}

static Value xor3(CodeModule *m, Value a, Value b, Value c) { return LLVMBuildXor(m->builder, LLVMBuildXor(m->builder, a, b, ""), c, ""); }

// A loop over the rounds: unrolled, the chain of ten costs thirty times as long to compile.
void vmath_philox(CodeModule *m, const VDraw *draw, Value block, Value words[4]) {
  enum { ROUNDS = 10 };
  LLVMTypeRef type = LLVMTypeOf(draw->event_lo);
  Value c3 = LLVMTypeOf(block) == type ? block : emit_splat(m, type, block);
  Value k0 = LLVMBuildTrunc(m->builder, draw->key, m->i32, ""), k1 = LLVMBuildTrunc(m->builder, right(m, draw->key, 32), m->i32, "");
  Value start[] = {draw->event_lo, draw->event_hi, emit_splat(m, type, draw->pass), c3, k0, k1};
  EmitLoop loop = emit_loop(m, "philox", emit_index(m, 0), emit_index(m, ROUNDS), 1, start, 6);
  const Value *c = loop.carried, *k = loop.carried + 4;
  Value high0, low0, high1, low1;
  product_words(m, c[0], 0xD2511F53u, &high0, &low0);
  product_words(m, c[2], 0xCD9E8D57u, &high1, &low1);
  Value next[] = {xor3(m, high1, c[1], emit_splat(m, type, k[0])), low1,
                  xor3(m, high0, c[3], emit_splat(m, type, k[1])), low0,
                  iadd(m, k[0], whole(k[0], 0x9E3779B9u)),         iadd(m, k[1], whole(k[1], 0xBB67AE85u))};
  emit_loop_end(m, &loop, next);
  memcpy(words, loop.carried, 4 * sizeof *words);
}

// The random bits become the fraction of a number in [1, 2); subtracting 1 - half a step is exact.
Value vmath_uniform32(CodeModule *m, Value word) {
  LLVMTypeRef type = LLVMTypeOf(word), real = emit_with_lanes(m->f32, emit_lanes(type));
  Value bits = LLVMBuildOr(m->builder, right(m, word, 9), emit_integer(type, 0x3f800000), "");
  return sub(m, LLVMBuildBitCast(m->builder, bits, real, ""), emit_number(real, 0x1.fffffep-1));
}

Value vmath_uniform64(CodeModule *m, Value low, Value high) {
  unsigned lanes = emit_lanes(LLVMTypeOf(low));
  LLVMTypeRef type = emit_with_lanes(m->i64, lanes), real = emit_with_lanes(m->f64, lanes);
  Value wide = left(m, LLVMBuildZExt(m->builder, high, type, ""), 32);
  wide = LLVMBuildOr(m->builder, wide, LLVMBuildZExt(m->builder, low, type, ""), "");
  Value bits = LLVMBuildOr(m->builder, right(m, wide, 12), emit_integer(type, 0x3ff0000000000000u), "");
  return sub(m, LLVMBuildBitCast(m->builder, bits, real, ""), emit_number(real, 0x1.fffffffffffffp-1));
}

void vmath_normal_pair(CodeModule *m, Value u1, Value u2, Value normals[2]) {
  Value sine, cosine, radius = emit_sqrt(m, mul(m, vmath_log(m, u1), number(u1, -2)));
  vmath_sincos_turns(m, u2, &sine, &cosine);
  normals[0] = mul(m, radius, cosine);
  normals[1] = mul(m, radius, sine);
}

static Value event_number(CodeModule *m, const VDraw *draw) {
  LLVMTypeRef real = emit_with_lanes(m->f64, emit_lanes(LLVMTypeOf(draw->event_lo)));
  Value high = LLVMBuildUIToFP(m->builder, draw->event_hi, real, ""), low = LLVMBuildUIToFP(m->builder, draw->event_lo, real, "");
  return add(m, mul(m, high, emit_number(real, 0x1p32)), low);
}

unsigned vmath_draw_block(CodeModule *m, const VDraw *draw, Value block, int kind, bool f64, Value elements[4]) {
  Value w[4];
  if (kind == 3) {
    elements[0] = event_number(m, draw);
    return 1;
  }
  vmath_philox(m, draw, block, kind ? w : elements);
  if (kind == 0) return 4;
  unsigned n = f64 ? 2 : 4;
  for (unsigned i = 0; i < n; i++) elements[i] = f64 ? vmath_uniform64(m, w[2 * i], w[2 * i + 1]) : vmath_uniform32(m, w[i]);
  for (unsigned i = 0; kind == 2 && i < n; i += 2) vmath_normal_pair(m, elements[i], elements[i + 1], elements + i);
  return n;
}
