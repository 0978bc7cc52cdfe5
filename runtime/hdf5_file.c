// Opening HDF5 files: what kind of damage, which group, and the walk over its datasets.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/hdf5_reader.h"

enum { DEEPEST = 8 };

static void close_file(HgmBlock *block) {
  hgm_hdf5_quiet();
  H5Fclose((hid_t)(intptr_t)block->backend);
}

// Opens the file; -1 and a message that says what is wrong with it.
static hid_t open_file(const char *path, HgmError *error) {
  struct stat info;
  char cause[300];
  if (stat(path, &info) != 0) {
    hgm_fail(error, 2, "%s: cannot be opened: %s", path, strerror(errno));
    return -1;
  }
  if (S_ISDIR(info.st_mode)) {
    hgm_fail(error, 2, "%s: is a directory, not a file", path);
    return -1;
  }
  if (info.st_size == 0) {
    hgm_fail(error, 1, "%s: the file is empty (0 bytes)", path);
    return -1;
  }
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    hgm_fail(error, 2, "%s: cannot be opened: %s", path, strerror(errno));
    return -1;
  }
  fclose(file);
  if (H5Fis_hdf5(path) <= 0) {
    hgm_fail(error, 1, "%s: this is not an HDF5 file, whatever its ending says", path);
    return -1;
  }
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  hid_t id = H5Fopen(path, H5F_ACC_RDONLY, access);
  if (id < 0) hgm_hdf5_cause(cause, sizeof cause); // before the next call clears it
  H5Pclose(access);
  if (id >= 0) return id;
  hgm_fail(error, 1, "%s: the HDF5 file is truncated or damaged (%s); copy or make it again", path, cause);
  return -1;
}

typedef struct Walk {
  HgmFile *file;
  HgmError *error;
} Walk;
static bool walk_group(Walk *walk, hid_t group, const char *prefix, int depth);

static bool add_link(Walk *walk, hid_t group, const char *prefix, const char *name, int depth) {
  H5L_info_t info;
  if (H5Lget_info(group, name, &info, H5P_DEFAULT) < 0) return true;
  hid_t object = H5Oopen(group, name, H5P_DEFAULT);
  if (object < 0) {
    char target[1000] = "", cause[200];
    hgm_hdf5_cause(cause, sizeof cause);
    if (info.type == H5L_TYPE_SOFT) H5Lget_val(group, name, target, sizeof target - 1, H5P_DEFAULT);
    char reason[1100];
    if (target[0] != '\0') snprintf(reason, sizeof reason, "is a link to %s, which does not exist", target);
    else
      snprintf(
          reason, sizeof reason,
          "cannot be opened by this HDF5 library (%s); it is damaged or of a newer format: where it was written, `h5repack --low=0 --high=1 OLD NEW` makes "
          "a file that every HDF5 since 1.8 reads",
          cause);
    return hgm_hdf5_refuse(walk->file, prefix, name, reason) || hgm_out_of_memory(walk->error, walk->file->path);
  }
  bool fine = true;
  H5I_type_t kind = H5Iget_type(object);
  if (kind == H5I_DATASET) {
    fine = hgm_hdf5_add_dataset(walk->file, object, prefix, name, walk->error);
  } else if (kind == H5I_GROUP && info.type == H5L_TYPE_HARD && depth < DEEPEST && strncmp(name, "_i_", 3) != 0) {
    char below[1024]; // _i_…: PyTables' indices
    if (snprintf(below, sizeof below, "%s%s/", prefix, name) < (int)sizeof below) fine = walk_group(walk, object, below, depth + 1);
  }
  H5Oclose(object);
  return fine;
}

static bool walk_group(Walk *walk, hid_t group, const char *prefix, int depth) {
  bool is_pandas = false;
  if (!hgm_hdf5_add_pandas(walk->file, group, prefix, &is_pandas, walk->error)) return false;
  if (is_pandas) return true;
  H5G_info_t info;
  if (H5Gget_info(group, &info) < 0) return true;
  for (hsize_t i = 0; i < info.nlinks; i++) {
    char name[512];
    ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    if (length <= 0 || length >= (ssize_t)sizeof name) continue;
    if (!add_link(walk, group, prefix, name, depth)) return false;
  }
  return true;
}

static bool add_object(Walk *walk, hid_t id) {
  HgmFile *file = walk->file;
  if (file->group[0] == '\0') {
    hid_t root = H5Gopen2(id, "/", H5P_DEFAULT);
    if (root < 0) return hgm_fail(walk->error, 1, "%s: the HDF5 file is damaged: its root cannot be opened", file->path);
    bool fine = walk_group(walk, root, "", 0);
    H5Gclose(root);
    return fine;
  }
  hid_t object = H5Oopen(id, file->group, H5P_DEFAULT);
  if (object < 0) return hgm_fail(walk->error, 1, "%s has no group `/%s`; list its groups with h5ls", file->path, file->group);
  H5I_type_t kind = H5Iget_type(object);
  const char *slash = strrchr(file->group, '/');
  bool fine = kind == H5I_GROUP     ? walk_group(walk, object, "", 0)
              : kind == H5I_DATASET ? hgm_hdf5_add_dataset(file, object, "", slash == NULL ? file->group : slash + 1, walk->error)
                                    : hgm_fail(walk->error, 1, "%s: `/%s` is neither a group nor a dataset", file->path, file->group);
  H5Oclose(object);
  return fine;
}

bool hgm_open_hdf5(HgmFile *file, HgmError *error) {
  hgm_hdf5_quiet();
  hgm_hdf5_register_filters();
  hid_t id = open_file(file->path, error);
  if (id < 0) return false;
  HgmBlock *keeper = hgm_file_add_block(file, "file"); // blocks are closed from last to first: the file comes last
  if (keeper == NULL) {
    H5Fclose(id);
    return hgm_out_of_memory(error, file->path);
  }
  keeper->backend = (void *)(intptr_t)id;
  keeper->close = close_file;
  Walk walk = {.file = file, .error = error};
  if (!add_object(&walk, id)) return false;
  return file->n_fields > 0 || hgm_fail(error, 1, "%s: holds no datasets", file->path);
}
