// The whole way from a function to a program: schedule, kernels (equal ones once), machine code in parallel, image,
// and the program's tables.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/codegen/image.h"
#include "compiler/codegen/shelf.h"
#include "runtime/program_file.h"

// Each module costs about a millisecond whatever is in it, so small kernels share one: as many as have so many instructions together. Those
// made briefly call functions which each of their modules has once more.
enum { MODULE_SIZE = 800, BRIEF_MODULE_SIZE = 2400, PARTIALS_BYTES = 32 << 20 };

typedef struct Job { // one distinct kernel
  const Kernel *kernel;
  Effort effort;
  ShelfKernel *code;
  bool is_mine; // no other program makes it
  unsigned instructions;
} Job;

typedef struct Module { // kernels that are compiled together
  Effort effort;
  uint32_t first, n; // in the order
  LLVMMemoryBufferRef object;
  double ms;  // emission and machine code
  char *text; // what --dump asks for
} Module;

typedef struct Work {
  const CodegenOptions *options;
  CodeTarget **targets[EFFORTS]; // by thread
  CodeShelf *shelf;
  Job *jobs;
  uint32_t n_jobs;
  const Job **order; // those that are mine, the largest first
  Module *modules;
  uint32_t n_modules;
} Work;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

CodegenOptions codegen_defaults(void) { return (CodegenOptions){.tile = 128, .partials = 8}; }

char *codegen_identity(Arena *arena, const CodegenOptions *options) {
  unsigned major, minor, patch;
  LLVMGetVersion(&major, &minor, &patch);
  char *cpu, *features;
  code_target_name(options->cpu, options->features, &cpu, &features);
  char *text = arena_printf(arena, "LLVM %u.%u.%u; %s; %s; tile %u, batch %llu, partials %u%s%s%s%s%s", major, minor, patch, cpu, features, options->tile,
                            (unsigned long long)options->batch, options->partials, options->quick ? ", quick" : "", options->shared ? ", shared" : "",
                            options->in_place ? ", in place" : "", options->bf16 ? ", bf16" : "", options->tiles ? ", tiles" : "");
  free(cpu);
  free(features);
  return text;
}

// ---- machine code

static bool asked(const CodegenOptions *o, const char *what) { return o->dump && strcmp(o->dump, what) == 0; }

static char *module_text(CodeModule *m) {
  char *printed = code_module_text(m), *text = malloc(strlen(printed) + 1);
  if (text) strcpy(text, printed);
  LLVMDisposeMessage(printed);
  return text;
}

static bool is_stopped(const CodegenOptions *o) { return o->stop != NULL && atomic_load(o->stop); }

static const CodeTarget *target_of(const Work *w, Effort effort, int thread) {
  CodeTarget **target = &w->targets[effort][thread];
  HgmError error = {0};
  if (*target == NULL) *target = code_target_create(w->options->cpu, w->options->features, effort, &error);
  if (*target == NULL) ir_fail("%s", error.text);
  return *target;
}

static void compile_module(void *data, int64_t index, int thread) {
  Work *w = data;
  if (is_stopped(w->options)) return;
  Module *module = &w->modules[index];
  double begin = now_ms();
  CodeModule *m = code_module_create(target_of(w, module->effort, thread), w->order[module->first]->code->name);
  for (uint32_t i = 0; i < module->n; i++) {
    Job *job = &w->jobs[w->order[module->first + i] - w->jobs];
    unsigned before = code_module_instructions(m);
    kernel_emit(m, job->code->name, job->kernel);
    job->instructions = code_module_instructions(m) - before;
  }
  if (asked(w->options, "llvm")) module->text = module_text(m);
  if (asked(w->options, "asm")) module->text = code_module_assembly(m);
  module->object = code_module_object(m);
  code_module_destroy(m);
  module->ms = now_ms() - begin;
}

// About its LLVM instructions: those of a matrix kernel are not in the cost of what follows on it. Callers: of functions that their module has once.
static int size_of(const Job *job) {
  enum { NEST_LEAST = 30, PRODUCT = 350, CALLER = 100 };
  switch (job->kernel->kind) {
  case GROUP_GRADIENT: return CALLER;
  case GROUP_PRODUCT: return job->kernel->cost + (job->effort == BRIEFLY ? CALLER : PRODUCT);
  default: return job->kernel->cost + NEST_LEAST;
  }
}

