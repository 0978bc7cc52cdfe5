// Stores as HDF5: one dataset per array in the root (names hold dots and colons, no groups), texts as attributes of the root.
#include "runtime/hdf5_store.h"

#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/hdf5_reader.h"

enum { CORE_GROWTH = 1 << 20, ATTRIBUTE_MOST = 60000 }; // attributes of the old format end at 64 kB: longer texts are datasets

static const char TEXT_PREFIX[] = "text:";

static hid_t file_type(HgmDtype dtype) {
  switch (dtype) {
  case HGM_F32: return H5T_IEEE_F32LE;
  case HGM_F64: return H5T_IEEE_F64LE;
  case HGM_I32:
  case HGM_BOOL: return H5T_STD_I32LE;
  }
  return -1;
}

static hid_t memory_type(HgmDtype dtype) {
  switch (dtype) {
  case HGM_F32: return H5T_NATIVE_FLOAT;
  case HGM_F64: return H5T_NATIVE_DOUBLE;
  case HGM_I32:
  case HGM_BOOL: return H5T_NATIVE_INT32;
  }
  return -1;
}

static bool write_array(hid_t file, hid_t link, const HgmArray *array) {
  hsize_t shape[HGM_ARRAY_MAX_RANK];
  for (int i = 0; i < array->rank; i++) shape[i] = (hsize_t)array->shape[i];
  hid_t space = array->rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(array->rank, shape, NULL);
  hid_t dataset = H5Dcreate2(file, array->name, file_type(array->dtype), space, link, H5P_DEFAULT, H5P_DEFAULT);
  bool fine = dataset >= 0 && (array->elements == 0 || H5Dwrite(dataset, memory_type(array->dtype), H5S_ALL, H5S_ALL, H5P_DEFAULT, array->data) >= 0);
  if (dataset >= 0) H5Dclose(dataset);
  if (space >= 0) H5Sclose(space);
  return fine;
}

static bool write_text(hid_t file, hid_t link, const char *name, const char *text) {
  hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, strlen(text) + 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  bool is_long = strlen(text) > ATTRIBUTE_MOST, fine;
  if (is_long) {
    char full[300];
    snprintf(full, sizeof full, "%s%s", TEXT_PREFIX, name);
    hid_t dataset = H5Dcreate2(file, full, type, space, link, H5P_DEFAULT, H5P_DEFAULT);
    fine = dataset >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0;
    if (dataset >= 0) H5Dclose(dataset);
  } else {
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    fine = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
    if (attribute >= 0) H5Aclose(attribute);
  }
  H5Tclose(type);
  H5Sclose(space);
  return fine;
}

static bool write_all(hid_t file, const HgmStore *store) {
  hid_t link = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_char_encoding(link, H5T_CSET_UTF8);
  bool fine = link >= 0;
  for (int64_t i = 0; fine && i < hgm_store_n(store); i++) fine = write_array(file, link, hgm_store_at(store, i));
  for (int64_t i = 0; fine && i < hgm_store_n_texts(store); i++) {
    const char *name, *text;
    hgm_store_text_at(store, i, &name, &text);
    fine = write_text(file, link, name, text);
  }
  if (link >= 0) H5Pclose(link);
  return fine && H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0;
}

// About the size of the file: memory that grows by so much at once need not be moved.
static size_t expected_bytes(const HgmStore *store) {
  enum { RECORD = 512 };
  size_t bytes = CORE_GROWTH;
  for (int64_t i = 0; i < hgm_store_n(store); i++) {
    const HgmArray *array = hgm_store_at(store, i);
    bytes += RECORD + (size_t)array->elements * H5Tget_size(file_type(array->dtype));
  }
  return bytes;
}

// Says that the file was closed, as libhdf5 does when it copies an image: of a file that is open for writing its first block says so.
static void mark_closed(uint8_t *bytes) {
  enum { VERSION = 8, FLAGS = 20 };
  if (bytes[VERSION] == 0) memset(bytes + FLAGS, 0, sizeof(uint32_t));
}

