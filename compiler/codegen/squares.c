#include "compiler/codegen/squares.h"

// Within each 128-bit part: groups of `size` elements of a and b alternate, from the lower or the upper half.
static LLVMValueRef unpack(CodeModule *m, LLVMValueRef a, LLVMValueRef b, unsigned lanes, unsigned size, bool upper) {
  unsigned pick[16], part = lanes / 4;
  for (unsigned i = 0; i < lanes; i++) {
    unsigned in = i % part, group = in / size;
    unsigned from = i - in + (group / 2) * size + in % size + (upper ? part / 2 : 0);
    pick[i] = from + (group % 2 ? lanes : 0);
  }
  return emit_shuffle(m, a, b, pick, lanes);
}

// The even (odd) 128-bit parts of a, then of b.
static LLVMValueRef parts(CodeModule *m, LLVMValueRef a, LLVMValueRef b, unsigned lanes, bool odd) {
  unsigned pick[16], part = lanes / 4;
  for (unsigned i = 0; i < lanes; i++) pick[i] = (i / part * 2 + odd) * part + i % part;
  return emit_shuffle(m, a, b, pick, lanes);
}

void square_transpose(CodeModule *m, LLVMValueRef rows[16], unsigned lanes) {
  unsigned part = lanes / 4; // 4 floats, 2 doubles
  for (unsigned q = 0; q < lanes; q += part) {
    LLVMValueRef *r = rows + q, t[4];
    for (unsigned i = 0; i < part; i++) t[i] = unpack(m, r[i & ~1u], r[i | 1], lanes, 1, i % 2);
    for (unsigned i = 0; i < part; i++) r[i] = part == 2 ? t[i] : unpack(m, t[i / 2], t[i / 2 + 2], lanes, 2, i % 2);
  }
  // Row q part + c now holds, in its 128-bit part g, column g part + c of the rows q part ... : transpose the parts.
  LLVMValueRef out[16];
  for (unsigned c = 0; c < part; c++) {
    LLVMValueRef *u = rows + c, half[4];
    for (unsigned i = 0; i < 4; i++) half[i] = parts(m, u[i / 2 * 2 * part], u[(i / 2 * 2 + 1) * part], lanes, i % 2);
    for (unsigned g = 0; g < 4; g++) out[g * part + c] = parts(m, half[g % 2], half[g % 2 + 2], lanes, g / 2);
  }
  for (unsigned i = 0; i < lanes; i++) rows[i] = out[i];
}

// Halves are interleaved until every row has met every other.
void square_transpose_half(CodeModule *m, LLVMValueRef rows[8], unsigned lanes) {
  for (unsigned round = 1; round < lanes; round *= 2) {
    LLVMValueRef out[8];
    for (unsigned i = 0; i < lanes; i++) {
      unsigned pick[8];
      for (unsigned k = 0; k < lanes; k++) pick[k] = i % 2 * (lanes / 2) + k / 2 + k % 2 * lanes;
      out[i] = emit_shuffle(m, rows[i / 2], rows[i / 2 + lanes / 2], pick, lanes);
    }
    for (unsigned i = 0; i < lanes; i++) rows[i] = out[i];
  }
}