// Gradients stand together, before the others: so few modules have the functions that they share.
static int by_size(const void *x, const void *y) {
  const Job *a = *(const Job *const *)x, *b = *(const Job *const *)y;
  if (a->effort != b->effort) return a->effort < b->effort ? -1 : 1;
  bool gradients[] = {a->kernel->kind == GROUP_GRADIENT, b->kernel->kind == GROUP_GRADIENT};
  if (gradients[0] != gradients[1]) return gradients[0] ? -1 : 1;
  return size_of(a) != size_of(b) ? (size_of(a) > size_of(b) ? -1 : 1) : (a > b) - (a < b);
}

static Work divide(Arena *arena, Job *jobs, uint32_t n, const CodegenOptions *options) {
  Work w = {.options = options, .jobs = jobs, .n_jobs = n, .order = ARENA_ARRAY(arena, const Job *, n + 1), .modules = ARENA_ARRAY(arena, Module, n + 1)};
  uint32_t n_mine = 0;
  w.shelf = options->shelf != NULL ? codegen_shelf_share(options->shelf) : codegen_shelf_create();
  for (uint32_t i = 0; i < n; i++) {
    jobs[i].code = shelf_claim(w.shelf, jobs[i].kernel, jobs[i].effort, &jobs[i].is_mine);
    if (jobs[i].is_mine) w.order[n_mine++] = &jobs[i];
  }
  qsort(w.order, n_mine, sizeof *w.order, by_size);
  for (int i = 0, size = 0; i < (int)n_mine; i++) {
    Effort effort = w.order[i]->effort;
    size += size_of(w.order[i]);
    if (w.n_modules == 0 || w.modules[w.n_modules - 1].effort != effort || size > (effort == BRIEFLY ? BRIEF_MODULE_SIZE : MODULE_SIZE)) {
      w.modules[w.n_modules++] = (Module){.effort = effort, .first = (uint32_t)i};
      size = size_of(w.order[i]);
    }
    w.modules[w.n_modules - 1].n++;
  }
  return w;
}

// On the shelf, or given up there.
static void put_modules(Work *w) {
  for (uint32_t i = 0; i < w->n_modules; i++) {
    Module *module = &w->modules[i];
    if (module->object != NULL) shelf_keep_object(w->shelf, module->object);
    for (uint32_t k = 0; k < module->n; k++) shelf_put(w->shelf, w->order[module->first + k]->code, module->object);
  }
}

static void compile_modules(Arena *arena, Work *w, HgmPool *pool) {
  int threads = pool ? hgm_pool_threads(pool) : 1;
  for (int e = 0; e < EFFORTS; e++) w->targets[e] = ARENA_ARRAY(arena, CodeTarget *, threads);
  if (pool) hgm_pool_run(pool, w->n_modules, compile_module, w);
  else
    for (uint32_t i = 0; i < w->n_modules; i++) compile_module(w, i, 0);
  for (int i = 0; i < threads; i++)
    for (int e = 0; e < EFFORTS; e++) code_target_destroy(w->targets[e][i]);
  put_modules(w);
}

// ---- tables

typedef struct Tables {
  VEC(HgmCommand) commands;
  VEC(HgmPointer) pointers;
  VEC(HgmPhase) phases;
  VEC(Job) jobs;
  Kernel *kernels; // by position in the order
  KernelSet known; // by place: the job
} Tables;

// Numbers that a nest computes in a step of so many events, as far as its loops say.
static double numbers_of(const Nest *nest, double events) {
  double outer = nest->mode == NEST_EVENTS ? events : 1, sum = 0;
  if (nest->mode == NEST_FLAT) return (double)nest->elements;
  for (int i = 0; i < nest->outer; i++) outer *= (double)nest->extent[i];
  for (uint32_t k = 0; k < nest->n_segments; k++) {
    double inner = 1;
    for (int i = 0; i < nest->segments[k].loops; i++) inner *= (double)nest->segments[k].extent[i];
    sum += inner;
  }
  return outer * (sum > 1 ? sum : 1);
}

// Loops of small values once a step are not worth the passes that make them fast, nor are those of a program that runs a few times, unless they are so
// long that one run makes up for them.
static Effort effort_for(const CodegenOptions *options, const Kernel *kernel) {
  enum { LONG = 1 << 22, LONG_ONCE = 1 << 18 };
  Exchange exchange;
  if (kernel->kind != GROUP_NEST) return options->quick && !kernel->product.halves ? BRIEFLY : WITH_CARE; // of bf16 only what draws is made
  bool loops = kernel->once && kernel->nest->mode != NEST_FLAT && !exchange_fits(kernel->nest, &exchange);
  if (loops && numbers_of(kernel->nest, 1) < LONG_ONCE) return QUICKLY;
  if (!options->quick) return WITH_CARE;
  return numbers_of(kernel->nest, (double)options->batch) < LONG ? QUICKLY : BRIEFLY;
}

