// The parts of the HDF5 format that files of events are made of, read without the HDF5 library (format specification 3.0): superblocks 0
// to 3, object headers 1 and 2, groups as symbol tables or links, contiguous, compact and chunked data (version 1 B-trees, single
// and implicit chunks), deflate, LZF, shuffle and Fletcher-32. What is not among them is refused by name. Every offset is checked.
#ifndef HGM_SAMPLER_HDF5_H
#define HGM_SAMPLER_HDF5_H

#include "runtime/table_file.h"

enum { H5_MOST_RANK = HGM_MAX_RANK + 1, H5_MOST_FILTERS = 8 };
#define H5_NOWHERE UINT64_MAX

typedef struct H5 { // a file, mapped
  HgmFile *file;
  const uint8_t *bytes;
  uint64_t size;
} H5;

// n bytes at an offset, or NULL where the file does not have them.
const uint8_t *h5_at(const H5 *h, uint64_t offset, uint64_t n);
uint64_t h5_number(const uint8_t *at, int bytes); // little-endian

// ---- objects (hdf5_object.c)

typedef struct H5Message {
  unsigned type;
  const uint8_t *at;
  uint64_t size;
  bool is_elsewhere; // only a reference to another object's message
} H5Message;

typedef struct H5Object {
  H5Message *messages; // freed by h5_close_object
  int n;
} H5Object;

enum {
  H5_DATASPACE = 1,
  H5_LINK_INFO = 2,
  H5_DATATYPE = 3,
  H5_LINK = 6,
  H5_LAYOUT = 8,
  H5_FILTERS = 11,
  H5_ATTRIBUTE = 12,
  H5_CONTINUATION = 16,
  H5_TABLE = 17
};

bool h5_open_object(const H5 *h, uint64_t address, H5Object *object); // false: damaged or out of memory
void h5_close_object(H5Object *object);
const H5Message *h5_message(const H5Object *object, unsigned type); // the first of a type, or NULL
uint64_t h5_root(const H5 *h, uint64_t *end);                       // address of the root, and where the file should end; H5_NOWHERE: no HDF5 file
// Calls each(data, name, address) for the links of a group, in order; address H5_NOWHERE: a link that leads to no object here.
// False: damaged, refused, or each returned false.
bool h5_links(const H5 *h, const H5Object *group, bool (*each)(void *data, const char *name, uint64_t address), void *data);

// ---- types and texts (hdf5_type.c)

typedef struct H5Type {
  int class, version;
  uint64_t bytes;
  bool is_swapped, is_signed, is_bool, is_variable_text;
  int rank; // of an array
  uint64_t shape[H5_MOST_RANK];
  const uint8_t *inner, *inner_end; // base type of an array or enumeration; members of a compound
  int n_members;
} H5Type;
enum { H5_INTEGER = 0, H5_REAL = 1, H5_TEXT = 3, H5_BITS = 4, H5_COMPOUND = 6, H5_ENUM = 8, H5_VARIABLE = 9, H5_ARRAY = 10 };

const uint8_t *h5_type(const uint8_t *at, const uint8_t *end, H5Type *type); // behind it, or NULL
const uint8_t *h5_member(const H5Type *compound, const uint8_t *at, const char **name, uint64_t *offset, H5Type *type);

typedef struct H5Space {
  int rank; // -1: no data
  uint64_t shape[32];
} H5Space;
bool h5_space(const H5Message *message, H5Space *space);
bool h5_dataset_type(const H5Object *object, H5Type *type);

// The text that a variable text's 16 bytes stand for, on the heap; NULL: damaged or out of memory.
const char *h5_variable_text(const H5 *h, HgmHeap *heap, const uint8_t *reference);
// Texts of an attribute, on the file's heap; 0: there is no such attribute of texts.
int h5_texts(const H5 *h, const H5Object *object, const char *name, const char *const **texts);

// ---- data (hdf5_data.c)

// The block of a dataset, its rows as they lie in the file; NULL: error or, where it cannot be read, *refusal on the file's heap.
HgmBlock *h5_block(const H5 *h, const H5Object *object, const char *name, const H5Space *space, const H5Type *type, const char **refusal, HgmError *error);

#endif
