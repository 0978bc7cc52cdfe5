#include "compiler/driver/compiler_process.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/driver/phase.h"
#include "compiler/opt/bf16.h"
#include "compiler/opt/opt.h"
#include "runtime/cpu.h"
#include "runtime/program_file.h"
#include "runtime/sha256.h"

struct Compiling {
  const IrFn *fn;
  CodegenOptions options;
  const HgmCache *cache;     // NULL: none
  CompilerProcess *compiler; // NULL: none
  unsigned shelf;            // there
  int threads;
  HgmPool *pool;      // of them, here; NULL: made when it is needed
  HgmSha256 function; // of the key
  bool is_hashed;
  Timeline timeline; // in an arena of its own
  CodegenStats stats;
  HgmProgram *program;
  bool quick_first; // where the cache has no program that was made with care
  bool is_spare;    // training goes on without it
  atomic_bool stop, ended;
  pthread_t thread;
  pthread_mutex_t lock; // of the two below
  pthread_cond_t is_scheduled;
  bool scheduled;   // or ended
  HgmProgram needs; // its sizes; what it points to is gone
};

// ---- the key

static void add_to_sha(void *sha, const void *bytes, size_t n) { hgm_sha256_add(sha, bytes, n); }

const char *session_identity(Arena *arena) {
  struct stat self;
  if (stat("/proc/self/exe", &self) != 0) return HGM_VERSION;
  return arena_printf(arena, "hgmc %s of %lld bytes, %lld.%09ld", HGM_VERSION, (long long)self.st_size, (long long)self.st_mtim.tv_sec, self.st_mtim.tv_nsec);
}

// A hash of the function (which takes milliseconds, so it is in c once it was wanted) and of all else that decides its code.
static void program_key(Compiling *c, char key[HGM_CACHE_KEY + 1]) {
  if (!c->is_hashed) {
    hgm_sha256_begin(&c->function);
    ir_bytes(c->fn, add_to_sha, &c->function);
    c->is_hashed = true;
  }
  Arena *scratch = arena_create();
  const char *parts[] = {session_identity(scratch), codegen_identity(scratch, &c->options)};
  HgmSha256 sha = c->function;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) hgm_sha256_add(&sha, parts[i], strlen(parts[i]) + 1);
  hgm_sha256_end(&sha, key);
  arena_destroy(scratch);
}

// ---- one compilation

// The stages of one program, one behind the other.
static void note_stages(Timeline *timeline, const char *name, const Compiled *compiled) {
  Arena *arena = timeline->arena;
  const CodegenStats *stats = &compiled->stats;
  double optimised_ms = compiled->optimised_ms, scheduled_ms = optimised_ms + stats->schedule_ms, compiled_ms = scheduled_ms + stats->machine_ms;
  timeline_span(timeline, compiled->begin_ms, optimised_ms, arena_printf(arena, "%s: optimised", name));
  timeline_span(timeline, optimised_ms, scheduled_ms, arena_printf(arena, "%s: scheduled, %u calls of kernels", name, stats->commands));
  timeline_span(timeline, scheduled_ms, compiled_ms,
                arena_printf(arena, "%s: machine code, %u kernels of %u LLVM instructions", name, stats->kernels, stats->instructions));
  timeline_span(timeline, compiled_ms, compiled_ms + stats->image_ms, arena_printf(arena, "%s: laid out", name));
}

Compiled compile_function(const IrFn *fn, const CodegenOptions *options, HgmPool *pool) {
  const char *dump = options->dump;
  Compiled compiled = {.begin_ms = now_ms()};
  Arena *arena = arena_create();
  IrFn *optimised = opt_run(arena, fn, NULL, NULL);
  if (options->bf16) optimised = opt_bf16(arena, optimised);
  compiled.optimised_ms = now_ms();
  if (dump != NULL && strcmp(dump, "ir") == 0) ir_print(stdout, fn);
  if (dump != NULL && strcmp(dump, "opt") == 0) ir_print(stdout, optimised);
  bool stopped = options->stop != NULL && atomic_load(options->stop);
  if (!stopped) compiled.packed = codegen_pack(optimised, options, pool, &compiled.stats, &compiled.size);
  arena_destroy(arena);
  return compiled;
}

static Compiled compile_here(Compiling *c) {
  HgmPool *pool = c->pool != NULL ? c->pool : hgm_pool_create(c->threads);
  Compiled compiled = compile_function(c->fn, &c->options, pool);
  if (c->pool == NULL) hgm_pool_destroy(pool);
  return compiled;
}