static uint32_t find_job(Schedule *s, Tables *t, const Kernel *kernel) {
  size_t place = kernel_set_add(&t->known, kernel);
  Effort effort = effort_for(&s->options, kernel); // of flat ones the length is not part of the kernel
  if (place < t->jobs.len && effort < t->jobs.at[place].effort) t->jobs.at[place].effort = effort;
  if (place < t->jobs.len) return (uint32_t)place;
  Job job = {.kernel = kernel, .effort = effort};
  VEC_PUSH(s->arena, &t->jobs, job);
  return (uint32_t)place;
}

// Of the group at this position in the order.
static void add_command(Schedule *s, Tables *t, uint32_t position) {
  const Group *group = &s->groups.at[s->order.at[position]];
  const Kernel *kernel = &t->kernels[position];
  bool commits = position == s->first_commit;
  HgmCommand c = {find_job(s, t, kernel), (uint32_t)t->pointers.len, kernel->n_slots, kernel->split};
  for (uint32_t i = 0; i < kernel->n_slots; i++) {
    const Buffer *b = &s->buffers.at[kernel->slots[i].buffer - 1];
    HgmSpace space = kernel->slots[i].batch ? HGM_SPACE_ALL : b->space;
    HgmPointer pointer = {(uint8_t)space, b->index, b->offset + (uint64_t)(kernel->slots[i].row * b->row_bytes)};
    VEC_PUSH(s->arena, &t->pointers, pointer);
  }
  VEC_PUSH(s->arena, &t->commands, c);
  HgmPhase *phase = t->phases.len ? &t->phases.at[t->phases.len - 1] : NULL;
  if (!phase || phase->first_command + phase->n_commands != t->commands.len - 1 || s->last_class != group->class || commits) {
    HgmPhase p = {class_has_events(group->class), group->class == CLASS_CONSTANT, commits, (uint32_t)t->commands.len - 1, 1};
    VEC_PUSH(s->arena, &t->phases, p);
    s->phase_of_class[group->class] = (uint32_t)t->phases.len - 1;
    s->last_class = group->class;
  } else {
    phase->n_commands++;
  }
}

// The phases that need an input, and where ports lie.
static void finish_ports(Schedule *s) {
  for (size_t i = 0; i < s->leaves.len; i++) s->leaves.at[i].phase = UINT32_MAX;
  for (size_t i = 0; i < s->steps.len; i++) {
    const Step *t = &s->steps.at[i];
    for (int k = 0; k < t->n_operands && t->kind != STEP_NONE; k++) {
      const Place *p = &s->places.at[t->operand[k].place];
      if (p->kind != PLACE_LEAF || !p->events) continue;
      HgmPort *port = &s->leaves.at[p->port];
      uint32_t phase = s->phase_of_class[t->class];
      if (port->phase == UINT32_MAX || phase < port->phase) port->phase = phase;
      if (phase > port->last_phase) port->last_phase = phase;
    }
  }
  for (size_t i = 0; i < s->places.len; i++) {
    const Place *p = &s->places.at[i];
    if (p->kind == PLACE_LEAF && p->events) s->leaves.at[p->port].offset = s->buffers.at[p->buffer - 1].offset;
    if (p->kind == PLACE_LEAF && p->events) s->leaves.at[p->port].space = HGM_SPACE_TILE;
    if (p->kind != PLACE_OUTPUT) continue;
    HgmPort *port = &s->outputs.at[p->port];
    port->phase = port->last_phase = s->phase_of_class[p->class];
    if (p->events) port->offset = s->buffers.at[p->buffer - 1].offset;
  }
}

// ---- the program

// As many ranges as threads may take, and half as many where the buffers of all would be much of what a step needs.
static uint32_t most_partials(const Schedule *s) {
  uint32_t n = s->options.partials;
  return n * s->partial_bytes <= PARTIALS_BYTES ? n : (n + 1) / 2;
}

