#include "runtime/hdf5_format.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_K = 16, ENTRY_BYTES = 40 };

void hgm_hdf5_put(HgmBuffer *b, uint64_t value, int bytes) { hgm_buffer_put(b, &value, (size_t)bytes, 1); }

static void put(HgmBuffer *b, uint64_t value, int bytes) { hgm_hdf5_put(b, value, bytes); }

static void pad(HgmBuffer *b) { hgm_buffer_put(b, "", 0, 8); }

// ---- objects

static void put_bool_type(HgmBuffer *b) { // as h5py has it: an enumeration of bytes
  put(b, 0x18, 1);
  put(b, 2, 3), put(b, 1, 4);
  hgm_hdf5_put_number_type(b, HGM_FILE_I8);
  hgm_buffer_put(b, "FALSE\0\0\0TRUE\0\0\0\0\0\1", 18, 1);
}

void hgm_hdf5_put_number_type(HgmBuffer *b, HgmFileType type) {
  if (type == HGM_FILE_BOOL) {
    put_bool_type(b);
    return;
  }
  bool is_real = type == HGM_FILE_F32 || type == HGM_FILE_F64, is_double = type == HGM_FILE_F64;
  bool is_signed = type == HGM_FILE_I8 || type == HGM_FILE_I16 || type == HGM_FILE_I32 || type == HGM_FILE_I64;
  uint64_t bytes = hgm_type_bytes(type);
  put(b, is_real ? 0x11 : 0x10, 1);
  put(b, is_real ? (is_double ? 0x3f20 : 0x1f20) : is_signed ? 8 : 0, 3); // implied leading bit, place of the sign
  put(b, bytes, 4);
  put(b, 0, 2);
  put(b, 8 * bytes, 2);
  if (!is_real) return;
  put(b, is_double ? 52 : 23, 1), put(b, is_double ? 11 : 8, 1), put(b, 0, 1), put(b, is_double ? 52 : 23, 1), put(b, is_double ? 1023 : 127, 4);
}

void hgm_hdf5_put_text_type(HgmBuffer *b, uint64_t bytes) {
  put(b, 0x13, 1);
  put(b, 0x11, 3);
  put(b, bytes, 4);
}

void hgm_hdf5_put_message(HgmBuffer *b, HgmHdf5Message message, HgmBuffer *body) {
  size_t bytes = (body->size + 7) / 8 * 8;
  put(b, message, 2), put(b, bytes, 2), put(b, 0, 4);
  hgm_buffer_put(b, body->bytes, body->size, 1);
  pad(b);
  b->failed |= body->failed || bytes > UINT16_MAX;
  free(body->bytes);
  *body = (HgmBuffer){0};
}

void hgm_hdf5_put_attribute(HgmBuffer *b, const HgmAttribute *a) {
  HgmBuffer type = {0}, body = {0};
  const char *text = a->text != NULL ? a->text : "";
  size_t bytes = a->kind == HGM_ATTRIBUTE_TEXT ? strlen(text) + 1 : 8, name = strlen(a->name) + 1;
  if (a->kind == HGM_ATTRIBUTE_TEXT) hgm_hdf5_put_text_type(&type, bytes);
  else hgm_hdf5_put_number_type(&type, a->kind == HGM_ATTRIBUTE_INTEGER ? HGM_FILE_I64 : HGM_FILE_F64);
  put(&body, 3, 2), put(&body, name, 2), put(&body, type.size, 2), put(&body, 4, 2), put(&body, 1, 1); // version 3, the name is UTF-8
  hgm_buffer_put(&body, a->name, name, 1);
  hgm_buffer_put(&body, type.bytes, type.size, 1);
  put(&body, 2, 4); // dataspace version 2: a single value
  hgm_buffer_put(&body, a->kind == HGM_ATTRIBUTE_TEXT ? (const void *)text : a->kind == HGM_ATTRIBUTE_INTEGER ? (const void *)&a->integer : &a->real, bytes, 1);
  b->failed |= type.failed;
  free(type.bytes);
  hgm_hdf5_put_message(b, HGM_HDF5_ATTRIBUTE, &body);
}

