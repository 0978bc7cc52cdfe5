#include "compiler/driver/compiling.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <threads.h>

#include "compiler/opt/opt.h"
#include "runtime/program_file.h"
#include "runtime/sha256.h"

struct Compiling {
  const IrFn *fn;
  CodegenOptions options;
  const HgmCache *cache; // NULL: none
  HgmPool *pool;
  Timeline timeline; // in an arena of its own
  CodegenStats stats;
  HgmProgram *program;
  thrd_t thread;
};

// ---- the key

static void add_to_sha(void *sha, const void *bytes, size_t n) { hgm_sha256_add(sha, bytes, n); }

// Which hgmc this is: another build may compile the same function to other code.
static const char *own_identity(Arena *arena) {
  struct stat self;
  if (stat("/proc/self/exe", &self) != 0) return HGM_VERSION;
  return arena_printf(arena, "hgmc %s of %lld bytes, %lld.%09ld", HGM_VERSION, (long long)self.st_size, (long long)self.st_mtim.tv_sec, self.st_mtim.tv_nsec);
}

// A hash of the function and of all else that decides its code.
static void program_key(const IrFn *fn, const CodegenOptions *options, char key[HGM_CACHE_KEY + 1]) {
  Arena *scratch = arena_create();
  const char *parts[] = {own_identity(scratch), codegen_identity(scratch, options)};
  HgmSha256 sha;
  hgm_sha256_begin(&sha);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) hgm_sha256_add(&sha, parts[i], strlen(parts[i]) + 1);
  ir_bytes(fn, add_to_sha, &sha);
  hgm_sha256_end(&sha, key);
  arena_destroy(scratch);
}

// ---- one compilation

// The stages of one program, one behind the other.
static void note_stages(Timeline *timeline, const char *name, double begin_ms, double optimised_ms, const CodegenStats *stats) {
  Arena *arena = timeline->arena;
  double scheduled_ms = optimised_ms + stats->schedule_ms, compiled_ms = scheduled_ms + stats->machine_ms;
  timeline_span(timeline, begin_ms, optimised_ms, arena_printf(arena, "%s: optimised", name));
  timeline_span(timeline, optimised_ms, scheduled_ms, arena_printf(arena, "%s: scheduled, %u calls of kernels", name, stats->commands));
  timeline_span(timeline, scheduled_ms, compiled_ms,
                arena_printf(arena, "%s: machine code, %u kernels of %u LLVM instructions", name, stats->kernels, stats->instructions));
  timeline_span(timeline, compiled_ms, compiled_ms + stats->image_ms, arena_printf(arena, "%s: laid out", name));
}

static uint8_t *compile(Compiling *c, size_t *size) {
  const char *dump = c->options.dump;
  double begin = now_ms();
  Arena *arena = arena_create();
  IrFn *optimised = opt_run(arena, c->fn, NULL, NULL);
  double optimised_ms = now_ms();
  if (dump != NULL && strcmp(dump, "ir") == 0) ir_print(stdout, c->fn);
  if (dump != NULL && strcmp(dump, "opt") == 0) ir_print(stdout, optimised);
  uint8_t *packed = codegen_pack(optimised, &c->options, c->pool, &c->stats, size);
  arena_destroy(arena);
  note_stages(&c->timeline, c->fn->name, begin, optimised_ms, &c->stats);
  return packed;
}

static HgmProgram *find(Compiling *c, char key[HGM_CACHE_KEY + 1]) {
  double begin = now_ms();
  program_key(c->fn, &c->options, key);
  HgmProgram *kept = hgm_cache_find(c->cache, key);
  timeline_add(&c->timeline, begin, "%s: %s the cache", c->fn->name, kept != NULL ? "taken from" : "not in");
  return kept;
}

static int run(void *data) {
  Compiling *c = data;
  char key[HGM_CACHE_KEY + 1];
  if (c->cache != NULL) c->program = find(c, key);
  if (c->program != NULL) return 0;
  size_t size;
  HgmError error = {0};
  uint8_t *packed = compile(c, &size);
  c->program = hgm_program_load(packed, size, &error);
  if (c->program == NULL) ir_fail("%s", error.text);
  if (c->cache != NULL) hgm_cache_keep(c->cache, key, packed, size);
  free(packed);
  return 0;
}

static Compiling compiling_of(const Session *session, const IrFn *fn, uint32_t tile, uint64_t batch, HgmPool *pool) {
  Compiling c = {.fn = fn, .options = codegen_defaults(), .cache = session->cache, .pool = pool, .timeline = {.arena = arena_create()}};
  c.options.tile = tile;
  c.options.batch = batch;
  c.options.dump = session->options->dump;
  return c;
}

// What it did is the session's now.
static HgmProgram *take(Session *session, Compiling *c) {
  Timeline *timeline = session->options->timeline;
  for (size_t i = 0; timeline != NULL && i < c->timeline.entries.len; i++) {
    const TimelineEntry *e = &c->timeline.entries.at[i];
    timeline_span(timeline, e->begin_ms, e->end_ms, arena_strdup(timeline->arena, e->what));
  }
  arena_destroy(c->timeline.arena);
  session->stats.kernels += c->stats.kernels;
  session->stats.commands += c->stats.commands;
  session->stats.instructions += c->stats.instructions;
  return c->program;
}

// ---- now or ahead

void session_compile_ahead(Session *session, const IrFn *fn, uint32_t tile, uint64_t batch) {
  if (session->options->dump != NULL) return;                       // texts in order
  HgmPool *pool = hgm_pool_create(hgm_pool_threads(session->pool)); // threads take turns with the session's where both have work
  if (pool == NULL) return;
  Compiling *c = ARENA_NEW(session->arena, Compiling);
  *c = compiling_of(session, fn, tile, batch, pool);
  if (thrd_create(&c->thread, run, c) == thrd_success) {
    VEC_PUSH(session->arena, &session->ahead, c);
    return;
  }
  hgm_pool_destroy(pool);
  arena_destroy(c->timeline.arena);
}

static HgmProgram *finish(Session *session, size_t i) {
  Compiling *c = session->ahead.at[i];
  session->ahead.at[i] = session->ahead.at[--session->ahead.len];
  thrd_join(c->thread, NULL);
  hgm_pool_destroy(c->pool);
  return take(session, c);
}

HgmProgram *session_compile(Session *session, const IrFn *fn, uint32_t tile, uint64_t batch) {
  for (size_t i = 0; i < session->ahead.len; i++)
    if (session->ahead.at[i]->fn == fn && session->ahead.at[i]->options.tile == tile && session->ahead.at[i]->options.batch == batch) return finish(session, i);
  Compiling c = compiling_of(session, fn, tile, batch, session->pool);
  run(&c);
  return take(session, &c);
}

void session_drop_ahead(Session *session) {
  while (session->ahead.len > 0) hgm_program_free(finish(session, 0));
}

void session_print_times(const Session *session) {
  if (!session->options->time_passes) return;
  const CodegenStats *s = &session->stats;
  timeline_print(stderr, session->options->timeline);
  fprintf(stderr, "code: %u kernels, %u commands, %u LLVM instructions\n", s->kernels, s->commands, s->instructions);
}
