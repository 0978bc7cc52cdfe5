// Datatypes, dataspaces, texts.
#include <string.h>

#include "sampler/hdf5.h"

// ---- types

static uint64_t offset_bytes(uint64_t size) { // of a member's offset in a compound of version 3
  int n = 1;
  while (size >> 8 != 0) size >>= 8, n++;
  return (uint64_t)n;
}

// Behind a name that ends with NUL, padded from its start to 8 bytes before version 3; NULL: there is no end.
static const uint8_t *behind_name(const uint8_t *at, const uint8_t *end, int version) {
  const uint8_t *nul = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
  if (nul == NULL) return NULL;
  uint64_t n = (uint64_t)(nul - at) + 1;
  if (version < 3) n = (n + 7) / 8 * 8;
  return n <= (uint64_t)(end - at) ? at + n : NULL;
}

static const uint8_t *array_type(const uint8_t *at, const uint8_t *end, H5Type *t) {
  if (end - at < 4) return NULL;
  uint64_t rank = at[0];
  at += t->version < 3 ? 4 : 1;
  if (rank > H5_MOST_RANK || (uint64_t)(end - at) < rank * (t->version < 3 ? 8 : 4)) return NULL;
  t->rank = (int)rank;
  for (uint64_t i = 0; i < rank; i++) t->shape[i] = h5_number(at + 4 * i, 4);
  t->inner = at + rank * (t->version < 3 ? 8 : 4);
  H5Type base;
  return t->inner_end = h5_type(t->inner, end, &base);
}

static const uint8_t *enum_type(const uint8_t *at, const uint8_t *end, H5Type *t, int n) {
  H5Type base;
  t->inner = at;
  t->inner_end = at = h5_type(at, end, &base);
  static const char *const names[] = {"FALSE", "TRUE"}; // h5py's bool
  bool is_bool = at != NULL && n == 2 && base.bytes == 1;
  for (int i = 0; at != NULL && i < n; i++) {
    const char *name = (const char *)at;
    at = behind_name(at, end, t->version);
    is_bool = is_bool && at != NULL && strcmp(name, names[i]) == 0;
  }
  if (at == NULL || (uint64_t)(end - at) / (uint64_t)(n > 0 ? n : 1) < base.bytes) return NULL;
  t->is_bool = is_bool && at[0] == 0 && at[1] == 1;
  t->is_signed = base.is_signed;
  t->is_swapped = base.is_swapped;
  return at + (uint64_t)n * base.bytes;
}

static const uint8_t *compound_type(const uint8_t *at, const uint8_t *end, H5Type *t, int n) {
  t->inner = at;
  t->inner_end = end;
  for (t->n_members = 0; t->n_members < n && at != NULL; t->n_members++) {
    const char *name;
    uint64_t offset;
    H5Type member;
    at = h5_member(t, at, &name, &offset, &member);
    if (at != NULL && (offset > t->bytes || member.bytes > t->bytes - offset)) return NULL;
  }
  return t->inner_end = at;
}

const uint8_t *h5_type(const uint8_t *at, const uint8_t *end, H5Type *t) {
  static const uint8_t properties[] = {[H5_INTEGER] = 4, [H5_REAL] = 12, [2] = 2, [H5_TEXT] = 0, [H5_BITS] = 4, [5] = 0};
  if (at == NULL || end - at < 8) return NULL;
  *t = (H5Type){.class = at[0] & 15, .version = at[0] >> 4, .bytes = h5_number(at + 4, 4)};
  unsigned bits = (unsigned)h5_number(at + 1, 2);
  if (t->bytes == 0) return NULL;
  t->is_swapped = t->class <= H5_BITS && t->class != H5_TEXT && (bits & 1) != 0;
  t->is_signed = t->class == H5_INTEGER && (bits & 8) != 0;
  at += 8;
  H5Type base;
  switch (t->class) {
  case H5_COMPOUND: return compound_type(at, end, t, (int)bits);
  case 7: return at; // a reference
  case H5_ENUM: return enum_type(at, end, t, (int)bits);
  case H5_VARIABLE: t->is_variable_text = (bits & 15) == 1 && t->bytes == 16; return h5_type(at, end, &base);
  case H5_ARRAY: return array_type(at, end, t);
  default: break;
  }
  if (t->class > H5_ARRAY) return NULL;
  uint64_t n = t->class == 5 ? (bits & 255) : properties[t->class]; // an opaque one has a tag
  return n <= (uint64_t)(end - at) ? at + n : NULL;
}

