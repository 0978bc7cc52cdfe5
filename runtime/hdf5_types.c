// Types of HDF5 datasets as ours, texts in attributes and datasets, and HDF5's error stack as one phrase.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/hdf5_reader.h"

void hgm_hdf5_quiet(void) {
  H5dont_atexit(); // its clean-up at exit reads freed memory when a file could not be closed on a full disk (1.10); only before all else
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static herr_t take_innermost(unsigned n, const H5E_error2_t *entry, void *data) {
  const char **found = data;
  if (n == 0 && entry->desc != NULL) *found = entry->desc;
  return 0;
}

bool hgm_hdf5_cause(char *text, int size) {
  const char *found = NULL;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, &found); // upward: the innermost comes first
  static const char system_says[] = "error message = '";          // of the system's own, inside a long line
  const char *own = found == NULL ? NULL : strstr(found, system_says);
  if (own != NULL) found = own + sizeof system_says - 1;
  int length = found == NULL ? 0 : (int)strcspn(found, own != NULL ? "'\n" : "\n");
  if (length == 0) snprintf(text, (size_t)size, "unknown error");
  else snprintf(text, (size_t)size, "%.*s", length, found);
  return length > 0;
}

// ---- types

static Hdf5Element refused(const char *why) { return (Hdf5Element){.memory = -1, .refusal = why}; }

static Hdf5Element number(HgmFileType type, hid_t native) {
  return (Hdf5Element){.type = type, .cell = HGM_CELL_NUMBERS, .bytes = hgm_type_bytes(type), .memory = H5Tcopy(native)};
}

static Hdf5Element integer(size_t bytes, bool is_signed) {
  switch (bytes) {
  case 1: return is_signed ? number(HGM_FILE_I8, H5T_NATIVE_INT8) : number(HGM_FILE_U8, H5T_NATIVE_UINT8);
  case 2: return is_signed ? number(HGM_FILE_I16, H5T_NATIVE_INT16) : number(HGM_FILE_U16, H5T_NATIVE_UINT16);
  case 3:
  case 4: return is_signed ? number(HGM_FILE_I32, H5T_NATIVE_INT32) : number(HGM_FILE_U32, H5T_NATIVE_UINT32);
  case 5:
  case 6:
  case 7:
  case 8: return is_signed ? number(HGM_FILE_I64, H5T_NATIVE_INT64) : number(HGM_FILE_U64, H5T_NATIVE_UINT64);
  }
  return refused("holds integers of more than 64 bits");
}

static Hdf5Element text(hid_t type) {
  if (H5Tis_variable_str(type) > 0)
    return (Hdf5Element){.type = HGM_FILE_TEXT, .cell = HGM_CELL_TEXT_POINTER, .bytes = sizeof(char *), .memory = H5Tcopy(type)};
  Hdf5Element element = {.type = HGM_FILE_TEXT, .cell = HGM_CELL_FIXED_TEXT, .bytes = H5Tget_size(type), .memory = H5Tcopy(type)};
  return element;
}

// h5py's bool: an enumeration of bytes, FALSE and TRUE.
static bool is_bool(hid_t type) {
  static const char *const names[] = {"FALSE", "TRUE"};
  bool fits = H5Tget_nmembers(type) == 2 && H5Tget_size(type) == 1;
  for (unsigned i = 0; fits && i < 2; i++) {
    char *name = H5Tget_member_name(type, i);
    unsigned char value = 2;
    fits = name != NULL && strcmp(name, names[i]) == 0 && H5Tget_member_value(type, i, &value) >= 0 && value == i;
    H5free_memory(name);
  }
  return fits;
}

Hdf5Element hgm_hdf5_element(hid_t type) {
  size_t bytes = H5Tget_size(type);
  switch (H5Tget_class(type)) {
  case H5T_INTEGER: return integer(bytes, H5Tget_sign(type) == H5T_SGN_2);
  case H5T_ENUM: {
    if (is_bool(type)) return number(HGM_FILE_BOOL, H5T_NATIVE_INT8);
    hid_t base = H5Tget_super(type);
    bool is_signed = H5Tget_sign(base) == H5T_SGN_2;
    H5Tclose(base);
    return integer(bytes, is_signed);
  }
  case H5T_BITFIELD: return bytes == 1 ? number(HGM_FILE_U8, H5T_NATIVE_B8) : refused("holds bit fields");
  case H5T_FLOAT: return bytes <= 4 ? number(HGM_FILE_F32, H5T_NATIVE_FLOAT) : number(HGM_FILE_F64, H5T_NATIVE_DOUBLE);
  case H5T_STRING: return text(type);
  case H5T_COMPOUND: return refused("is a table inside a table");
  case H5T_ARRAY: return refused("holds arrays of arrays");
  case H5T_VLEN: return refused("has rows of different length; pad them to one length");
  case H5T_REFERENCE: return refused("holds references to other objects");
  case H5T_OPAQUE: return refused("holds opaque bytes");
  case H5T_TIME: return refused("holds times of an outdated kind");
  case H5T_NO_CLASS:
  case H5T_NCLASSES: break;
  }
  return refused("has a type that is not known");
}

