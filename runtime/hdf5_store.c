// Reads stores: what checkpoint_write.c writes.
#include "runtime/hdf5_store.h"

#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/hdf5_reader.h"

static hid_t memory_type(HgmDtype dtype) {
  switch (dtype) {
  case HGM_F32: return H5T_NATIVE_FLOAT;
  case HGM_F64: return H5T_NATIVE_DOUBLE;
  case HGM_I32:
  case HGM_BOOL: return H5T_NATIVE_INT32;
  case HGM_BF16: break; // made anew from the weights of every run
  }
  return -1;
}

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
  size_t prefix = strlen(HGM_TEXT_PREFIX);
  bool fine =
      strncmp(name, HGM_TEXT_PREFIX, prefix) == 0 ? read_long_text(store, dataset, name + prefix, path, error) : read_array(store, dataset, name, path, error);
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
