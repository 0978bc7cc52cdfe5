#include "sampler/inflate.h"

#include <string.h>

enum { MOST_BITS = 15, LITERALS = 288, DISTANCES = 32 };

typedef struct Stream {
  const uint8_t *in, *in_end;
  uint8_t *out, *out_begin, *out_end;
  uint64_t bits; // not used yet, lowest first
  int n_bits;
  bool failed;
} Stream;

// A canonical code: how many symbols there are of each length, and the symbols in order.
typedef struct Code {
  uint16_t count[MOST_BITS + 1], symbol[LITERALS];
} Code;

static void refill(Stream *s) {
  for (; s->n_bits <= 56 && s->in < s->in_end; s->n_bits += 8) s->bits |= (uint64_t)*s->in++ << s->n_bits;
}

static uint32_t take(Stream *s, int n) {
  if (s->n_bits < n) refill(s);
  if (s->n_bits < n) return s->failed = true, 0;
  uint32_t value = (uint32_t)(s->bits & ((UINT64_C(1) << n) - 1));
  s->bits >>= n;
  s->n_bits -= n;
  return value;
}

// False: more codes than bits can tell apart.
static bool make_code(Code *code, const uint8_t *lengths, int n) {
  uint16_t place[MOST_BITS + 2] = {0};
  memset(code->count, 0, sizeof code->count);
  for (int i = 0; i < n; i++) code->count[lengths[i]]++;
  int left = 1;
  for (int length = 1; length <= MOST_BITS; length++) {
    left = 2 * left - code->count[length];
    if (left < 0) return false;
    place[length + 1] = (uint16_t)(place[length] + code->count[length]);
  }
  for (int i = 0; i < n; i++)
    if (lengths[i] != 0) code->symbol[place[lengths[i]]++] = (uint16_t)i;
  return true;
}

// The next symbol: codes of one length follow each other, first those of the shorter lengths.
static int decode(Stream *s, const Code *code) {
  if (s->n_bits < MOST_BITS) refill(s);
  uint32_t bits = (uint32_t)s->bits;
  int value = 0, first = 0, index = 0;
  for (int length = 1; length <= MOST_BITS && length <= s->n_bits; length++, bits >>= 1) {
    value |= (int)(bits & 1);
    int count = code->count[length];
    if (value - count < first) {
      s->bits >>= length;
      s->n_bits -= length;
      return code->symbol[index + (value - first)];
    }
    index += count;
    first = (first + count) << 1;
    value <<= 1;
  }
  s->failed = true;
  return 0;
}

static void copy_back(Stream *s, size_t distance, size_t length) {
  if (distance > (size_t)(s->out - s->out_begin) || length > (size_t)(s->out_end - s->out)) {
    s->failed = true;
    return;
  }
  for (; length > 0; length--, s->out++) *s->out = *(s->out - distance); // may overlap: byte by byte
}

