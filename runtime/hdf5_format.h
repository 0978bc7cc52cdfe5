// Pieces of an HDF5 file, put into buffers without the HDF5 library, as the file format specification (version 3.0) describes the oldest layout,
// which every library reads: superblock 0, version 1 object headers, symbol tables, version 1 B-trees.
//
//   HgmBuffer messages = {0}, type = {0};  hgm_hdf5_put_number_type(&type, HGM_FILE_F32);  hgm_hdf5_put_message(&messages, HGM_HDF5_TYPE, &type);
//   uint64_t header = hgm_hdf5_put_header(&b, &messages, 1);   // an offset in b
//
// What lies in a buffer is placed by its user: addresses of the file are `base`, a multiple of 8, and the offset.
#ifndef HGM_HDF5_FORMAT_H
#define HGM_HDF5_FORMAT_H

#include "runtime/buffer.h"
#include "runtime/writer.h"

enum { HGM_HDF5_SUPERBLOCK_BYTES = 96 };
#define HGM_HDF5_NOWHERE UINT64_MAX

typedef enum { HGM_HDF5_SPACE = 1, HGM_HDF5_TYPE = 3, HGM_HDF5_FILL = 5, HGM_HDF5_LAYOUT = 8, HGM_HDF5_ATTRIBUTE = 12, HGM_HDF5_TABLE = 17 } HgmHdf5Message;

typedef struct HgmHdf5Link { // an object in a group
  const char *name;          // of n bytes
  size_t n;
  uint64_t header; // its address
} HgmHdf5Link;

typedef struct HgmHdf5Group { // addresses of its parts
  uint64_t header, tree, heap;
} HgmHdf5Group;

void hgm_hdf5_put(HgmBuffer *b, uint64_t value, int bytes); // little-endian, as the machine
void hgm_hdf5_put_number_type(HgmBuffer *b, HgmFileType type);
void hgm_hdf5_put_text_type(HgmBuffer *b, uint64_t bytes); // UTF-8, padded with NUL
// A message of an object header, with padding to 8 bytes; the body is freed. The buffer has failed if the body is longer than 65535 bytes.
void hgm_hdf5_put_message(HgmBuffer *messages, HgmHdf5Message message, HgmBuffer *body);
void hgm_hdf5_put_attribute(HgmBuffer *messages, const HgmAttribute *attribute);
// An object header of n messages, which are freed; its offset.
uint64_t hgm_hdf5_put_header(HgmBuffer *b, HgmBuffer *messages, int n);
// A group of these objects, sorted here, at most `most`, which is one number for all groups of a file; `messages`: its n attributes, freed.
HgmHdf5Group hgm_hdf5_put_group(HgmBuffer *b, uint64_t base, HgmHdf5Link *links, size_t n_links, size_t most, HgmBuffer *messages, int n);
void hgm_hdf5_put_superblock(HgmBuffer *b, uint64_t end, const HgmHdf5Group *root, size_t most);
int hgm_hdf5_compare_links(const HgmHdf5Link *a, const HgmHdf5Link *b); // order of the names

#endif
