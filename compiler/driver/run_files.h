// A finished or stopped run as the other verbs find it: its model, loaded again from the saved source, and its weights.
#ifndef HGM_DRIVER_RUN_FILES_H
#define HGM_DRIVER_RUN_FILES_H

#include "compiler/driver/dataset.h"
#include "compiler/driver/snapshot.h"
#include "runtime/run_directory.h"
#include "runtime/writer.h"

typedef struct OpenRun {
  Session session;
  Store *store;
  HgmManifest *manifest;
  char directory[4096];
  const char *weights; // path of the file that the weights come from
  char hash[65];
} OpenRun;

// Opens `RUN` (a directory, or one of its .h5 files). Messages go to stderr; false: *exit_code says why.
bool open_run(OpenRun *run, const Options *options, const char *argument, int *exit_code);
// Values for all saved slots that the programs bound so far have asked for: call it after binding, before running.
bool open_run_weights(OpenRun *run, HgmError *error);
void close_run(OpenRun *run);

// Hash of all that decides the weights' meaning: sources, turned params, precision, seed. text: 65 bytes.
void model_hash(const Session *session, const char *precision, char text[65]);
// How the training file stores the column ("float32" …), for files that we write. F32 when it is not known.
HgmFileType column_type(const HgmManifest *manifest, const ModelColumn *column);
// And its shape there, of one event, (HGM_MAX_RANK): an image of one channel that the file has as rows and columns is written so. Returns the rank.
int column_shape(const HgmManifest *manifest, const ModelColumn *column, int64_t *shape);
// Of a column of counts, the least number that the training file has in it; false: it is none.
bool column_least(const HgmManifest *manifest, const ModelColumn *column, double *least);
// All of it, for an output of a generator.
HgmOutColumn column_out(const HgmManifest *manifest, const ModelOutput *output);
// Of an output of the scores: F32 where its number is computed in float32.
HgmFileType score_type(const IrFn *score, const char *output);
const char *file_type_text(HgmFileType type);

// FILE or NAME=FILE arguments of --train, --data: the files of one data block. False: a block is named that does not exist.
bool files_of_block(Session *session, const Strings *arguments, const ModelData *data, Strings *files, HgmError *error);

#endif