static void compressed_block(Stream *s, const Code *literals, const Code *distances) {
  static const uint16_t length_base[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
  static const uint8_t length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
  static const uint16_t distance_base[] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                           193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
  static const uint8_t distance_bits[] = {0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
  while (!s->failed) {
    int symbol = decode(s, literals);
    if (s->failed || symbol == 256) return;
    if (symbol < 256) {
      if (s->out == s->out_end) s->failed = true;
      else *s->out++ = (uint8_t)symbol;
      continue;
    }
    symbol -= 257;
    if (symbol >= (int)sizeof length_bits) s->failed = true;
    if (s->failed) return;
    size_t length = length_base[symbol] + take(s, length_bits[symbol]);
    int step = decode(s, distances);
    if (step >= (int)sizeof distance_bits) s->failed = true;
    if (s->failed) return;
    size_t distance = distance_base[step] + take(s, distance_bits[step]);
    if (!s->failed) copy_back(s, distance, length);
  }
}

static void fixed_block(Stream *s) {
  uint8_t lengths[LITERALS];
  Code literals, distances;
  for (int i = 0; i < LITERALS; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  make_code(&literals, lengths, LITERALS);
  memset(lengths, 5, 30);
  make_code(&distances, lengths, 30);
  compressed_block(s, &literals, &distances);
}

static bool read_lengths(Stream *s, const Code *code, uint8_t *lengths, int n) {
  for (int i = 0; i < n && !s->failed;) {
    int symbol = decode(s, code);
    if (symbol < 16) {
      lengths[i++] = (uint8_t)symbol;
      continue;
    }
    if (symbol == 16 && i == 0) return false;
    uint8_t length = symbol == 16 ? lengths[i - 1] : 0;
    int repeat = symbol == 16 ? 3 + (int)take(s, 2) : symbol == 17 ? 3 + (int)take(s, 3) : 11 + (int)take(s, 7);
    if (i + repeat > n) return false;
    for (; repeat > 0; repeat--) lengths[i++] = length;
  }
  return !s->failed;
}

static void dynamic_block(Stream *s) {
  static const uint8_t order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  uint8_t lengths[LITERALS + DISTANCES] = {0};
  int n_literals = 257 + (int)take(s, 5), n_distances = 1 + (int)take(s, 5), n_order = 4 + (int)take(s, 4);
  Code code, literals, distances;
  for (int i = 0; i < n_order; i++) lengths[order[i]] = (uint8_t)take(s, 3);
  bool fine = !s->failed && n_literals <= 286 && make_code(&code, lengths, 19);
  memset(lengths, 0, sizeof lengths);
  fine = fine && read_lengths(s, &code, lengths, n_literals + n_distances) && lengths[256] != 0 && make_code(&literals, lengths, n_literals) &&
         make_code(&distances, lengths + n_literals, n_distances);
  if (fine) compressed_block(s, &literals, &distances);
  else s->failed = true;
}

static void stored_block(Stream *s) {
  take(s, s->n_bits & 7); // to the next byte
  uint32_t length = take(s, 16), inverse = take(s, 16);
  if ((length ^ 0xffff) != inverse || length > (size_t)(s->out_end - s->out)) s->failed = true;
  for (; length > 0 && !s->failed; length--) *s->out++ = (uint8_t)take(s, 8);
}

static uint32_t adler32(const uint8_t *bytes, size_t n) {
  enum { PRIME = 65521, BATCH = 5552 }; // so many bytes do not overflow 32 bits
  uint32_t a = 1, b = 0;
  for (size_t i = 0; i < n;) {
    for (size_t end = n - i < BATCH ? n : i + BATCH; i < end; i++) a += bytes[i], b += a;
    a %= PRIME, b %= PRIME;
  }
  return b << 16 | a;
}

bool inflate_zlib(const uint8_t *in, size_t n, uint8_t *out, size_t room, size_t *got) {
  if (n < 6 || (in[0] & 15) != 8 || (in[0] * 256 + in[1]) % 31 != 0 || (in[1] & 32) != 0) return false;
  Stream s = {.in = in + 2, .in_end = in + n, .out = out, .out_begin = out, .out_end = out + room};
  bool last = false;
  while (!last && !s.failed) {
    last = take(&s, 1);
    switch (take(&s, 2)) {
    case 0: stored_block(&s); break;
    case 1: fixed_block(&s); break;
    case 2: dynamic_block(&s); break;
    default: s.failed = true;
    }
  }
  take(&s, s.n_bits & 7);
  uint32_t sum = 0;
  for (int i = 0; i < 4; i++) sum = sum << 8 | take(&s, 8);
  *got = (size_t)(s.out - out);
  return !s.failed && sum == adler32(out, *got);
}

// Control bytes: below 32 that many literals + 1, else a copy from before: 3 bits length, 13 bits distance.
bool inflate_lzf(const uint8_t *in, size_t n, uint8_t *out, size_t room, size_t *got) {
  Stream s = {.in = in, .in_end = in + n, .out = out, .out_begin = out, .out_end = out + room};
  while (s.in < s.in_end && !s.failed) {
    size_t control = *s.in++, length = control >> 5;
    if (control < 32) {
      length = control + 1;
      if (length > (size_t)(s.in_end - s.in) || length > (size_t)(s.out_end - s.out)) return false;
      memcpy(s.out, s.in, length);
      s.in += length, s.out += length;
      continue;
    }
    size_t left = (size_t)(s.in_end - s.in);
    if (left < 1 || (length == 7 && left < 2)) return false;
    if (length == 7) length += *s.in++;
    copy_back(&s, ((control & 31) << 8 | *s.in++) + 1u, length + 2);
  }
  *got = (size_t)(s.out - out);
  return !s.failed;
}
