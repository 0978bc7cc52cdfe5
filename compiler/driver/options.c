#include "compiler/driver/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lang/diag.h"

typedef enum { OPT_TEXT, OPT_CHOICE, OPT_LIST, OPT_COUNT, OPT_SEED, OPT_THREADS, OPT_TIME, OPT_FLAG } OptKind;

typedef struct OptSpec {
  const char *name; // without the dashes
  char letter;      // 0: none
  OptKind kind;
  const char *argument; // NULL: a flag; of a choice its words, a bar between them
  const char *help;
  size_t field;      // offset in Options
  size_t given;      // offset of the bool that says it was given; SIZE_MAX: none
  const char *verbs; // " run sample " …
} OptSpec;

#define AT(field) offsetof(Options, field)
#define NO_FLAG SIZE_MAX

static const OptSpec specs[] = {
    {"train", 0, OPT_LIST, "[NAME=]FILE", "training data; may be repeated, take globs and @list, FILE.h5:/group", AT(train), NO_FLAG, " run tune "},
    {"data", 0, OPT_LIST, "[NAME=]FILE", "the data to work on", AT(data), NO_FLAG, " score eval check bench "},
    {"given", 0, OPT_LIST, "FILE", "conditions: one event a row, or row = event mod rows with -n", AT(given), NO_FLAG, " sample "},
    {"events", 'n', OPT_COUNT, "N", "how many events (1k, 10M)", AT(events), AT(has_events), " sample eval "},
    {"first-event", 0, OPT_COUNT, "K", "number of the first event: shards concatenate to one run", AT(first_event), NO_FLAG, " sample "},
    {"output", 'o', OPT_TEXT, "DIR", "run directory (the next of runs/MODEL-001, runs/MODEL-002, …)", AT(output), NO_FLAG, " run "},
    {"output", 'o', OPT_TEXT, "DIR", "directory of the search, which holds one run a point (runs/MODEL-tune)", AT(output), NO_FLAG, " tune "},
    {"output", 'o', OPT_TEXT, "OUT", "file by its ending: .h5 .npy .npz .csv .tsv; - for CSV on standard output", AT(output), NO_FLAG, " sample score "},
    {"output", 'o', OPT_TEXT, "OUT.html", "a report with pictures, beside what is printed", AT(output), NO_FLAG, " eval "},
    {"output", 'o', OPT_TEXT, "BIN", "the sampler; with --lib the name that the library's files begin with", AT(output), NO_FLAG, " build "},
    {"trained", 0, OPT_LIST, "NAME=DIR", "where a run is that the model uses (`use trained … as NAME`)", AT(trained), NO_FLAG,
     " run check show tune lock diff "},
    {"valid", 0, OPT_LIST, "FILE", "validation data instead of a share of the training file", AT(valid), NO_FLAG, " run tune "},
    {"test", 0, OPT_LIST, "FILE", "test data instead of a share of the training file", AT(test), NO_FLAG, " run tune "},
    {"test", 0, OPT_FLAG, NULL, "tries every bijection on random points: both directions, both determinants", AT(trials), NO_FLAG, " check "},
    {"epochs", 0, OPT_COUNT, "N", "instead of the model's number of epochs", AT(epochs), AT(has_epochs), " run tune "},
    {"steps", 0, OPT_COUNT, "N", "at most so many steps a phase: a first try, or a small version of the model's training", AT(steps), AT(has_steps), " run "},
    {"trials", 0, OPT_COUNT, "N", "how many points to try (24); the first is the defaults", AT(n_trials), AT(has_trials), " tune "},
    {"search", 0, OPT_CHOICE, "quasi|random", "how points are spread over the ranges (quasi)", AT(search), NO_FLAG, " tune "},
    {"prune", 0, OPT_COUNT, "K", "the best K-th part goes on, K times as long (3; 1: all go to the end)", AT(prune), AT(has_prune), " tune "},
    {"set", 0, OPT_LIST, "NAME=VALUE", "turns a param of the model", AT(sets), NO_FLAG, " run check show tune "},
    {"fix", 0, OPT_LIST, "COLUMN=VALUE", "pins a given column to one value for all events", AT(fixes), NO_FLAG, " sample "},
    {"keep", 0, OPT_LIST, "COL,COL", "other columns of --given to copy to the output", AT(keep), NO_FLAG, " sample "},
    {"resume", 0, OPT_FLAG, NULL, "goes on where the run in -o stopped", AT(resume), NO_FLAG, " run "},
    {"precision", 0, OPT_CHOICE, "f32|f64", "numbers of the compiled programs (f32)", AT(precision), NO_FLAG, " run check show tune "},
    {"precision", 0, OPT_CHOICE, "f32|f64|bf16",
     "numbers of the compiled programs (f32); bf16: operands of products drawn with, docs/sampler.md says how exact", AT(precision), NO_FLAG,
     " sample score eval build bench "},
    {"seed", 0, OPT_SEED, "S", "seed of every draw (1; for sample the run's)", AT(seed), AT(has_seed), " run sample eval selftest tune "},
    {"threads", 0, OPT_THREADS, "N", "threads (those that the process may use); never changes a result", AT(threads), NO_FLAG,
     " run sample score eval selftest build bench tune "},
    {"memory", 0, OPT_COUNT, "BYTES", "data beyond this goes to a scratch file (4G; half of the machine's)", AT(memory), AT(has_memory), " run tune "},
    {"checkpoint", 0, OPT_TIME, "5m", "saves by time too, not only after each epoch", AT(checkpoint_seconds), AT(has_checkpoint), " run "},
    {"seconds", 0, OPT_TIME, "S", "how long each rate is measured (1)", AT(bench_seconds), NO_FLAG, " bench "},
    {"against", 0, OPT_TEXT, "FILE", "compares --data with this file, without a model", AT(against), NO_FLAG, " eval "},
    {"target", 0, OPT_TEXT, "CPU", "native, x86-64-v3, x86-64-v4, sapphirerapids or aarch64; without it all of x86-64, picked at the start", AT(target),
     NO_FLAG, " build "},
    {"lib", 0, OPT_FLAG, NULL, "libNAME.a, libNAME.so, NAME.h, NAME.py and NAME.pc instead, for -o NAME", AT(lib), NO_FLAG, " build "},
    {"json", 0, OPT_TEXT, "FILE", "the numbers as JSON (- for standard output)", AT(json), NO_FLAG, " eval inspect bench "},
    {"force", 0, OPT_FLAG, NULL, "writes over what exists", AT(force), NO_FLAG, " run sample score eval build "},
    {"quiet", 'q', OPT_FLAG, NULL, "no progress", AT(quiet), NO_FLAG, " run sample score eval selftest build tune "},
    {"no-cache", 0, OPT_FLAG, NULL, "compiles anew, keeps nothing in the cache of compiled programs", AT(no_cache), NO_FLAG,
     " run sample score eval check bench tune "},
    {"time-passes", 0, OPT_FLAG, NULL, "says where the time goes, from the command on", AT(time_passes), NO_FLAG, " run sample score eval check "},
    {"dump", 0, OPT_TEXT, "STAGE", "prints ast, ir, opt, schedule, plan, llvm or asm of every program", AT(dump), NO_FLAG, " check "},
    {"no-colour", 0, OPT_FLAG, NULL, "plain diagnostics on a terminal too", AT(no_colour), NO_FLAG, " run check show tune "},
    {"help", 'h', OPT_FLAG, NULL, "this text", AT(help), NO_FLAG, NULL},
};

