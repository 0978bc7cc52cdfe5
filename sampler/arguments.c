#include "sampler/arguments.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { ARG_TEXT, ARG_LIST, ARG_COUNT, ARG_SEED, ARG_THREADS, ARG_FLAG } ArgumentKind;

typedef struct Option {
  const char *name; // without the dashes
  char letter;      // 0: none
  ArgumentKind kind;
  const char *value;   // NULL: a flag
  size_t field, given; // offsets in Arguments; given 0: nothing says that it was there
  const char *help;
} Option;

#define AT(field) offsetof(Arguments, field)

static const Option options[] = {
    {"events", 'n', ARG_COUNT, "N", AT(events), AT(has_events), "how many events (1k, 10M); without it one for each row of --given"},
    {"output", 'o', ARG_TEXT, "OUT", AT(output), 0, "file by ending (.h5 .npy .npz .csv .tsv); - is CSV on standard output"},
    {"given", 0, ARG_LIST, "FILE", AT(given), 0, "conditions, by name of column: event k takes row k mod rows"},
    {"fix", 0, ARG_LIST, "COLUMN=VALUE", AT(fixes), 0, "pins a given column to one value for all events"},
    {"keep", 0, ARG_LIST, "COL,COL", AT(keep), 0, "other columns of --given to copy to the output"},
    {"seed", 0, ARG_SEED, "S", AT(seed), AT(has_seed), "seed of every draw; without it the run's"},
    {"first-event", 0, ARG_COUNT, "K", AT(first_event), 0, "number of the first event: shards concatenate to one run"},
    {"threads", 0, ARG_THREADS, "T", AT(threads), 0, "threads (those that the process may use); never changes a bit"},
    {"score", 0, ARG_TEXT, "FILE", AT(score), 0, "the model's score of each row of FILE instead of events"},
    {"force", 0, ARG_FLAG, NULL, AT(force), 0, "writes over what exists"},
    {"quiet", 'q', ARG_FLAG, NULL, AT(quiet), 0, "no line at the end"},
    {"info", 0, ARG_FLAG, NULL, AT(info), 0, "model, columns, units, parameters, data, seed, versions"},
    {"version", 0, ARG_FLAG, NULL, AT(version), 0, "version of hgmc that built this, and of the model"},
    {"help", 'h', ARG_FLAG, NULL, AT(help), 0, "this text"},
};
enum { N_OPTIONS = sizeof options / sizeof *options };

void arguments_print_help(const char *program) {
  printf("usage: %s [GENERATOR] -n N [--given FILE] -o OUT\n       %s --score FILE -o OUT\n       %s --info\n\n", program, program, program);
  for (int i = 0; i < N_OPTIONS; i++) {
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", options[i].name, options[i].value ? " " : "", options[i].value ? options[i].value : "");
    printf("  %c%c %-20s %s\n", options[i].letter ? '-' : ' ', options[i].letter ? options[i].letter : ' ', left, options[i].help);
  }
  printf("\nExit codes: 0 done, 1 the data are wrong, 2 the command line or the machine is, 3 this file is damaged.\n");
}

// A count with an optional k, M or G behind it and _ between digits.
static bool parse_count(const char *text, int64_t *count) {
  int64_t value = 0, unit = 1;
  const char *at = text;
  for (; (*at >= '0' && *at <= '9') || (*at == '_' && at > text); at++)
    if (*at != '_' && (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *at - '0', &value))) return false;
  if (at == text) return false;
  if (*at == 'k') unit = 1000, at++;
  else if (*at == 'M') unit = 1000000, at++;
  else if (*at == 'G') unit = 1000000000, at++;
  return *at == '\0' && !__builtin_mul_overflow(value, unit, count) && *count <= INT64_C(1) << 62;
}

