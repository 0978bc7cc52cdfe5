// What every verb shares: the model (loaded, checked, its diagnostics printed), the thread pool, the cache.
//
// Lifetimes: the session arena holds sources, syntax trees and the model, unless that may be kept for other runs (kept.h); each compile has an
// arena of its own.
#ifndef HGM_DRIVER_SESSION_H
#define HGM_DRIVER_SESSION_H

#include "compiler/codegen/codegen.h"
#include "compiler/driver/options.h"
#include "lang/model.h"
#include "runtime/error.h"
#include "runtime/pool.h"
#include "runtime/program_cache.h"

enum { EXIT_DONE = 0, EXIT_USER = 1, EXIT_ENVIRONMENT = 2, EXIT_INTERNAL = 3 };

typedef struct Compiling Compiling; // compiling.h
typedef VEC(Compiling *) Compilings;

typedef struct Kept Kept;                       // kept.h
typedef struct CompilerProcess CompilerProcess; // compiler_process.h

typedef struct Session {
  Arena *arena;
  const Options *options;
  Sources *sources;
  Diags *diags;
  Model *model;
  bool of_run; // the model is that of a run, which another text of it would not change
  bool bf16;   // products of what draws and scores have operands of bf16
  Kept *kept;  // where the model lies; NULL: in the arena
  HgmPool *pool;
  HgmCache *cache;           // of compiled programs; NULL: none
  CodegenStats stats;        // counts of all programs compiled
  CompilerProcess *compiler; // NULL: compiles itself
  unsigned shelves;          // given numbers there
  Compilings ahead;
  Compilings quick;  // of those ahead, ended: made quickly
  Compilings better; // of these, made again
} Session;

// A model as a verb wants it: from a file (text NULL, `-`: standard input) or from a run's saved sources.
typedef struct SessionSource {
  const char *path;
  const char *text;
  const ModelSource *files; // the run's other files, found by their path
  size_t n_files;
  uint64_t seed;
  const char *precision; // "f32" (NULL), "f64" or "bf16"
  Strings sets;
  bool silent;                        // diagnostics are not printed
  const struct HgmManifest *manifest; // of a run that is opened again: it knows the trained runs that it used
  bool unlocked;                      // MODEL.lock is not looked at
  bool trains;                        // the first phase's steps are compiled while the rest of the model is read
} SessionSource;

// Prints diagnostics to stderr. False: *exit_code says why.
bool session_open(Session *session, const Options *options, const SessionSource *source, int *exit_code);
void session_close(Session *session);
const char *session_stdlib(Arena *arena); // directory of the standard library: HGM_STDLIB, beside the binary, or installed
int report_error(const HgmError *error);  // "hgmc: …" on stderr; its exit code

#endif
