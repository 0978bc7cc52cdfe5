// Numbers of a file as doubles; -O3 makes vectors of its loops (Makefile).
#ifndef HGM_CONVERT_H
#define HGM_CONVERT_H

#include <stddef.h>

#include "runtime/table.h"

// `rows` rows of `elements` numbers each, rows `row_bytes` apart, to out (rows, elements). The index in `out` of the first integer that a
// double cannot hold (what follows is not converted), or -1.
int64_t hgm_convert(HgmFileType type, const char *bytes, int64_t rows, int64_t elements, size_t row_bytes, double *out);

#endif
