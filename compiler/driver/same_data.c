#include "compiler/driver/same_data.h"

#include <string.h>

#include "compiler/driver/session.h"

static const HgmManifestData *block_of(const HgmManifest *manifest, const char *name) {
  for (int i = 0; i < manifest->n_data; i++)
    if (strcmp(manifest->data[i].block, name) == 0) return &manifest->data[i];
  return NULL;
}

static const char *column_of(const HgmManifestData *data, const char *name) {
  for (int i = 0; i < data->n_columns; i++)
    if (strcmp(data->columns[i].name, name) == 0) return data->columns[i].value;
  return "absent";
}

static bool same_file(const HgmFileIdentity *then, const HgmFileIdentity *now, const char *directory, HgmError *error) {
  static const char cure[] = "a run goes on with the data that it began with: name that file, or train into a new directory";
  if (then->bytes != now->bytes)
    return hgm_fail(error, EXIT_USER, "%s was begun with %s of %lld bytes, and %s has %lld; %s", directory, then->path, (long long)then->bytes, now->path,
                    (long long)now->bytes, cure);
  if (strcmp(then->sha256, now->sha256) != 0)
    return hgm_fail(error, EXIT_USER, "%s was begun with %s, and %s holds other bytes (SHA-256 %.12s…, then %.12s…); %s", directory, then->path, now->path,
                    now->sha256, then->sha256, cure);
  return true;
}

static bool same_block(const HgmManifestData *then, const HgmManifestData *now, const char *directory, HgmError *error) {
  if (then->n_files != now->n_files)
    return hgm_fail(error, EXIT_USER, "%s was begun with %d files for `%s`, and now there are %d; name the same files in the same order", directory,
                    then->n_files, then->block, now->n_files);
  for (int i = 0; i < then->n_files; i++)
    if (!same_file(&then->files[i], &now->files[i], directory, error)) return false;
  for (int i = 0; i < then->n_columns; i++) {
    const char *was = then->columns[i].value, *is = column_of(now, then->columns[i].name);
    if (strcmp(was, is) != 0)
      return hgm_fail(error, EXIT_USER, "%s was begun with the column `%s` as %s, and now it is %s; name the same group of the file", directory,
                      then->columns[i].name, was, is);
  }
  return then->rows == now->rows || hgm_fail(error, EXIT_USER, "%s was begun with %lld rows of `%s`, and now there are %lld", directory, (long long)then->rows,
                                             then->block, (long long)now->rows);
}

bool same_data(const HgmManifest *then, const HgmManifest *now, const char *directory, HgmError *error) {
  for (int i = 0; i < then->n_data; i++) {
    const HgmManifestData *block = block_of(now, then->data[i].block);
    if (block == NULL)
      return hgm_fail(error, EXIT_USER, "%s was begun with data for `%s`: --train %s=FILE", directory, then->data[i].block, then->data[i].block);
    if (!same_block(&then->data[i], block, directory, error)) return false;
  }
  return true;
}
