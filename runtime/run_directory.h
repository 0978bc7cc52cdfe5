// The directory of a run: source, manifest.json, metrics.csv, best.h5, last.h5, and a lock that keeps a second run out.
#ifndef HGM_RUN_DIRECTORY_H
#define HGM_RUN_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/io.h"
#include "runtime/table.h"

typedef struct HgmRun HgmRun;

// Makes the directory (parents too) and locks it. directory NULL: runs/MODEL-NNN with the next free number. One that holds a
// run already is refused unless `resume` (then it must hold one) or `force`.
bool hgm_run_create(HgmRun **run, const char *directory, const char *model, bool resume, bool force, HgmError *error);
void hgm_run_close(HgmRun *run); // gives the lock back; a directory that it made and that nothing came into goes too
const char *hgm_run_path(const HgmRun *run);
// "DIRECTORY/NAME" in `text`; false (and a message) when it does not fit.
bool hgm_run_file(const char *directory, const char *name, char *text, int size, HgmError *error);
// Directory of a positional RUN: itself, or the folder of its .h5 file; fails when it holds no manifest.json.
bool hgm_run_find(const char *argument, char *directory, int size, HgmError *error);

// One line of metrics.csv: the columns must be the same for all lines of the file; appended with one write. The first two
// columns are the epoch, counted in its phase, and the phase. Values that are not finite are left empty.
bool hgm_run_metrics(HgmRun *run, const char *const *names, const double *values, int n, const HgmIo *io, HgmError *error);
// On resume: keeps the header, the lines of earlier phases, and those of this phase up to the epoch.
bool hgm_run_metrics_keep(HgmRun *run, double phase, double epoch, const HgmIo *io, HgmError *error);

// ---- manifest.json

typedef struct HgmManifestPair {
  const char *name, *value;
} HgmManifestPair;
typedef struct HgmManifestData {
  const char *block; // name of the data block
  const char *role;  // train, valid, test
  const HgmFileIdentity *files;
  int n_files;
  const HgmManifestPair *columns;
  int n_columns; // name and type ("float32", "int8 (6,4)")
  int64_t rows;
} HgmManifestData;

typedef struct HgmManifest {
  const char *model;                                         // path of the model file as given
  const char *version, *cpu, *command, *precision, *created; // created: filled in by save when NULL
  uint64_t seed;
  int threads;
  const HgmManifestPair *sources;
  int n_sources; // path, text
  const HgmManifestPair *params;
  int n_params; // name, value as text
  const HgmManifestData *data;
  int n_data;
  const HgmManifestPair *notes;
  int n_notes; // anything else, e.g. "model_hash"
} HgmManifest;

bool hgm_manifest_save(const char *directory, const HgmManifest *manifest, const HgmIo *io, HgmError *error);
bool hgm_manifest_load(HgmManifest **manifest, const char *directory, HgmError *error); // NULL on failure
void hgm_manifest_destroy(HgmManifest *manifest);                                       // of a loaded one
const char *hgm_cpu_name(char *text, int size);                                         // "model name" of the first processor, or "unknown"

#endif