static HgmProgram make_program(Schedule *s, const Tables *t) {
  return (HgmProgram){.name = s->fn->name,
                      .tile = s->options.tile,
                      .panel = (uint32_t)schedule_panel(s),
                      .n_kernels = (uint32_t)t->jobs.len,
                      .n_phases = (uint32_t)t->phases.len,
                      .phases = t->phases.at,
                      .n_commands = (uint32_t)t->commands.len,
                      .commands = t->commands.at,
                      .n_pointers = (uint32_t)t->pointers.len,
                      .pointers = t->pointers.at,
                      .n_leaves = (uint32_t)s->leaves.len,
                      .leaves = s->leaves.at,
                      .n_outputs = (uint32_t)s->outputs.len,
                      .outputs = s->outputs.at,
                      .n_sites = (uint32_t)s->sites.len,
                      .sites = s->sites.at,
                      .data = s->constants.at,
                      .data_bytes = s->constants.len,
                      .tile_bytes = s->tile_bytes,
                      .own_bytes = s->own_bytes,
                      .shared = s->options.shared,
                      .once_bytes = s->once_bytes,
                      .constant_bytes = s->constant_bytes,
                      .batch_bytes_per_tile = s->batch_bytes,
                      .partial_bytes = s->partial_bytes,
                      .max_partials = most_partials(s)};
}

// The objects with all kernels, laid out to an image; where each kernel begins in it. False: one was given up.
static bool build_image(Arena *arena, const Work *w, Image *image, uint64_t *places) {
  HgmError error = {0};
  ImageObject *objects = ARENA_ARRAY(arena, ImageObject, w->n_jobs + 1);
  int n = 0;
  for (uint32_t i = 0; i < w->n_jobs; i++) {
    LLVMMemoryBufferRef object = shelf_object(w->shelf, w->jobs[i].code);
    if (object == NULL) return false;
    int known = 0;
    while (known < n && objects[known].bytes != LLVMGetBufferStart(object)) known++;
    if (known == n) objects[n++] = (ImageObject){LLVMGetBufferStart(object), LLVMGetBufferSize(object)};
  }
  if (!image_build(image, objects, n, &error)) ir_fail("%s", error.text);
  for (uint32_t i = 0; i < w->n_jobs; i++)
    if (!image_place(image, w->jobs[i].code->name, &places[i])) ir_fail("codegen: %s is not in the image", w->jobs[i].code->name);
  return true;
}

static void print_text(Work *w) {
  for (uint32_t i = 0; i < w->n_modules; i++) {
    if (!w->modules[i].text) continue;
    fputs(w->modules[i].text, stdout);
    free(w->modules[i].text);
  }
}

// The scratch memory of a call, then the modules with their kernels, those first that cost most to compile.
static void print_plan(const Schedule *s, const Tables *t, const HgmProgram *p, const Work *w) {
  uint32_t *calls = ARENA_ARRAY(s->arena, uint32_t, t->jobs.len + 1);
  for (size_t i = 0; i < t->commands.len; i++) calls[t->commands.at[i].kernel]++;
  printf("%s\n", s->fn->name);
  printf("  memory: %.2f MB a thread for a tile of %u events, %.2f MB each of at most %u partial sums, %.2f MB of the whole batch, %.0f bytes an event\n",
         (double)p->tile_bytes / 1e6, p->tile, (double)p->partial_bytes / 1e6, p->max_partials, (double)(p->once_bytes + p->constant_bytes) / 1e6,
         (double)p->batch_bytes_per_tile / p->tile);
  for (uint32_t i = 0; i < w->n_modules; i++) {
    printf("  module %u, %.1f ms: kernel, calls, LLVM instructions\n", i, w->modules[i].ms);
    for (uint32_t k = 0; k < w->modules[i].n; k++) {
      const Job *job = w->order[w->modules[i].first + k];
      printf("    %-10s %-8s %5u %6u\n", job->code->name, schedule_kind(job->kernel->kind), calls[job - w->jobs], job->instructions);
    }
  }
}

// Pairs of events need the events along the lanes.
static bool has_pairs(const IrFn *fn) {
  for (size_t i = 0; i < fn->values.len; i++)
    for (int k = 0; k < fn->values.at[i].type.rank; k++)
      if (fn->values.at[i].type.axes[k] == IR_PAIRS) return true;
  return false;
}

