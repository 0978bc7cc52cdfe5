// A trained model as one piece of bytes: columns, weights, programs compiled for one or several kinds of processor, and what
// it was made from. A standalone sampler and a library carry one; they need nothing else. `hgmc build` packs it.
//
//   uint8_t *bytes = hgm_bundle_pack(&bundle, &size);                       // freed with free()
//   HgmBundle *b = hgm_bundle_open(bytes, size, &error); ... hgm_bundle_close(b);
//
// Stored as the structs lie in memory, each pointer as an offset from the first byte, with a list of where pointers are.
// Opening verifies the checksum of every byte, copies the tables (some KB) and turns offsets into pointers; weights and
// programs stay where they are, so the bytes must outlive the bundle.
#ifndef HGM_BUNDLE_H
#define HGM_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/cpu.h"
#include "runtime/error.h"

typedef enum { HGM_FIELD_NUMBER, HGM_FIELD_CATEGORY, HGM_FIELD_TEXT } HgmFieldKind;

typedef struct HgmBundleColumn {
  const char *port; // of the programs: "column:NAME", "out:NAME", "score:NAME"
  const char *name; // in files
  const char *unit; // "" where the model has none
  uint32_t kind;    // HgmFieldKind: a category holds one of `values`, a text one of `texts` (its position is the number)
  uint32_t type;    // HgmFileType of what is written
  int32_t rank;
  uint32_t allows_nan, has_missing, has_least;
  uint32_t mark;              // HgmWish.mark
  int64_t shape[4], elements; // of one event; rank 0: a number
  double missing;             // declared sentinel
  double least;               // of counts
  uint64_t n_values, n_texts;
  const double *values;
  const char *const *texts;
} HgmBundleColumn;

typedef struct HgmBundleArray { // a weight, a fitted statistic
  const char *name;             // of the programs' leaf
  const void *data;
  uint64_t bytes;
} HgmBundleArray;

typedef struct HgmBundleCode { // a program: runtime/program_file.h
  uint64_t cpu;                // HgmCpu: the least that it needs
  uint64_t tile;               // events of a tile
  const void *bytes;
  uint64_t size;
} HgmBundleCode;

typedef struct HgmBundleTask { // a generator, or the score
  const char *name;            // "" where the model has none
  uint64_t n_given, n_outputs, n_codes;
  const HgmBundleColumn *given, *outputs;
  const HgmBundleCode *codes;
} HgmBundleTask;

typedef struct HgmBundle {
  const char *model, *hash, *version; // file of the model, hash of all that decides the weights' meaning, hgmc's version
  const char *info;                   // lines of text: what it was made from
  uint64_t seed;                      // of draws, where none is asked for
  uint64_t f64;                       // compiled in double
  uint64_t n_arrays, n_generators, n_scores, n_transforms;
  const HgmBundleArray *arrays;
  const HgmBundleTask *generators, *scores; // scores: none or one
  const HgmBundleTask *transforms;          // libraries: none, or the first generator with its draws as further given columns
} HgmBundle;

uint8_t *hgm_bundle_pack(const HgmBundle *bundle, size_t *size); // NULL: out of memory
// NULL: error says why (exit code 3: damaged or of another version; 2: out of memory).
HgmBundle *hgm_bundle_open(const void *bytes, size_t size, HgmError *error);
void hgm_bundle_close(HgmBundle *bundle);

HgmCpu hgm_bundle_cpu(const HgmBundleTask *task); // what there is here; AMX where it has code for that
// Of the largest tile that is at most `tile` (the smallest, if all are larger), the code for the best kind of processor; NULL: this processor runs
// none of them.
const HgmBundleCode *hgm_bundle_code(const HgmBundleTask *task, HgmCpu cpu, uint64_t tile);

#endif