bool hgm_hdf5_store_image(const HgmStore *store, const char *path, HgmImage *image, HgmError *error) {
  hgm_hdf5_quiet();
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fapl_core(access, expected_bytes(store), 0); // in memory, never on disk
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  hid_t file = H5Fcreate("hgm-store.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
  bool fine = file >= 0 && write_all(file, store);
  ssize_t size = fine ? H5Fget_file_image(file, NULL, 0) : -1;
  void **memory = NULL; // of that driver's handle
  fine = size > 0 && H5Fget_vfd_handle(file, access, (void **)&memory) >= 0;
  if (fine) mark_closed(*memory);
  *image = (HgmImage){fine ? *memory : NULL, fine ? (size_t)size : 0, file};
  char cause[200];
  hgm_hdf5_cause(cause, sizeof cause);
  H5Pclose(access);
  return fine || hgm_fail(error, 2, "%s: the checkpoint cannot be put together (%s)", path, cause);
}

void hgm_hdf5_image_close(HgmImage *image) {
  if (image->file >= 0) H5Fclose(image->file);
}

// ---- reading

static bool wrong(const char *path, const char *name, const char *what, HgmError *error) {
  return hgm_fail(error, 1, "%s: `%s` %s; this is no checkpoint of hgmc", path, name, what);
}

static bool read_long_text(HgmStore *store, hid_t dataset, const char *name, const char *path, HgmError *error) {
  HgmHeap heap = {0};
  const char **texts;
  int n;
  bool fine = hgm_hdf5_dataset_texts(&heap, dataset, &texts, &n);
  if (fine && n != 1) fine = wrong(path, name, "is not one text", error);
  else fine = (fine && hgm_store_set_text(store, name, texts[0])) || hgm_fail(error, 2, "%s: out of memory", path);
  hgm_heap_free(&heap);
  return fine;
}

static bool read_array(HgmStore *store, hid_t dataset, const char *name, const char *path, HgmError *error) {
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  H5T_class_t class = H5Tget_class(type);
  size_t bytes = H5Tget_size(type);
  H5Tclose(type);
  hsize_t shape[H5S_MAX_RANK];
  int64_t wanted[HGM_ARRAY_MAX_RANK] = {0};
  int rank = H5Sget_simple_extent_dims(space, shape, NULL);
  bool is_null = H5Sget_simple_extent_type(space) == H5S_NULL;
  H5Sclose(space);
  if (rank < 0 || rank > HGM_ARRAY_MAX_RANK || is_null) return wrong(path, name, "has no shape that fits an array", error);
  if (class != H5T_FLOAT && class != H5T_INTEGER) return wrong(path, name, "holds no numbers", error);
  for (int i = 0; i < rank; i++) wanted[i] = (int64_t)shape[i];
  HgmArray *array = hgm_store_add(store, name, class == H5T_INTEGER ? HGM_I32 : bytes > 4 ? HGM_F64 : HGM_F32, rank, wanted);
  if (array == NULL) return hgm_fail(error, 2, "%s: not enough memory for `%s`", path, name);
  if (array->elements == 0 || H5Dread(dataset, memory_type(array->dtype), H5S_ALL, H5S_ALL, H5P_DEFAULT, array->data) >= 0) return true;
  char cause[200];
  hgm_hdf5_cause(cause, sizeof cause);
  return hgm_fail(error, 2, "%s: `%s` cannot be read (%s); the file is damaged", path, name, cause);
}

static bool read_dataset(HgmStore *store, hid_t file, hsize_t i, const char *path, HgmError *error) {
  char name[1024];
  ssize_t length = H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
  if (length <= 0 || length >= (ssize_t)sizeof name) return wrong(path, "/", "has a name that cannot be read", error);
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  if (dataset < 0) return wrong(path, name, "is not a dataset", error);
  size_t prefix = sizeof TEXT_PREFIX - 1;
  bool fine =
      strncmp(name, TEXT_PREFIX, prefix) == 0 ? read_long_text(store, dataset, name + prefix, path, error) : read_array(store, dataset, name, path, error);
  H5Dclose(dataset);
  return fine;
}

typedef struct Names {
  HgmStore *store;
  bool fine;
} Names;

static herr_t read_text(hid_t root, const char *name, const H5A_info_t *info, void *data) {
  (void)info;
  Names *names = data;
  HgmHeap heap = {0};
  const char *text = hgm_hdf5_text(&heap, root, name);
  if (text != NULL) names->fine = hgm_store_set_text(names->store, name, text);
  hgm_heap_free(&heap);
  return names->fine ? 0 : 1;
}

static bool read_all(HgmStore *store, hid_t file, const char *path, HgmError *error) {
  hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
  H5G_info_t info;
  bool fine = root >= 0 && H5Gget_info(root, &info) >= 0;
  if (!fine) hgm_fail(error, 2, "%s: the checkpoint is damaged", path);
  for (hsize_t i = 0; fine && i < info.nlinks; i++) fine = read_dataset(store, root, i, path, error);
  Names names = {.store = store, .fine = true};
  if (fine) H5Aiterate2(root, H5_INDEX_NAME, H5_ITER_INC, NULL, read_text, &names);
  if (root >= 0) H5Gclose(root);
  return fine && (names.fine || hgm_fail(error, 2, "%s: out of memory", path));
}

bool hgm_hdf5_store_read(HgmStore *store, const char *path, HgmError *error) {
  hgm_hdf5_quiet();
  struct stat status;
  if (stat(path, &status) != 0) return hgm_fail(error, 2, "%s: cannot be opened: %s", path, strerror(errno));
  if (H5Fis_hdf5(path) <= 0) return hgm_fail(error, 1, "%s: is not an HDF5 file, so no checkpoint", path);
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
  char cause[200];
  hgm_hdf5_cause(cause, sizeof cause);
  H5Pclose(access);
  if (file < 0) return hgm_fail(error, 1, "%s: the checkpoint is truncated or damaged (%s)", path, cause);
  bool fine = read_all(store, file, path, error);
  H5Fclose(file);
  return fine;
}
