// Arrays of numbers that know the type of their elements: columns are kept as they lie in the file, and whoever reads them gets doubles.
//
//   double x = hgm_number(HGM_FILE_U8, labels, row);
//
// That loses nothing: a double holds every number of these types, of 64-bit integers every one that a table accepts (hgm_table_read). Arrays are aligned for
// their type, the caller owns them.
#ifndef HGM_NUMBERS_H
#define HGM_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How numbers lie in a file; also what hgm_writer writes.
typedef enum {
  HGM_FILE_F32,
  HGM_FILE_F64,
  HGM_FILE_I8,
  HGM_FILE_I16,
  HGM_FILE_I32,
  HGM_FILE_I64,
  HGM_FILE_U8,
  HGM_FILE_U16,
  HGM_FILE_U32,
  HGM_FILE_U64,
  HGM_FILE_TEXT,
  HGM_FILE_BOOL // a byte, 0 or 1
} HgmFileType;
enum { HGM_N_FILE_TYPES = HGM_FILE_BOOL + 1 };

size_t hgm_type_bytes(HgmFileType type); // of an element; 0: text
double hgm_number(HgmFileType type, const void *numbers, int64_t i);
// Rows that lie anywhere, side by side: out[i * width + j] is number i of row rows[j], j < width; rows are `stride` numbers apart.
void hgm_numbers_gather(HgmFileType type, const void *numbers, const int64_t *rows, int64_t width, int64_t stride, int64_t n, double *out);
void hgm_words_gather(const void *numbers, const int64_t *rows, int64_t width, int64_t stride, int64_t n, void *out); // the same of 32 bits each, as they are
bool hgm_numbers_finite(HgmFileType type, const void *numbers, int64_t n);                                            // no NaN, no infinity among them
// The way back, for doubles that the type holds.
void hgm_numbers_keep(HgmFileType type, const double *numbers, int64_t n, void *out);

#endif
