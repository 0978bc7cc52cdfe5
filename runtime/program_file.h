// A compiled program as one piece of bytes: what codegen makes, the disk cache keeps and a sampler carries. It has its
// code, tables and constants, no weights, and needs no loader: tables are stored as they lie in memory, each pointer as
// an offset from the first byte.
//
//   uint8_t *bytes = hgm_program_pack(&program, &code, &size);              // codegen; freed with free()
//   HgmProgram *p = hgm_program_load(bytes, size, &error); ... hgm_program_free(p);
//
// Little-endian x86-64; the format number changes with program.h. Bytes that were damaged anywhere are refused, never run.
#ifndef HGM_PROGRAM_FILE_H
#define HGM_PROGRAM_FILE_H

#include "runtime/program.h"

typedef struct HgmCode {
  const void *bytes; // a flat image of machine code, position-independent, without external symbols
  size_t size;
  const uint64_t *kernels; // (program.n_kernels) where each begins in it
} HgmCode;

// program.kernels is not read. NULL: out of memory.
uint8_t *hgm_program_pack(const HgmProgram *program, const HgmCode *code, size_t *size);
// Verifies checksum and every index, copies into fresh pages of its own and makes the code executable (never writable at
// the same time). NULL: error says why (exit code 3: damaged or of another version; 2: no memory or not allowed).
HgmProgram *hgm_program_load(const void *bytes, size_t size, HgmError *error);
void hgm_program_free(HgmProgram *program); // one of hgm_program_load, or NULL; nothing of it may be running

// Any change within one aligned 8-byte word is found for certain, any other but for one in 2^64.
uint64_t hgm_checksum(const void *bytes, size_t n);

#endif