typedef struct VerbSpec {
  const char *name, *arguments, *help;
  int least, most;         // positional arguments
  const char *required[2]; // options that must be there
} VerbSpec;

static const VerbSpec verbs[] = {
    {"run", "MODEL.hgm --train DATA", "check, compile, train, keep the best weights, evaluate; writes a run directory", 1, 1, {NULL}},
    {"sample", "RUN [GENERATOR] -n N -o OUT", "draw events in the training file's layout, names and units", 1, 2, {"output"}},
    {"score", "RUN --data FILE -o OUT", "the model's score values, event by event", 1, 1, {"data", "output"}},
    {"eval", "RUN --data FILE | --data A --against B", "metrics beside truth against truth", 0, 1, {NULL}},
    {"build", "RUN [GENERATOR] -o BIN", "a standalone sampler: one static file that draws and scores; --lib a library", 1, 2, {"output"}},
    {"check", "MODEL.hgm [--data FILE]", "all static checks; with --data the columns too, with --test bijections on random points", 1, 1, {NULL}},
    {"show", "MODEL.hgm", "layers, shapes, parameter counts, every default", 1, 1, {NULL}},
    {"bench", "RUN [--data FILE]", "rates of training and drawing by threads and batch, beside what the machine allows", 1, 1, {NULL}},
    {"tune", "MODEL.hgm --train DATA [-o DIR]", "search over the ranges that params declare, with pruning; the same command goes on", 1, 1, {NULL}},
    {"diff", "A B", "how two models (files or runs) differ: params, data, weights, training, fits", 2, 2, {NULL}},
    {"lock", "MODEL.hgm", "pins every import by its content in MODEL.lock; an import that differs is refused from there on", 1, 1, {NULL}},
    {"inspect", "RUN|BIN", "what a run or a sampler was made from: source, parameters, data, seed, versions, checksums", 1, 1, {NULL}},
    {"explain", "SLUG", "what an error means and how to cure it", 1, 1, {NULL}},
    {"selftest", "", "the installation works: compile, train a second, sample, compare", 0, 0, {NULL}},
};

