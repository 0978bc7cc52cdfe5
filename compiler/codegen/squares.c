#include "compiler/codegen/squares.h"

enum { PART = 128 }; // bits that shuffles of these machines stay within

typedef struct Square {
  LLVMTypeRef element, vector, half; // half: of a part
  unsigned lanes, part;              // numbers
} Square;

static Square square_of(CodeModule *m, LLVMTypeRef element, unsigned lanes) {
  unsigned part = element == m->f64 ? PART / 64 : PART / 32;
  return (Square){element, LLVMVectorType(element, lanes), LLVMVectorType(element, part), lanes, part};
}

// Within each part: groups of `size` elements of a and b alternate, from the lower or the upper half.
static LLVMValueRef unpack(CodeModule *m, const Square *q, LLVMValueRef a, LLVMValueRef b, unsigned size, bool upper) {
  unsigned pick[16];
  for (unsigned i = 0; i < q->lanes; i++) {
    unsigned in = i % q->part, group = in / size;
    pick[i] = i - in + (group / 2) * size + in % size + (upper ? q->part / 2 : 0) + (group % 2 ? q->lanes : 0);
  }
  return emit_shuffle(m, a, b, pick, q->lanes);
}

// As many vectors as a part has numbers: in each part rows and columns change places.
static void transpose_parts(CodeModule *m, const Square *q, LLVMValueRef *r) {
  LLVMValueRef t[4];
  for (unsigned i = 0; i < q->part; i++) t[i] = unpack(m, q, r[i & ~1u], r[i | 1], 1, i % 2);
  for (unsigned i = 0; i < q->part; i++) r[i] = q->part == 2 ? t[i] : unpack(m, q, t[i / 2], t[i / 2 + 2], 2, i % 2);
}

// The even (odd) parts of a, then of b.
static LLVMValueRef parts(CodeModule *m, const Square *q, LLVMValueRef a, LLVMValueRef b, bool odd) {
  unsigned pick[16];
  for (unsigned i = 0; i < q->lanes; i++) pick[i] = (i / q->part * 2 + odd) * q->part + i % q->part;
  return emit_shuffle(m, a, b, pick, q->lanes);
}

static void store_column(CodeModule *m, const Square *q, LLVMValueRef to, int64_t to_stride, unsigned column, LLVMValueRef x) {
  emit_store(m, x, emit_at(m, q->element, to, emit_index(m, column * to_stride)));
}

// Vectors of four parts, where there are registers for all rows.
static void copy_wide(CodeModule *m, const Square *q, const LLVMValueRef *from, LLVMValueRef to, int64_t to_stride) {
  LLVMValueRef rows[16];
  for (unsigned i = 0; i < q->lanes; i++) rows[i] = emit_load(m, q->vector, from[i]);
  for (unsigned i = 0; i < q->lanes; i += q->part) transpose_parts(m, q, rows + i);
  // Row p part + k now holds, in its part g, column g part + k of the rows p part ... : transpose the parts.
  for (unsigned k = 0; k < q->part; k++) {
    LLVMValueRef *u = rows + k, half[4];
    for (unsigned i = 0; i < 4; i++) half[i] = parts(m, q, u[i / 2 * 2 * q->part], u[(i / 2 * 2 + 1) * q->part], i % 2);
    for (unsigned g = 0; g < 4; g++) store_column(m, q, to, to_stride, g * q->part + k, parts(m, q, half[g % 2], half[g % 2 + 2], g / 2));
  }
}

// Vectors of two parts, which come together as they are loaded.
static void copy_narrow(CodeModule *m, const Square *q, const LLVMValueRef *from, LLVMValueRef to, int64_t to_stride) {
  unsigned both[16];
  for (unsigned i = 0; i < q->lanes; i++) both[i] = i;
  for (unsigned column = 0; column < q->lanes; column += q->part) {
    LLVMValueRef r[4], at = emit_index(m, column);
    for (unsigned i = 0; i < q->part; i++) {
      LLVMValueRef low = emit_load(m, q->half, emit_at(m, q->element, from[i], at)),
                   high = emit_load(m, q->half, emit_at(m, q->element, from[q->part + i], at));
      r[i] = emit_shuffle(m, low, high, both, q->lanes);
    }
    transpose_parts(m, q, r);
    for (unsigned i = 0; i < q->part; i++) store_column(m, q, to, to_stride, column + i, r[i]);
  }
}

unsigned square_side(const CodeModule *m, LLVMTypeRef element) { return m->target->vector_bits / (element == m->f64 ? 64 : 32); }

void square_copy(CodeModule *m, LLVMTypeRef element, unsigned side, const LLVMValueRef *from, LLVMValueRef to, int64_t to_stride) {
  Square q = square_of(m, element, side);
  if (side == 2 * q.part) copy_narrow(m, &q, from, to, to_stride);
  else copy_wide(m, &q, from, to, to_stride);
}