const uint8_t *h5_member(const H5Type *t, const uint8_t *at, const char **name, uint64_t *offset, H5Type *type) {
  const uint8_t *end = t->inner_end;
  *name = (const char *)at;
  at = behind_name(at, end, t->version);
  uint64_t width = t->version < 3 ? 4 : offset_bytes(t->bytes), skip = width + (t->version == 1 ? 28 : 0); // version 1: axes of its own
  if (at == NULL || (uint64_t)(end - at) < skip || width > 8) return NULL;
  *offset = h5_number(at, (int)width);
  return h5_type(at + skip, end, type);
}

bool h5_dataset_type(const H5Object *object, H5Type *type) {
  const H5Message *m = h5_message(object, H5_DATATYPE);
  return m != NULL && !m->is_elsewhere && h5_type(m->at, m->at + m->size, type) != NULL;
}

bool h5_space(const H5Message *m, H5Space *space) {
  if (m == NULL || m->size < 4) return false;
  int version = m->at[0];
  uint64_t start = version == 1 ? 8 : 4;
  space->rank = m->at[1];
  if (space->rank > 32 || start + 8 * (uint64_t)space->rank > m->size) return false;
  for (int i = 0; i < space->rank; i++) space->shape[i] = h5_number(m->at + start + 8 * (uint64_t)i, 8);
  if (version == 2 && m->at[3] == 2) space->rank = -1;
  return version == 1 || version == 2;
}

// ---- texts

const char *h5_variable_text(const H5 *h, HgmHeap *heap, const uint8_t *reference) {
  uint64_t length = h5_number(reference, 4), address = h5_number(reference + 4, 8), index = h5_number(reference + 12, 4);
  if (length == 0 || address == 0) return "";
  const uint8_t *collection = h5_at(h, address, 16);
  if (collection == NULL || memcmp(collection, "GCOL", 4) != 0) return NULL;
  uint64_t size = h5_number(collection + 8, 8), at = 16;
  if (h5_at(h, address, size) == NULL) return NULL;
  while (at <= size && size - at >= 16) {
    const uint8_t *object = collection + at;
    uint64_t bytes = h5_number(object + 8, 8), room = size - at - 16;
    if (bytes > room) return NULL;
    if (h5_number(object, 2) == index) return length <= bytes ? hgm_heap_strndup(heap, (const char *)object + 16, length) : NULL;
    if (h5_number(object, 2) == 0) return NULL; // free space: the end
    at += 16 + (bytes + 7) / 8 * 8;
  }
  return NULL;
}

// The parts of an attribute's message; false: another attribute, or damaged.
static bool find_parts(const H5Message *m, const char *name, H5Type *type, H5Space *space, const uint8_t **data, uint64_t *bytes) {
  if (m->size < 8) return false;
  int version = m->at[0];
  uint64_t n[3] = {h5_number(m->at + 2, 2), h5_number(m->at + 4, 2), h5_number(m->at + 6, 2)}, at = version == 3 ? 9 : 8, place[3];
  for (int i = 0; i < 3; i++) {
    place[i] = at;
    at += version == 1 ? (n[i] + 7) / 8 * 8 : n[i];
  }
  if (at > m->size || n[0] < 1 || m->at[place[0] + n[0] - 1] != 0 || strcmp((const char *)m->at + place[0], name) != 0) return false;
  *data = m->at + at;
  *bytes = m->size - at;
  const H5Message dataspace = {H5_DATASPACE, m->at + place[2], n[2], false};
  return h5_type(m->at + place[1], m->at + place[1] + n[1], type) != NULL && h5_space(&dataspace, space);
}

int h5_texts(const H5 *h, const H5Object *object, const char *name, const char *const **texts) {
  for (int i = 0; i < object->n; i++) {
    H5Type type;
    H5Space space;
    const uint8_t *data;
    uint64_t bytes, n = 1;
    if (object->messages[i].type != H5_ATTRIBUTE || !find_parts(&object->messages[i], name, &type, &space, &data, &bytes)) continue;
    if ((type.class != H5_TEXT && !type.is_variable_text) || space.rank < 0 || space.rank > 1) return 0;
    if (space.rank == 1) n = space.shape[0];
    if (n == 0 || n > bytes / type.bytes) return 0;
    const char **list = hgm_heap_alloc(&h->file->heap, n * sizeof *list);
    for (uint64_t k = 0; list != NULL && k < n; k++, data += type.bytes) {
      list[k] = type.is_variable_text ? h5_variable_text(h, &h->file->heap, data)
                                      : hgm_heap_strndup(&h->file->heap, (const char *)data, strnlen((const char *)data, type.bytes));
      if (list[k] == NULL) return 0;
    }
    *texts = list;
    return list != NULL ? (int)n : 0;
  }
  return 0;
}