uint64_t hgm_hdf5_put_header(HgmBuffer *b, HgmBuffer *messages, int n) {
  pad(b);
  uint64_t at = b->size;
  put(b, 1, 2), put(b, (uint64_t)n, 2), put(b, 1, 4), put(b, messages->size, 8);
  hgm_buffer_put(b, messages->bytes, messages->size, 1);
  b->failed |= messages->failed;
  free(messages->bytes);
  *messages = (HgmBuffer){0};
  return at;
}

// ---- groups

int hgm_hdf5_compare_links(const HgmHdf5Link *a, const HgmHdf5Link *b) {
  int order = memcmp(a->name, b->name, a->n < b->n ? a->n : b->n);
  return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

static int by_name(const void *a, const void *b) { return hgm_hdf5_compare_links(a, b); }

// Half of the entries of a node, as the superblock says it: one node holds all links.
static uint64_t leaf_k(size_t most) { return (most + 1) / 2 + 1; }

// Heap of names, one node of entries, a tree with that one node, the header.
HgmHdf5Group hgm_hdf5_put_group(HgmBuffer *b, uint64_t base, HgmHdf5Link *links, size_t n_links, size_t most, HgmBuffer *messages, int n) {
  HgmBuffer names = {0}, table = {0};
  uint64_t last = 0;
  qsort(links, n_links, sizeof *links, by_name);
  pad(b);
  uint64_t node_at = base + b->size;
  put(&names, 0, 8); // the empty name
  hgm_buffer_put(b, "SNOD\1\0", 6, 1), put(b, n_links, 2);
  for (size_t i = 0; i < n_links; i++) {
    last = hgm_buffer_put(&names, links[i].name, links[i].n, 8);
    put(&names, 0, 1);
    put(b, last, 8), put(b, links[i].header, 8), put(b, 0, 8), put(b, 0, 8), put(b, 0, 8);
  }
  pad(&names);
  for (size_t i = n_links * ENTRY_BYTES; i < 2 * leaf_k(most) * ENTRY_BYTES; i += 8) put(b, 0, 8); // nodes have one size
  uint64_t names_at = base + hgm_buffer_put(b, names.bytes, names.size, 8);
  HgmHdf5Group group = {.heap = base + b->size};
  hgm_buffer_put(b, "HEAP\0\0\0", 8, 1), put(b, names.size, 8), put(b, 1, 8), put(b, names_at, 8);
  group.tree = base + b->size;
  hgm_buffer_put(b, "TREE\0\0\1\0", 8, 1), put(b, HGM_HDF5_NOWHERE, 8), put(b, HGM_HDF5_NOWHERE, 8), put(b, 0, 8), put(b, node_at, 8), put(b, last, 8);
  for (int i = 0; i < 2 * (2 * GROUP_K - 1); i++) put(b, 0, 8);
  put(&table, group.tree, 8), put(&table, group.heap, 8);
  hgm_hdf5_put_message(messages, HGM_HDF5_TABLE, &table);
  group.header = base + hgm_hdf5_put_header(b, messages, n + 1);
  b->failed |= names.failed;
  free(names.bytes);
  return group;
}

void hgm_hdf5_put_superblock(HgmBuffer *b, uint64_t end, const HgmHdf5Group *root, size_t most) {
  hgm_buffer_put(b, "\x89HDF\r\n\x1a\n\0\0\0\0\0\10\10\0", 16, 1);
  put(b, leaf_k(most), 2), put(b, GROUP_K, 2), put(b, 0, 4);
  put(b, 0, 8), put(b, HGM_HDF5_NOWHERE, 8), put(b, end, 8), put(b, HGM_HDF5_NOWHERE, 8);
  put(b, 0, 8), put(b, root->header, 8), put(b, 1, 8), put(b, root->tree, 8), put(b, root->heap, 8);
}