// Memory type of one member of a compound, or -1 when it cannot be read.
static hid_t member_memory(hid_t type) {
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_COMPOUND) return hgm_hdf5_compound(type);
  if (class != H5T_ARRAY) {
    Hdf5Element element = hgm_hdf5_element(type);
    if (element.refusal == NULL && element.cell == HGM_CELL_TEXT_POINTER) {
      H5Tclose(element.memory);
      return -1;
    }
    return element.memory;
  }
  hsize_t shape[H5S_MAX_RANK];
  int rank = H5Tget_array_dims2(type, shape);
  hid_t base = H5Tget_super(type), array = -1;
  Hdf5Element element = hgm_hdf5_element(base);
  if (element.refusal == NULL && element.cell != HGM_CELL_TEXT_POINTER && rank >= 1 && rank <= HGM_MAX_RANK)
    array = H5Tarray_create2(element.memory, (unsigned)rank, shape);
  if (element.memory >= 0) H5Tclose(element.memory);
  H5Tclose(base);
  return array;
}

hid_t hgm_hdf5_compound(hid_t type) {
  int n = H5Tget_nmembers(type);
  hid_t result = -1;
  for (int pass = 0; pass < 2; pass++) { // first the size, then the members
    size_t offset = 0;
    for (int i = 0; i < n; i++) {
      hid_t member = H5Tget_member_type(type, (unsigned)i), memory = member_memory(member);
      H5Tclose(member);
      if (memory < 0) continue;
      char *name = H5Tget_member_name(type, (unsigned)i);
      if (pass == 1) H5Tinsert(result, name, offset, memory);
      H5free_memory(name);
      offset += H5Tget_size(memory);
      H5Tclose(memory);
    }
    if (pass == 0 && offset == 0) return -1;
    if (pass == 0) result = H5Tcreate(H5T_COMPOUND, offset);
  }
  return result;
}

// ---- texts

// Copies n texts that were read with `type` from `raw`.
static bool copy_texts(HgmHeap *heap, hid_t type, const char *raw, int n, const char ***texts) {
  bool is_variable = H5Tis_variable_str(type) > 0;
  size_t bytes = H5Tget_size(type);
  const char **result = hgm_heap_alloc(heap, (size_t)n * sizeof *result);
  for (int i = 0; result != NULL && i < n; i++) {
    const char *from = raw + (size_t)i * bytes;
    if (is_variable) memcpy(&from, raw + (size_t)i * sizeof from, sizeof from);
    size_t length = from == NULL ? 0 : is_variable ? strlen(from) : strnlen(from, bytes);
    result[i] = hgm_heap_strndup(heap, from == NULL ? "" : from, length);
    if (result[i] == NULL) return false;
  }
  *texts = result;
  return result != NULL;
}

// Reads what `read` puts into a buffer for the whole space.
static bool all_texts(HgmHeap *heap, hid_t type, hid_t space, bool (*read)(hid_t, hid_t, void *), hid_t object, const char ***texts, int *n) {
  *n = 0;
  hssize_t count = H5Tget_class(type) == H5T_STRING ? H5Sget_simple_extent_npoints(space) : 0;
  if (count < 1 || count > 1000000) return true;
  char *raw = calloc((size_t)count, H5Tget_size(type));
  if (raw == NULL) return false;
  bool fine = true;
  if (read(object, type, raw)) {
    fine = copy_texts(heap, type, raw, (int)count, texts);
    if (fine) *n = (int)count;
    if (H5Tis_variable_str(type) > 0) H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
  }
  free(raw);
  return fine;
}

static bool read_attribute(hid_t attribute, hid_t type, void *raw) { return H5Aread(attribute, type, raw) >= 0; }
static bool read_dataset(hid_t dataset, hid_t type, void *raw) { return H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw) >= 0; }

bool hgm_hdf5_texts(HgmHeap *heap, hid_t object, const char *name, const char ***texts, int *n) {
  *n = 0;
  if (H5Aexists(object, name) <= 0) return true;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return true;
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  bool fine = all_texts(heap, type, space, read_attribute, attribute, texts, n);
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(attribute);
  return fine;
}

const char *hgm_hdf5_text(HgmHeap *heap, hid_t object, const char *name) {
  const char **texts;
  int n;
  return hgm_hdf5_texts(heap, object, name, &texts, &n) && n > 0 ? texts[0] : NULL;
}

bool hgm_hdf5_dataset_texts(HgmHeap *heap, hid_t dataset, const char ***texts, int *n) {
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  bool fine = all_texts(heap, type, space, read_dataset, dataset, texts, n);
  H5Sclose(space);
  H5Tclose(type);
  return fine;
}