enum { N_SPECS = sizeof specs / sizeof *specs, N_VERBS = sizeof verbs / sizeof *verbs };

static const VerbSpec *find_verb(const char *name) {
  for (int i = 0; i < N_VERBS; i++)
    if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
  return NULL;
}

static bool belongs(const OptSpec *spec, const char *verb) {
  if (spec->verbs == NULL) return true;
  const char *at = strstr(spec->verbs, verb);
  return at != NULL && at[-1] == ' ' && at[strlen(verb)] == ' ';
}

static void print_overview(FILE *out) {
  fprintf(out, "hgmc: generative models for particle physics, from one file\n\nusage: hgmc VERB …\n\n");
  for (int i = 0; i < N_VERBS; i++) fprintf(out, "  %-9s %s\n", verbs[i].name, verbs[i].help);
  fprintf(out, "\n`hgmc VERB --help` lists a verb's options. A first run:\n  hgmc run examples/flows/jets.hgm --train examples/data/jets.h5 -o runs/jets\n");
}

static void print_verb(FILE *out, const VerbSpec *verb) {
  fprintf(out, "usage: hgmc %s%s%s\n\n%s\n\n", verb->name, *verb->arguments != '\0' ? " " : "", verb->arguments, verb->help);
  for (int i = 0; i < N_SPECS; i++) {
    if (!belongs(&specs[i], verb->name)) continue;
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", specs[i].name, specs[i].argument ? " " : "", specs[i].argument ? specs[i].argument : "");
    fprintf(out, "  %c%c %-26s %s\n", specs[i].letter ? '-' : ' ', specs[i].letter ? specs[i].letter : ' ', left, specs[i].help);
  }
}

static bool usage_error(int *exit_code, const VerbSpec *verb, const char *message) {
  const char *then = message[strlen(message) - 1] == '?' ? "" : ";";
  fprintf(stderr, "hgmc%s%s: %s%s `hgmc%s%s --help` lists what there is\n", verb ? " " : "", verb ? verb->name : "", message, then, verb ? " " : "",
          verb ? verb->name : "");
  *exit_code = 2;
  return false;
}

// A count with an optional k, M or G behind it and _ between digits.
static bool parse_count(const char *text, int64_t *count) {
  char digits[64];
  size_t n = 0;
  for (const char *p = text; *p != '\0'; p++)
    if (*p != '_' && n + 1 < sizeof digits) digits[n++] = *p;
  digits[n] = '\0';
  char *end;
  double value = strtod(digits, &end);
  double unit = *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : 1;
  if (end == digits || (unit > 1 ? end[1] != '\0' : *end != '\0')) return false;
  value *= unit;
  if (!(value >= 0 && value < 9e15)) return false;
  *count = (int64_t)value;
  return (double)*count == value;
}

static bool parse_time(const char *text, double *seconds) {
  char *end;
  *seconds = strtod(text, &end);
  double unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : 1;
  bool suffix = *end == 's' || *end == 'm' || *end == 'h';
  return end != text && *seconds > 0 && (*seconds *= unit, end[suffix] == '\0');
}