static bool parse_seed(const char *text, uint64_t *seed) {
  char *end;
  errno = 0;
  *seed = strtoull(text, &end, 0);
  return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

static bool add_text(Texts *texts, const char *text) {
  const char **grown = realloc(texts->at, (size_t)(texts->n + 1) * sizeof *grown);
  if (grown == NULL) return false;
  texts->at = grown;
  texts->at[texts->n++] = text;
  return true;
}

static bool store(Arguments *arguments, const Option *option, const char *text) {
  char *base = (char *)arguments;
  void *field = base + option->field;
  if (option->given != 0) *(bool *)(base + option->given) = true;
  switch (option->kind) {
  case ARG_TEXT: *(const char **)field = text; return true;
  case ARG_LIST: return add_text(field, text);
  case ARG_COUNT: return parse_count(text, field);
  case ARG_SEED: return parse_seed(text, field);
  case ARG_FLAG: *(bool *)field = true; return true;
  case ARG_THREADS: break;
  }
  int64_t n;
  if (!parse_count(text, &n) || n < 1 || n > 4096) return false;
  *(int *)field = (int)n;
  return true;
}

static const Option *find(const char *name, size_t n, bool is_letter) {
  for (int i = 0; i < N_OPTIONS; i++)
    if (is_letter ? options[i].letter == *name : strlen(options[i].name) == n && strncmp(options[i].name, name, n) == 0) return &options[i];
  return NULL;
}

// What a value of a kind looks like.
static const char *wanted(const Option *option) {
  switch (option->kind) {
  case ARG_COUNT: return "a count such as 1000, 10k or 2M";
  case ARG_SEED: return "a whole number, not negative";
  case ARG_THREADS: return "a number from 1 to 4096";
  default: return option->value;
  }
}

// A word that cannot be meant as a value: -o, --force; but - is standard output and -5 a number.
static bool is_option(const char *text) { return text[0] == '-' && (text[1] == '-' || isalpha((unsigned char)text[1])); }

// The option at argv[*i], which may take the next word too.
static bool parse_option(Arguments *arguments, int argc, char **argv, int *i, HgmError *error) {
  const char *text = argv[*i];
  bool is_long = text[1] == '-';
  const char *name = text + 1 + is_long, *value = is_long ? strchr(name, '=') : NULL;
  size_t len = value ? (size_t)(value - name) : strlen(name);
  const Option *option = find(name, len, !is_long);
  if (option == NULL || (!is_long && option->kind == ARG_FLAG && name[1] != '\0'))
    return hgm_fail(error, 2, "there is no option %s; --help lists what there is", text);
  if (option->kind == ARG_FLAG) return value ? hgm_fail(error, 2, "--%s takes no value", option->name) : store(arguments, option, NULL);
  int typed = is_long ? (int)len + 2 : 2; // -n is answered as -n, --events as --events
  if (value != NULL) value++;
  else if (!is_long && name[1] != '\0') value = name + 1;
  else if (*i + 1 < argc && !is_option(argv[*i + 1])) value = argv[++*i];
  else return hgm_fail(error, 2, "%.*s needs a value: %.*s %s", typed, text, typed, text, option->value);
  return store(arguments, option, value) || hgm_fail(error, 2, "%.*s %s: expected %s, found `%s`", typed, text, option->value, wanted(option), value);
}

static bool parse_words(Arguments *arguments, int argc, char **argv, HgmError *error) {
  bool only_words = false;
  for (int i = 1; i < argc; i++) {
    const char *text = argv[i];
    if (!only_words && text[0] == '-' && text[1] != '\0') {
      if (strcmp(text, "--") == 0) only_words = true;
      else if (!parse_option(arguments, argc, argv, &i, error)) return false;
    } else if (arguments->generator != NULL) {
      return hgm_fail(error, 2, "one generator at a time, found `%s` and `%s`", arguments->generator, text);
    } else {
      arguments->generator = text;
    }
  }
  return true;
}

bool arguments_parse(Arguments *arguments, int argc, char **argv, HgmError *error) {
  const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
  *arguments = (Arguments){.program = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "sampler"};
  if (!parse_words(arguments, argc, argv, error)) return false;
  if (arguments->help || arguments->info || arguments->version) return true;
  if (arguments->output == NULL) return hgm_fail(error, 2, "--output is missing: -o OUT; --help lists what there is");
  if (arguments->score != NULL && (arguments->has_events || arguments->given.n + arguments->fixes.n + arguments->keep.n > 0))
    return hgm_fail(error, 2, "--score FILE works on the rows of FILE; -n, --given, --fix and --keep have no use there");
  return true;
}

void arguments_free(Arguments *arguments) {
  free(arguments->given.at);
  free(arguments->fixes.at);
  free(arguments->keep.at);
}
