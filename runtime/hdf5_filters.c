// Filters of HDF5 datasets: LZF (h5py's) is undone here; for others that no plugin undoes the message names filter and package.
#include <stdlib.h>

#include "runtime/hdf5_reader.h"
#include "runtime/unfilter.h"

// Undoes LZF. h5py stores (version, version of lzf, chunk bytes) in the parameters; a chunk that did not shrink is stored with
// the filter's bit in its mask set, so that it does not come here.
static size_t lzf_filter(unsigned int flags, size_t n_values, const unsigned int values[], size_t n, size_t *size, void **buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0; // we never write it
  size_t room = n_values >= 3 && values[2] > 0 ? values[2] : 4 * n + 64;
  for (int attempt = 0; attempt < 8; attempt++, room *= 2) {
    void *out = malloc(room);
    if (out == NULL) return 0;
    size_t got;
    if (hgm_unlzf(*buffer, n, out, room, &got) == NULL) {
      free(*buffer);
      *buffer = out;
      *size = room;
      return got;
    }
    free(out);
  }
  return 0;
}

void hgm_hdf5_register_filters(void) {
  static const H5Z_class2_t lzf = {
      .version = H5Z_CLASS_T_VERS,
      .id = HDF5_LZF_FILTER,
      .encoder_present = 0,
      .decoder_present = 1,
      .name = "lzf",
      .filter = lzf_filter,
  };
  if (H5Zfilter_avail(HDF5_LZF_FILTER) <= 0) H5Zregister(&lzf);
}

static const struct Known {
  int id;
  const char *name, *package;
} KNOWN[] = {
    {307, "bzip2", "hdf5-filter-plugin"},
    {32001, "Blosc", "hdf5-filter-plugin-blosc-serial"},
    {32004, "LZ4", "hdf5-filter-plugin"},
    {32008, "bitshuffle", "hdf5-filter-plugin"},
    {32013, "ZFP", "hdf5-filter-plugin-zfp-serial"},
    {32015, "Zstandard", NULL},
    {32026, "Blosc2", NULL},
    {HDF5_LZF_FILTER, "LZF", NULL},
};

bool hgm_hdf5_check_filters(const HgmFile *file, hid_t dataset, const char *name, HgmError *error) {
  hid_t plist = H5Dget_create_plist(dataset);
  int n = plist < 0 ? 0 : H5Pget_nfilters(plist);
  bool fine = true;
  for (int i = 0; i < n && fine; i++) {
    char label[64] = "";
    unsigned int flags = 0, config = 0;
    size_t n_values = 0;
    int id = (int)H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, NULL, sizeof label, label, &config);
    if (id < 0 || H5Zfilter_avail(id) > 0) continue;
    const struct Known *known = NULL;
    for (size_t k = 0; k < sizeof KNOWN / sizeof *KNOWN; k++)
      if (KNOWN[k].id == id) known = &KNOWN[k];
    const char *called = known != NULL ? known->name : label[0] != '\0' ? label : "unknown";
    if (known != NULL && known->package != NULL)
      fine = hgm_fail(error, 2,
                      "%s: column `%s` is compressed with filter %s (%d), which is not installed; install the package "
                      "%s or rewrite the file with gzip",
                      file->path, name, called, id, known->package);
    else
      fine = hgm_fail(error, 2,
                      "%s: column `%s` is compressed with filter %s (%d), which is not installed; set HDF5_PLUGIN_PATH "
                      "to its plugin or rewrite the file with gzip",
                      file->path, name, called, id);
  }
  if (plist >= 0) H5Pclose(plist);
  return fine;
}