static bool is_choice(const char *words, const char *text) {
  size_t n = strlen(text);
  for (const char *at = words; at != NULL; at = strchr(at, '|')) {
    at += *at == '|';
    if (strcspn(at, "|") == n && strncmp(at, text, n) == 0) return true;
  }
  return false;
}

static bool store(Options *options, const OptSpec *spec, const char *text) {
  char *base = (char *)options;
  if (spec->given != NO_FLAG) *(bool *)(base + spec->given) = true;
  switch (spec->kind) {
  case OPT_TEXT: *(const char **)(base + spec->field) = text; return true;
  case OPT_CHOICE: *(const char **)(base + spec->field) = text; return is_choice(spec->argument, text);
  case OPT_LIST: VEC_PUSH(options->arena, (Strings *)(base + spec->field), text); return true;
  case OPT_COUNT: return parse_count(text, (int64_t *)(base + spec->field));
  case OPT_SEED: {
    char *end;
    errno = 0;
    *(uint64_t *)(base + spec->field) = strtoull(text, &end, 0);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
  }
  case OPT_THREADS: {
    int64_t n;
    if (!parse_count(text, &n) || n < 1 || n > 4096) return false;
    *(int *)(base + spec->field) = (int)n;
    return true;
  }
  case OPT_TIME: return parse_time(text, (double *)(base + spec->field));
  case OPT_FLAG: *(bool *)(base + spec->field) = true; return true;
  }
  return false;
}

// What a value of a kind looks like.
static const char *wanted(const OptSpec *spec) {
  switch (spec->kind) {
  case OPT_CHOICE: return "one of these";
  case OPT_COUNT: return "a count such as 1000, 10k or 2M";
  case OPT_SEED: return "a whole number, not negative";
  case OPT_THREADS: return "a number from 1 to 4096";
  case OPT_TIME: return "a time such as 30s, 5m or 1h";
  default: return spec->argument;
  }
}

// Why a word that another verb takes is none here.
static const char *reason(const OptSpec *spec, const char *value) {
  if (spec->field != AT(precision) || strcmp(value, "bf16") != 0) return "";
  return "; bf16 is for drawing with a trained run (sample, score, eval, build, bench): steps of training are smaller than the last of 8 binary digits";
}

static const OptSpec *find_option(const VerbSpec *verb, const char *text, size_t len, bool letter) {
  for (int i = 0; i < N_SPECS; i++) {
    if (!belongs(&specs[i], verb->name)) continue;
    if (letter ? specs[i].letter == *text : strlen(specs[i].name) == len && strncmp(specs[i].name, text, len) == 0) return &specs[i];
  }
  return NULL;
}

static bool unknown_option(Arena *arena, const VerbSpec *verb, const char *text, int *exit_code) {
  const char *names[N_SPECS];
  size_t n = 0;
  for (int i = 0; i < N_SPECS; i++)
    if (belongs(&specs[i], verb->name)) names[n++] = specs[i].name;
  const char *near = text[0] == '-' && text[1] == '-' ? diag_nearest(text + 2, names, n) : NULL;
  return usage_error(exit_code, verb,
                     near ? arena_printf(arena, "there is no option %s; did you mean --%s?", text, near) : arena_printf(arena, "there is no option %s", text));
}

// A word that cannot be meant as a value: -o, --force; but - is standard output and -5 a number.
static bool is_option(const char *text) { return text[0] == '-' && (text[1] == '-' || isalpha((unsigned char)text[1])); }

// One option of argv at *i (which may take the next word too).
static bool parse_option(Options *options, const VerbSpec *verb, int argc, char **argv, int *i, int *exit_code) {
  const char *text = argv[*i];
  bool is_long = text[1] == '-';
  const char *name = text + (is_long ? 2 : 1), *value = is_long ? strchr(name, '=') : NULL;
  size_t len = value ? (size_t)(value - name) : strlen(name);
  const OptSpec *spec = find_option(verb, name, len, !is_long);
  if (spec == NULL || (!is_long && spec->kind == OPT_FLAG && name[1] != '\0')) return unknown_option(options->arena, verb, text, exit_code);
  if (spec->kind == OPT_FLAG) {
    if (value != NULL) return usage_error(exit_code, verb, arena_printf(options->arena, "--%s takes no value", spec->name));
    return store(options, spec, NULL);
  }
  int typed = is_long ? (int)len + 2 : 2; // -n is answered as -n, --events as --events
  if (value != NULL) value++;
  else if (!is_long && name[1] != '\0') value = name + 1;
  else if (*i + 1 < argc && !is_option(argv[*i + 1])) value = argv[++*i];
  else return usage_error(exit_code, verb, arena_printf(options->arena, "%.*s needs a value: %.*s %s", typed, text, typed, text, spec->argument));
  if (!store(options, spec, value))
    return usage_error(
        exit_code, verb,
        arena_printf(options->arena, "%.*s %s: expected %s, found `%s`%s", typed, text, spec->argument, wanted(spec), value, reason(spec, value)));
  return true;
}