static Schedule make_schedule(Arena *arena, const IrFn *fn, const CodegenOptions *options) {
  Schedule s = {.arena = arena, .fn = fn, .options = *options};
  s.step_room = arena_child(arena, (3 * fn->values.len + 64) * sizeof(Step));
  s.place_room = arena_child(arena, (3 * fn->values.len + 64) * sizeof(Place));
  if (s.options.tile != 1 && (s.options.tile == 0 || s.options.tile % CODE_LANES != 0)) ir_fail("codegen: a tile of %u events", s.options.tile);
  if (s.options.tile == 1 && has_pairs(fn)) s.options.tile = CODE_LANES;
  schedule_remat(&s);
  schedule_views(&s);
  schedule_folds(&s);
  schedule_parts(&s);
  schedule_steps(&s);
  schedule_partials(&s);
  schedule_groups(&s);
  schedule_buffers(&s);
  s.phase_of_class = ARENA_ARRAY(arena, uint32_t, s.classes + 1);
  s.last_class = -1;
  return s;
}

// The kernels of a schedule, the places of its arrays, and what runs in which order.
static Tables make_tables(Schedule *s) {
  Tables t = {.kernels = ARENA_ARRAY(s->arena, Kernel, s->order.len + 1), .known = {.arena = s->arena}};
  for (size_t i = 0; i < s->order.len; i++) t.kernels[i] = kernel_build(s, &s->groups.at[s->order.at[i]]);
  if (s->options.in_place) schedule_in_place(s, t.kernels);
  schedule_memory(s);
  kernels_share_numbers(s, t.kernels, s->order.len);
  for (uint32_t i = 0; i < s->order.len; i++) add_command(s, &t, i);
  finish_ports(s);
  return t;
}

double codegen_left_out(const IrFn *fn) {
  CodegenOptions options = codegen_defaults();
  Arena *arena = arena_create();
  Schedule s = make_schedule(arena, fn, &options);
  double terms = 0;
  for (size_t i = 0; i < s.steps.len; i++)
    if (s.steps.at[i].kind == STEP_DOT && class_has_events(s.steps.at[i].class)) terms += step_left_out(&s.steps.at[i]);
  arena_destroy(arena);
  return terms;
}

uint8_t *codegen_pack(const IrFn *fn, const CodegenOptions *options, HgmPool *pool, CodegenStats *stats, size_t *size) {
  double start = now_ms();
  Arena *arena = arena_create();
  Schedule s = make_schedule(arena, fn, options);
  Tables t = make_tables(&s);
  if (asked(options, "schedule")) schedule_print(&s, stdout);
  double scheduled = now_ms();
  HgmProgram program = make_program(&s, &t);
  if (options->scheduled != NULL) options->scheduled(options->context, &program);
  Work w = divide(arena, t.jobs.at, (uint32_t)t.jobs.len, options);
  compile_modules(arena, &w, pool);
  shelf_keep_arena(w.shelf, arena);
  uint64_t *places = ARENA_ARRAY(arena, uint64_t, t.jobs.len + 1);
  Image image;
  if (is_stopped(options) || !build_image(arena, &w, &image, places)) {
    codegen_shelf_release(w.shelf);
    return NULL;
  }
  double compiled = now_ms();
  print_text(&w);
  CodegenStats counts = {.schedule_ms = scheduled - start, .machine_ms = compiled - scheduled};
  for (size_t i = 0; i < t.jobs.len; i++) counts.kernels += t.jobs.at[i].is_mine, counts.instructions += t.jobs.at[i].instructions;
  if (asked(options, "plan")) print_plan(&s, &t, &program, &w);
  uint8_t *bytes = hgm_program_pack(&program, &(HgmCode){image.bytes, image.size, places}, size);
  if (bytes == NULL) ir_fail("out of memory for a compiled program");
  image_free(&image);
  counts.image_ms = now_ms() - compiled;
  counts.commands = (uint32_t)t.commands.len;
  if (stats) *stats = counts;
  codegen_shelf_release(w.shelf); // and the arena with it
  return bytes;
}

HgmProgram *codegen_compile(const IrFn *fn, const CodegenOptions *options, HgmPool *pool, CodegenStats *stats) {
  size_t size;
  HgmError error = {0};
  uint8_t *bytes = codegen_pack(fn, options, pool, stats, &size);
  if (bytes == NULL) return NULL;
  HgmProgram *program = hgm_program_load(bytes, size, &error);
  free(bytes);
  if (program == NULL) ir_fail("%s", error.text);
  return program;
}

void codegen_free(HgmProgram *program) { hgm_program_free(program); }