// Nobody but the system or the user sends signal 9; whatever else ends the process is its own fault.
static _Noreturn void report_death(const Compiling *c) {
  char death[64];
  compiler_process_death(c->compiler, death, sizeof death);
  if (strcmp(death, "signal 9") != 0) ir_fail("the process that compiled %s ended with %s", c->fn->name, death);
  fprintf(stderr, "hgmc: the process that compiled %s was killed, as the system does when memory runs out; free some and run again\n", c->fn->name);
  exit(EXIT_ENVIRONMENT);
}

static Compiled compile(Compiling *c) {
  Compiled compiled = {0};
  double begin = now_ms();
  CompilerAnswer answer = c->compiler == NULL ? COMPILER_ABSENT : compiler_process_ask(c->compiler, c->fn, &c->options, c->threads, c->shelf, &compiled);
  if (answer == COMPILER_DONE) timeline_span(&c->timeline, begin, compiled.begin_ms, arena_printf(c->timeline.arena, "%s: to the compiler", c->fn->name));
  if (answer == COMPILER_ABSENT) compiled = compile_here(c);
  if (answer == COMPILER_DIED && !c->is_spare) report_death(c);
  if (compiled.packed != NULL) note_stages(&c->timeline, c->fn->name, &compiled);
  c->stats = compiled.stats;
  return compiled;
}

static HgmProgram *find(Compiling *c, char key[HGM_CACHE_KEY + 1]) {
  double begin = now_ms();
  program_key(c, key);
  HgmProgram *kept = hgm_cache_find(c->cache, key);
  timeline_add(&c->timeline, begin, "%s: %s the cache", c->fn->name, kept != NULL ? "taken from" : "not in");
  return kept;
}

static void tell_scheduled(void *context, const HgmProgram *tables) {
  Compiling *c = context;
  pthread_mutex_lock(&c->lock);
  c->scheduled = true;
  if (tables != NULL) c->needs = *tables;
  pthread_cond_broadcast(&c->is_scheduled);
  pthread_mutex_unlock(&c->lock);
}

static void make(Compiling *c) {
  char key[HGM_CACHE_KEY + 1];
  if (c->cache != NULL) c->program = find(c, key);
  if (c->program == NULL && c->quick_first) {
    c->options.quick = true;
    if (c->cache != NULL) c->program = find(c, key);
  }
  if (c->program != NULL) return;
  HgmError error = {0};
  Compiled compiled = compile(c);
  if (compiled.packed == NULL) return;
  c->program = hgm_program_load(compiled.packed, compiled.size, &error);
  if (c->program == NULL) ir_fail("%s", error.text);
  if (c->cache != NULL) hgm_cache_keep(c->cache, key, compiled.packed, compiled.size);
  free(compiled.packed);
}

static void *run(void *data) {
  Compiling *c = data;
  make(c);
  codegen_shelf_release(c->options.shelf);
  tell_scheduled(c, c->program);
  atomic_store(&c->ended, true);
  return NULL;
}

static void begin(Compiling *c, const Session *session, const IrFn *fn, CodeShape shape, CodeKind kind) {
  *c = (Compiling){.fn = fn,
                   .options = codegen_defaults(),
                   .cache = session->cache,
                   .compiler = session->compiler,
                   .threads = hgm_pool_threads(session->pool),
                   .timeline = {.arena = arena_create()}};
  c->options.tile = shape.tile;
  c->options.batch = shape.batch;
  c->options.shared = shape.shared;
  c->options.in_place = kind == CODE_STEP;
  c->options.quick = kind == CODE_QUICK;
  c->options.bf16 = kind == CODE_DRAW && session->bf16;
  c->options.tiles = c->options.bf16 && hgm_cpu_use_amx();
  c->options.dump = session->options->dump;
  c->options.stop = &c->stop;
  c->options.scheduled = tell_scheduled;
  c->options.context = c;
  if (pthread_mutex_init(&c->lock, NULL) != 0 || pthread_cond_init(&c->is_scheduled, NULL) != 0) ir_fail("no lock can be made");
}

// What it did is the session's now.
static HgmProgram *take(Session *session, Compiling *c) {
  Timeline *timeline = session->options->timeline;
  for (size_t i = 0; timeline != NULL && i < c->timeline.entries.len; i++) {
    const TimelineEntry *e = &c->timeline.entries.at[i];
    timeline_span(timeline, e->begin_ms, e->end_ms, arena_strdup(timeline->arena, e->what));
  }
  arena_destroy(c->timeline.arena);
  pthread_mutex_destroy(&c->lock);
  pthread_cond_destroy(&c->is_scheduled);
  session->stats.kernels += c->stats.kernels;
  session->stats.commands += c->stats.commands;
  session->stats.instructions += c->stats.instructions;
  return c->program;
}

// ---- now or ahead