static bool is_given(const Options *options, const char *name) {
  for (int i = 0; i < N_SPECS; i++) {
    if (strcmp(specs[i].name, name) != 0) continue;
    const char *field = (const char *)options + specs[i].field;
    return specs[i].kind == OPT_LIST ? ((const Strings *)field)->len > 0 : *(const char *const *)field != NULL;
  }
  return false;
}

static bool check_verb(Options *options, const VerbSpec *verb, int *exit_code) {
  Arena *arena = options->arena;
  if ((int)options->positional.len > verb->most)
    return usage_error(exit_code, verb,
                       arena_printf(arena, "`%s` is one word too many behind `hgmc %s %s`; each file has an option of its own, and a glob stands in quotes",
                                    options->positional.at[verb->most], verb->name, verb->arguments));
  if ((int)options->positional.len < verb->least)
    return usage_error(exit_code, verb, arena_printf(arena, "expected `hgmc %s %s`", verb->name, verb->arguments));
  for (int i = 0; i < 2 && verb->required[i] != NULL; i++)
    if (!is_given(options, verb->required[i]))
      return usage_error(exit_code, verb, arena_printf(arena, "--%s is missing: `hgmc %s %s`", verb->required[i], verb->name, verb->arguments));
  return true;
}

const char *shell_word(Arena *arena, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%^";
  if (*word != '\0' && word[strspn(word, plain)] == '\0') return word;
  const char *text = "'";
  for (; *word != '\0'; word++) text = *word == '\'' ? arena_printf(arena, "%s'\\''", text) : arena_printf(arena, "%s%c", text, *word);
  return arena_printf(arena, "%s'", text);
}

const char *pair_value(const char *pair, const char *name) {
  size_t n = strlen(name);
  return strncmp(pair, name, n) == 0 && pair[n] == '=' ? pair + n + 1 : NULL;
}

const char *pairs_value(const Strings *pairs, const char *name) {
  const char *value = NULL;
  for (size_t i = 0; i < pairs->len && value == NULL; i++) value = pair_value(pairs->at[i], name);
  return value;
}

bool options_parse(Arena *arena, int argc, char **argv, Options *options, int *exit_code) {
  *options = (Options){.arena = arena, .argv = argv, .seed = 1, .bench_seconds = 1};
  *exit_code = 0;
  if (argc < 2) {
    print_overview(stderr);
    *exit_code = 2;
    return false;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    print_overview(stdout);
    return false;
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("hgmc %s\n", HGM_VERSION);
    return false;
  }
  const VerbSpec *verb = find_verb(argv[1]);
  if (verb == NULL) {
    const char *names[N_VERBS];
    for (int i = 0; i < N_VERBS; i++) names[i] = verbs[i].name;
    const char *near = diag_nearest(argv[1], names, N_VERBS);
    return usage_error(exit_code, NULL,
                       near ? arena_printf(arena, "there is no verb `%s`; did you mean `%s`?", argv[1], near)
                            : arena_printf(arena, "there is no verb `%s`", argv[1]));
  }
  options->verb = verb->name;
  bool only_positional = false;
  for (int i = 2; i < argc; i++) {
    const char *text = argv[i];
    if (only_positional || text[0] != '-' || text[1] == '\0') VEC_PUSH(arena, &options->positional, text);
    else if (strcmp(text, "--") == 0) only_positional = true;
    else if (!parse_option(options, verb, argc, argv, &i, exit_code)) return false;
  }
  if (options->help) {
    print_verb(stdout, verb);
    return false;
  }
  if (options->positional.len > 1) options->generator = options->positional.at[1];
  return check_verb(options, verb, exit_code);
}
