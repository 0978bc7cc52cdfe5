// Rows of a chunked HDF5 dataset without the library's filter pipeline: it only hands out the packed bytes of a chunk, all further work
// is done here and by any number of threads at a time. Only runtime/hdf5_*.c include this.
//
//   Hdf5Chunks chunks;
//   if (hgm_hdf5_chunks(dataset, memory, &chunks)) hgm_hdf5_chunks_read(&chunks, first, last, bytes, &damage);
#ifndef HGM_HDF5_CHUNKS_H
#define HGM_HDF5_CHUNKS_H

#include <hdf5.h>
#include <stdint.h>

enum { HDF5_MOST_FILTERS = 8 };

typedef struct Hdf5Chunks {
  hid_t dataset;
  int rank;
  hsize_t shape[H5S_MAX_RANK], chunk[H5S_MAX_RANK]; // in elements
  size_t element_bytes, chunk_bytes;
  size_t swap_bytes; // of a number whose bytes lie the other way round in the file; 0: as in memory
  int n_filters;
  struct Hdf5Filter {
    H5Z_filter_t id;
    size_t element_bytes; // of a shuffle
  } filters[HDF5_MOST_FILTERS];
  unsigned char fill[64]; // one element, for chunks that were never written
} Hdf5Chunks;

// False when the dataset needs the library: not chunked, another filter or type, or a library that is not built for threads.
bool hgm_hdf5_chunks(hid_t dataset, hid_t memory, Hdf5Chunks *chunks);
// What is wrong with a chunk.
typedef struct Hdf5Damage {
  hsize_t first, last; // rows that are lost
  char why[200];       // "": out of memory
} Hdf5Damage;

// Rows [first, last) as the memory type has them.
bool hgm_hdf5_chunks_read(const Hdf5Chunks *chunks, int64_t first, int64_t last, char *bytes, Hdf5Damage *damage);

#endif
