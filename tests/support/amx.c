#define _GNU_SOURCE // REG_RIP
#include "tests/support/amx.h"

#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { TILES = 8, ROWS = 16, LINE = 64 };

// A signal handler is given nothing of ours, so these are the process's.
static struct {
  uint8_t bytes[TILES][ROWS][LINE];
  uint8_t rows[TILES];
  uint16_t line[TILES];
  long done;
} amx;

typedef struct Instruction { // VEX, three bytes of prefix
  unsigned prefix, opcode, mod, reg, rm, second;
  uint64_t base, index; // of a memory operand: base and displacement; the stride
  int length;
} Instruction;

static uint64_t general(const ucontext_t *u, unsigned number) {
  static const int place[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return (uint64_t)u->uc_mcontext.gregs[place[number]];
}

static uint64_t displacement(const uint8_t *code, int bytes) {
  int32_t d = 0;
  if (bytes == 1) d = (int8_t)*code;
  if (bytes == 4) memcpy(&d, code, 4);
  return (uint64_t)(int64_t)d;
}

static bool decode(const ucontext_t *u, Instruction *out) {
  const uint8_t *code = (const uint8_t *)u->uc_mcontext.gregs[REG_RIP]; // NOLINT
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84) != 0) return false;
  unsigned x = (code[1] >> 6 & 1) ^ 1, b = (code[1] >> 5 & 1) ^ 1;
  *out = (Instruction){
      .prefix = code[2] & 3, .opcode = code[3], .mod = code[4] >> 6, .reg = code[4] >> 3 & 7, .rm = code[4] & 7, .second = ~code[2] >> 3 & 15, .length = 5};
  if (out->mod == 3) return true;
  if (out->mod == 0 && (out->rm == 5 || (out->rm == 4 && (code[5] & 7) == 5))) return false; // no base: does not occur
  unsigned base = out->rm | b << 3;
  if (out->rm == 4) {
    unsigned index = (code[5] >> 3 & 7) | x << 3;
    base = (code[5] & 7) | b << 3;
    if (index != 4) out->index = general(u, index) << (code[5] >> 6);
    out->length++;
  }
  int bytes = out->mod == 1 ? 1 : out->mod == 2 ? 4 : 0;
  out->base = general(u, base) + displacement(code + out->length, bytes);
  out->length += bytes;
  return true;
}

static void configure(const uint8_t *sizes) {
  memset(amx.bytes, 0, sizeof amx.bytes);
  for (int i = 0; i < TILES; i++) {
    memcpy(&amx.line[i], sizes + 16 + 2 * i, 2);
    amx.rows[i] = sizes[48 + i];
  }
}

static float number(const uint8_t *half) { // of bf16
  uint32_t bits = (uint32_t)half[0] << 16 | (uint32_t)half[1] << 24;
  float x;
  memcpy(&x, &bits, 4);
  return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x;
}

static float flushed(float x) { return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x; }

static void add_products(unsigned to, unsigned a, unsigned b) {
  for (int m = 0; m < amx.rows[to]; m++)
    for (int n = 0; n < amx.line[to] / 4; n++) {
      float part[2] = {0, 0}, sum;
      for (int k = 0; k < amx.line[a] / 4; k++)
        for (int i = 0; i < 2; i++) part[i] = flushed(fmaf(number(&amx.bytes[a][m][4 * k + 2 * i]), number(&amx.bytes[b][k][4 * n + 2 * i]), part[i]));
      memcpy(&sum, &amx.bytes[to][m][4 * n], 4);
      sum = flushed(sum + flushed(part[0] + part[1]));
      memcpy(&amx.bytes[to][m][4 * n], &sum, 4);
    }
}

// False: no instruction of AMX, or one that is not known here.
static bool carry_out(const Instruction *i) {
  enum { NONE, P66, PF3, PF2 };
  uint8_t *memory = (uint8_t *)i->base; // NOLINT
  switch (i->opcode) {
  case 0x49:
    if (i->mod == 3 && i->prefix == NONE && i->reg == 0) memset(&amx.bytes, 0, sizeof amx.bytes); // TILERELEASE
    else if (i->mod == 3 && i->prefix == PF2) memset(amx.bytes[i->reg], 0, sizeof amx.bytes[0]);  // TILEZERO
    else if (i->mod != 3 && i->prefix == NONE && i->reg == 0) configure(memory);                  // LDTILECFG
    else return false;
    return true;
  case 0x4b:
    for (int r = 0; r < amx.rows[i->reg]; r++, memory += i->index) {
      if (i->prefix == PF2) memcpy(amx.bytes[i->reg][r], memory, amx.line[i->reg]);      // TILELOADD
      else if (i->prefix == PF3) memcpy(memory, amx.bytes[i->reg][r], amx.line[i->reg]); // TILESTORED
    }
    return i->mod != 3 && (i->prefix == PF2 || i->prefix == PF3);
  case 0x5c:
    if (i->mod == 3 && i->prefix == PF3) add_products(i->reg, i->rm, i->second); // TDPBF16PS
    return i->mod == 3 && i->prefix == PF3;
  default: return false;
  }
}

static void on_unknown(int signal, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  Instruction i;
  (void)signal, (void)info;
  if (!decode(u, &i) || !carry_out(&i)) abort();
  u->uc_mcontext.gregs[REG_RIP] += i.length;
  amx.done++;
}

void amx_emulate(void) {
  struct sigaction action = {.sa_sigaction = on_unknown, .sa_flags = SA_SIGINFO};
  if (sigaction(SIGILL, &action, NULL) != 0) abort();
}

long amx_emulated(void) { return amx.done; }
