// Shared by the files that read HDF5: opening, types, datasets, pandas. Only runtime/hdf5_*.c include this and hdf5.h.
#ifndef HGM_HDF5_READER_H
#define HGM_HDF5_READER_H

#include <hdf5.h>

#include "runtime/table_file.h"

// What one number or text of a dataset is.
typedef struct Hdf5Element {
  HgmFileType type;
  HgmCell cell;
  size_t bytes;        // in memory
  hid_t memory;        // type in memory, to be closed; -1 with a refusal
  const char *refusal; // "holds references", or NULL
} Hdf5Element;

Hdf5Element hgm_hdf5_element(hid_t type);
// Memory type of a compound with all members that can be read, packed in order; nested ones likewise. -1 when there are none.
hid_t hgm_hdf5_compound(hid_t type);

// Innermost text of HDF5's error stack, cut to `size`; "unknown error" and false when it is empty.
bool hgm_hdf5_cause(char *text, int size);
// Text attribute or attributes of an object; *n = 0 when there is none of that name or it is no text. False: out of memory.
bool hgm_hdf5_texts(HgmHeap *heap, hid_t object, const char *name, const char ***texts, int *n);
const char *hgm_hdf5_text(HgmHeap *heap, hid_t object, const char *name); // the only or first one, or NULL
// All texts of a one-dimensional dataset of fixed or variable text; *n = 0 when it is something else.
bool hgm_hdf5_dataset_texts(HgmHeap *heap, hid_t dataset, const char ***texts, int *n);

// Adds the columns of a dataset. `prefix` stands before every name; `name` is that of the dataset. The dataset stays open.
bool hgm_hdf5_add_dataset(HgmFile *file, hid_t dataset, const char *prefix, const char *name, HgmError *error);
// Adds the columns of a group that pandas has written; *is_pandas is false when it is not one.
bool hgm_hdf5_add_pandas(HgmFile *file, hid_t group, const char *path, bool *is_pandas, HgmError *error);

// Parts of hgm_hdf5_add_dataset that pandas uses too.
// Makes the block of a dataset read with type `memory` (owned by the block from then on), `bytes` a row.
HgmBlock *hgm_hdf5_block(HgmFile *file, hid_t dataset, hid_t memory, size_t bytes, const char *name, HgmError *error);
// A field named prefix + name, or, when that is taken, prefix + container/name.
HgmField *hgm_hdf5_field(HgmFile *file, const char *prefix, const char *container, const char *name);
bool hgm_hdf5_refuse(HgmFile *file, const char *prefix, const char *name, const char *reason);
// Fields for the members of a compound; names_of: NULL, or gives the names of an array member's elements (n of them) or NULL.
typedef const char **Hdf5NamesOf(void *data, const char *member, int n);
bool hgm_hdf5_add_compound(HgmFile *file, hid_t dataset, hid_t type, const char *prefix, const char *name, Hdf5NamesOf *names_of, void *data, HgmError *error);

enum { HDF5_LZF_FILTER = 32000 };
// Registers the LZF filter; checks that every filter of the dataset can be undone (else fails and names it).
void hgm_hdf5_register_filters(void);
bool hgm_hdf5_check_filters(const HgmFile *file, hid_t dataset, const char *name, HgmError *error);

#endif