// In a thread of its own; without one it is not there.
static void start(Session *session, Compilings *list, Compiling *c) {
  if (pthread_create(&c->thread, NULL, run, c) == 0) {
    VEC_PUSH(session->arena, list, c);
    return;
  }
  codegen_shelf_release(c->options.shelf);
  take(session, c);
}

static HgmProgram *finish(Session *session, Compilings *list, size_t i) {
  Compiling *c = list->at[i];
  list->at[i] = list->at[--list->len];
  pthread_join(c->thread, NULL);
  return take(session, c);
}

// Its threads take turns with the session's where both have work.
static void compile_ahead(Session *session, const IrFn *fn, CodeShape shape, CodeShelf *shelf) {
  Compiling *c = ARENA_NEW(session->arena, Compiling);
  begin(c, session, fn, shape, CODE_STEP);
  c->options.shelf = codegen_shelf_share(shelf);
  c->shelf = session->shelves;
  c->quick_first = true;
  start(session, &session->ahead, c);
}

void session_compile_phase(void *data, const Model *model, const ModelPhase *phase) {
  Session *session = data;
  if (session->options->dump != NULL) return; // texts in order
  CodeShelf *shelf = codegen_shelf_create();  // updates call the same nets
  session->shelves++;
  for (size_t i = 0; i < phase->updates.len; i++)
    if (!model_reads_buffer(model, phase->updates.at[i].step))
      compile_ahead(session, phase->updates.at[i].step, phase_shape(phase, hgm_pool_threads(session->pool)), shelf);
  codegen_shelf_release(shelf);
}

static size_t find_ahead(const Session *session, const IrFn *fn, CodeShape shape) {
  size_t i = 0;
  while (i < session->ahead.len && (session->ahead.at[i]->fn != fn || session->ahead.at[i]->options.tile != shape.tile)) i++;
  return i;
}

uint64_t session_room_bytes(Session *session, const IrFn *fn, CodeShape shape, int64_t events) {
  size_t i = find_ahead(session, fn, shape);
  if (i == session->ahead.len) return 0;
  Compiling *c = session->ahead.at[i];
  pthread_mutex_lock(&c->lock);
  while (!c->scheduled) pthread_cond_wait(&c->is_scheduled, &c->lock);
  uint64_t bytes = hgm_room_bytes(&c->needs, hgm_pool_threads(session->pool), events); // needs is told again at the end
  pthread_mutex_unlock(&c->lock);
  return bytes;
}

HgmProgram *session_compile(Session *session, const IrFn *fn, CodeShape shape, CodeKind kind) {
  size_t i = find_ahead(session, fn, shape);
  if (i < session->ahead.len) {
    Compiling *ahead = session->ahead.at[i];
    HgmProgram *program = finish(session, &session->ahead, i);
    if (ahead->options.quick) VEC_PUSH(session->arena, &session->quick, ahead);
    return program;
  }
  Compiling c;
  begin(&c, session, fn, shape, kind);
  c.pool = session->pool;
  run(&c);
  return take(session, &c);
}

void session_improve(Session *session) {
  CodeShelf *shelf = codegen_shelf_create();
  session->shelves++;
  for (size_t i = 0; i < session->quick.len; i++) {
    const Compiling *quick = session->quick.at[i];
    Compiling *c = ARENA_NEW(session->arena, Compiling);
    begin(c, session, quick->fn, (CodeShape){quick->options.tile, quick->options.batch, quick->options.shared}, CODE_STEP);
    c->threads = 1;
    c->options.shelf = codegen_shelf_share(shelf);
    c->shelf = session->shelves;
    c->is_spare = true;
    start(session, &session->better, c);
  }
  session->quick.len = 0;
  codegen_shelf_release(shelf);
}

HgmProgram *session_improved(Session *session, const IrFn *fn) {
  for (size_t i = 0; i < session->better.len; i++)
    if (session->better.at[i]->fn == fn && atomic_load(&session->better.at[i]->ended)) return finish(session, &session->better, i);
  return NULL;
}

static void drop(Session *session, Compilings *list) {
  for (size_t i = 0; i < list->len; i++) atomic_store(&list->at[i]->stop, true);
  while (list->len > 0) hgm_program_free(finish(session, list, 0));
}

void session_drop_ahead(Session *session) {
  drop(session, &session->ahead);
  drop(session, &session->better);
}

void session_print_times(const Session *session) {
  if (!session->options->time_passes) return;
  const CodegenStats *s = &session->stats;
  timeline_print(stderr, session->options->timeline);
  fprintf(stderr, "code: %u kernels, %u commands, %u LLVM instructions\n", s->kernels, s->commands, s->instructions);
}
