// hgmc build RUN [GENERATOR] -o BIN [--lib] [--target T]: a standalone sampler, or a library.
#include "compiler/driver/build.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/build/sampler_file.h"
#include "compiler/driver/library.h"
#include "compiler/driver/pack.h"
#include "compiler/driver/verbs.h"
#include "runtime/io.h"

// The run as the bytes that a sampler carries behind itself, from malloc; bundle lies in the run's arena. NULL after an error.
static uint8_t *pack(HgmBundle *bundle, OpenRun *run, const Options *options, const PackTargets *targets, size_t *size, HgmError *error) {
  if (!pack_run(bundle, run, targets, options->generator, options->lib, error)) return NULL;
  uint8_t *bytes = hgm_bundle_pack(bundle, size);
  if (bytes == NULL) hgm_fail(error, EXIT_ENVIRONMENT, "out of memory");
  return bytes;
}

typedef struct Sampler {
  uint8_t *file; // from malloc
  size_t size, of_model;
} Sampler;

static bool make_sampler(Sampler *s, OpenRun *run, const Options *options, const PackTargets *targets, HgmError *error) {
  HgmBundle bundle;
  uint8_t *model = pack(&bundle, run, options, targets, &s->of_model, error);
  s->file = model == NULL ? NULL : sampler_file(build_base(targets->at[0]), model, s->of_model, &s->size, error);
  free(model);
  return s->file != NULL;
}

static bool write_sampler(OpenRun *run, const Options *options, const PackTargets *targets, HgmError *error) {
  Sampler s;
  const char *path = options->output;
  if (!make_sampler(&s, run, options, targets, error)) return false;
  bool fine = hgm_io_replace_program(NULL, path, s.file, s.size, error);
  free(s.file);
  if (fine && !options->quiet)
    fprintf(stderr, "%s: %zu kB, of which the model is %zu kB; `%s --help` says how to use it\n", path, s.size / 1000, s.of_model / 1000, path);
  return fine;
}

static bool write_library(OpenRun *run, const Options *options, const PackTargets *targets, HgmError *error) {
  HgmBundle bundle;
  size_t size;
  uint8_t *model = pack(&bundle, run, options, targets, &size, error);
  bool fine = model != NULL && library_write(options, run->session.arena, &bundle, model, size, error);
  free(model);
  return fine;
}

static bool build(OpenRun *run, const Options *options, const PackTargets *targets, HgmError *error) {
  return options->lib ? write_library(run, options, targets, error) : write_sampler(run, options, targets, error);
}

static bool sampler_bytes(OpenRun *run, const Options *options, double *bytes, HgmError *error) {
  PackTargets targets;
  Sampler s;
  if (!pack_targets(&targets, NULL, error) || !make_sampler(&s, run, options, &targets, error)) return false;
  *bytes = (double)s.size;
  free(s.file);
  return true;
}

bool build_sampler_bytes(const Options *options, const char *directory, double *bytes, HgmError *error) {
  Options silent = *options;
  silent.quiet = true;
  silent.timeline = NULL;
  silent.dump = NULL;
  silent.generator = NULL;
  OpenRun run;
  int exit_code = EXIT_DONE;
  bool ok = open_run(&run, &silent, directory, &exit_code) ? sampler_bytes(&run, &silent, bytes, error)
                                                           : hgm_fail(error, exit_code, "the sampler could not be built");
  close_run(&run);
  return ok;
}

// What is carried in this hgmc must be for that processor.
static bool may_build(const Options *options, const PackTargets *targets, HgmError *error) {
  if (targets->at[0] != HGM_CPU_AARCH64) return true;
  if (options->lib) return hgm_fail(error, EXIT_ENVIRONMENT, "--target aarch64: a sampler only; a library (--lib) is for x86-64");
  return build_base(HGM_CPU_AARCH64).size > 0 ||
         hgm_fail(error, EXIT_ENVIRONMENT,
                  "--target aarch64: this hgmc was built without a compiler for it; install gcc-aarch64-linux-gnu and libc6-dev-arm64-cross, then make");
}

int verb_build(const Options *options) {
  HgmError error = {0};
  PackTargets targets;
  OpenRun run;
  int exit_code = EXIT_DONE;
  if (!(options->lib ? library_check(options, &error) : hgm_io_may_write(options->output, options->force, &error)) ||
      !pack_targets(&targets, options->target, &error) || !may_build(options, &targets, &error))
    return report_error(&error);
  if (open_run(&run, options, options->positional.at[0], &exit_code) && !build(&run, options, &targets, &error)) exit_code = report_error(&error);
  close_run(&run);
  return exit_code;
}
