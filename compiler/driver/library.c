#include "compiler/driver/library.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/build/library_file.h"
#include "compiler/codegen/image.h"
#include "compiler/driver/library_text.h"
#include "compiler/driver/session.h"
#include "runtime/io.h"

static const char *const endings[] = {"lib%s.a", "lib%s.so", "%s.h", "%s.py", "%s.pc"};
enum { STATIC, SHARED, HEADER, PYTHON, PKGCONFIG, FILES };

// "out/jetsim" as the folder "out/" and the name "jetsim".
static const char *name_of(const char *output) {
  const char *slash = strrchr(output, '/');
  return slash == NULL ? output : slash + 1;
}

static const char *path_of(Arena *arena, const char *output, int which) {
  const char *name = name_of(output);
  char file[300];
  snprintf(file, sizeof file, endings[which], name);
  return arena_printf(arena, "%.*s%s", (int)(name - output), output, file);
}

static bool is_identifier(const char *name) {
  if (!isalpha((unsigned char)*name)) return false;
  for (const char *c = name; *c != '\0'; c++)
    if (!isalnum((unsigned char)*c) && *c != '_') return false;
  return strlen(name) <= 60;
}

bool library_check(const Options *options, HgmError *error) {
  const char *name = name_of(options->output);
  struct stat info;
  if (!is_identifier(name))
    return hgm_fail(error, EXIT_ENVIRONMENT, "-o %s: the names of a library begin with `%s`, so it must be a name in C", options->output, name);
  for (int i = 0; i < FILES && !options->force; i++) {
    const char *path = path_of(options->arena, options->output, i);
    if (stat(path, &info) == 0) return hgm_fail(error, EXIT_ENVIRONMENT, "%s: exists; add --force to replace it", path);
  }
  return true;
}

// ---- the two with code

// The functions of sampler/library/library.c by the names they get.
static bool find_exports(Arena *arena, const char *name, const Image *image, LibraryFile *file, HgmError *error) {
  LibraryExport *exports = ARENA_ARRAY(arena, LibraryExport, image->n_symbols + 1);
  bool has_place = false;
  for (size_t i = 0; i < image->n_symbols; i++) {
    const ImageSymbol *s = &image->symbols[i];
    if (strcmp(s->name, "hgm_bundle_place") == 0) file->place = s->offset, has_place = true;
    if (strncmp(s->name, "lib_", 4) != 0) continue;
    exports[file->n_exports++] = (LibraryExport){arena_printf(arena, "%s_%s", name, s->name + 4), s->offset, s->size};
  }
  file->exports = exports;
  return (has_place && file->n_exports > 0) || hgm_fail(error, EXIT_INTERNAL, "the library carried in hgmc cannot take a model");
}

static bool write_buffer(const char *path, HgmBuffer *buffer, bool may_run, HgmError *error) {
  bool fine = !buffer->failed || hgm_fail(error, EXIT_ENVIRONMENT, "out of memory");
  fine = fine && (may_run ? hgm_io_replace_program : hgm_io_replace)(NULL, path, buffer->bytes, buffer->size, error);
  free(buffer->bytes);
  return fine;
}

static bool write_code(const Options *options, Arena *arena, const void *bytes, size_t size, HgmError *error) {
  BuildPart part = build_library();
  Image image;
  if (!image_build(&image, &(ImageObject){part.bytes, part.size}, 1, error)) return false;
  LibraryFile library = {.name = name_of(options->output), .code = {image.bytes, image.size}, .bundle = {bytes, size}};
  HgmBuffer archive = {0}, shared = {0};
  bool fine = find_exports(arena, library.name, &image, &library, error);
  if (fine) {
    library_file_static(&library, &archive);
    fine = write_buffer(path_of(arena, options->output, STATIC), &archive, false, error);
    library_file_shared(&library, &shared);
    fine = write_buffer(path_of(arena, options->output, SHARED), &shared, true, error) && fine;
  }
  image_free(&image);
  return fine;
}

static bool write_text(const char *path, const char *text, HgmError *error) { return hgm_io_replace(NULL, path, text, strlen(text), error); }

bool library_write(const Options *options, Arena *arena, const HgmBundle *bundle, const void *bytes, size_t size, HgmError *error) {
  const char *name = name_of(options->output), *output = options->output;
  bool fine = write_code(options, arena, bytes, size, error) && write_text(path_of(arena, output, HEADER), library_header(arena, name, bundle), error) &&
              write_text(path_of(arena, output, PYTHON), library_python(arena, name, bundle), error) &&
              write_text(path_of(arena, output, PKGCONFIG), library_pkgconfig(arena, name, bundle), error);
  if (fine && !options->quiet)
    fprintf(stderr, "%s, %s (the model is %zu kB), %s, %s, %s\n", path_of(arena, output, STATIC), path_of(arena, output, SHARED), size / 1000,
            path_of(arena, output, HEADER), path_of(arena, output, PYTHON), path_of(arena, output, PKGCONFIG));
  return fine;
}
