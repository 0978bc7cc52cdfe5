// CSV and TSV: RFC 4180 (quotes, doubled quotes, line breaks inside quotes, CRLF) with one header line and an optional byte order
// mark. The file is read once, as a stream.
//
// Rules. Blanks around a cell do not count. An empty cell, nan, NA, null are missing: NaN in a column of numbers. inf is infinite.
// Numbers are decimal with a point; others (0x1p-3, 1_000, 1e309) are refused by line when the column is used. The first cell of
// a column that is not missing decides whether it holds numbers or text. `pt [GeV]` is the column `pt` with the unit GeV. Lines
// without any character are skipped. A row with too many or too few cells is an error of the file.
#define _GNU_SOURCE // getc_unlocked
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "runtime/table_file.h"

enum { MOST_FAULTS = 3, SHOWN = 40 };

typedef struct CsvColumn {
  char *name, *unit; // on the file's heap
  union {
    double *numbers;
    const char **texts;
  } at; // (cap rows)
  bool is_decided, is_text;
  bool is_integer, has_missing;
  char faults[300]; // "line 11 has `hello`", joined by commas
  int n_faults;
} CsvColumn;

typedef struct Csv {
  HgmFile *file;
  HgmError *error;
  FILE *input;
  char separator;
  int64_t line, row_line; // of the next byte; of the row's first byte
  char *cell;
  size_t cell_len, cell_cap; // NUL-terminated
  CsvColumn *columns;
  int n_columns;
  int64_t rows, cap;
  const char **slots;
  size_t n_slots, n_texts; // interned texts
} Csv;

typedef enum { END_CELL, END_ROW, END_FILE, END_FAILED } CellEnd;

static bool put(Csv *csv, int c) {
  if (c == '\0') return hgm_fail(csv->error, 1, "%s, line %lld: a NUL byte; this is not a text file", csv->file->path, (long long)csv->line);
  if (csv->cell_len + 2 > csv->cell_cap) {
    size_t cap = csv->cell_cap == 0 ? 256 : 2 * csv->cell_cap;
    char *moved = realloc(csv->cell, cap);
    if (moved == NULL) return hgm_out_of_memory(csv->error, csv->file->path);
    csv->cell = moved;
    csv->cell_cap = cap;
  }
  csv->cell[csv->cell_len++] = (char)c;
  csv->cell[csv->cell_len] = '\0';
  return true;
}

// What ends a cell, given the byte behind it; a byte that does not end one is -1.
static int cell_end(Csv *csv, int c) {
  if (c == csv->separator) return END_CELL;
  if (c == '\r') {
    int next = getc_unlocked(csv->input);
    if (next != '\n' && next != EOF) ungetc(next, csv->input);
    c = '\n';
  }
  if (c == '\n') {
    csv->line++;
    return END_ROW;
  }
  return c == EOF ? END_FILE : -1;
}

// The rest of a cell whose opening quote was read.
static CellEnd quoted_cell(Csv *csv) {
  int64_t opened = csv->line;
  for (;;) {
    int c = getc_unlocked(csv->input);
    if (c == EOF) {
      hgm_fail(csv->error, 1, "%s, line %lld: a quote is opened here and never closed", csv->file->path, (long long)opened);
      return END_FAILED;
    }
    if (c == '"') {
      c = getc_unlocked(csv->input);
      if (c != '"') {
        while (c == ' ') c = getc_unlocked(csv->input);
        int end = cell_end(csv, c);
        if (end >= 0) return (CellEnd)end;
        hgm_fail(csv->error, 1, "%s, line %lld: text after a closing quote; double the quotes inside a cell", csv->file->path, (long long)csv->line);
        return END_FAILED;
      }
    }
    if (c == '\n') csv->line++;
    if (!put(csv, c)) return END_FAILED;
  }
}

// Reads one cell into csv->cell, without blanks around it.
static CellEnd next_cell(Csv *csv) {
  csv->cell_len = 0;
  if (!put(csv, ' ')) return END_FAILED; // makes room
  csv->cell_len = 0;
  csv->cell[0] = '\0';
  int c = getc_unlocked(csv->input);
  while (c == ' ') c = getc_unlocked(csv->input);
  if (c == '"') return quoted_cell(csv);
  for (;; c = getc_unlocked(csv->input)) {
    int end = cell_end(csv, c);
    if (end >= 0) {
      while (csv->cell_len > 0 && csv->cell[csv->cell_len - 1] == ' ') csv->cell[--csv->cell_len] = '\0';
      return (CellEnd)end;
    }
    if (!put(csv, c)) return END_FAILED;
  }
}

// ---- numbers

typedef enum { CELL_IS_NUMBER, CELL_IS_INTEGER, CELL_IS_MISSING, CELL_IS_OUT_OF_RANGE, CELL_IS_OTHER } CellKind;

static bool is_one_of(const char *text, const char *const *words, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcasecmp(text, words[i]) == 0) return true;
  return false;
}

static CellKind special(const char *text, double *value) {
  static const char *const missing[] = {"", "nan", "+nan", "-nan", "na", "n/a", "null"};
  static const char *const infinite[] = {"inf", "+inf", "infinity", "+infinity"};
  static const char *const negative[] = {"-inf", "-infinity"};
  *value = NAN;
  if (is_one_of(text, missing, sizeof missing / sizeof *missing)) return CELL_IS_MISSING;
  if (is_one_of(text, infinite, sizeof infinite / sizeof *infinite)) return *value = INFINITY, CELL_IS_NUMBER;
  if (is_one_of(text, negative, sizeof negative / sizeof *negative)) return *value = -INFINITY, CELL_IS_NUMBER;
  return CELL_IS_OTHER;
}

// Decimal numbers only. Short ones are exact by one division or product of exact doubles; the others go to strtod.
static CellKind parse_number(const char *text, double *value) {
  static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const char *at = text + (*text == '+' || *text == '-');
  uint64_t mantissa = 0;
  int digits = 0, exponent = 0, behind = 0;
  bool is_integer = true;
  for (; isdigit((unsigned char)*at); at++, digits++) mantissa = digits < 18 ? mantissa * 10 + (uint64_t)(*at - '0') : mantissa;
  if (*at == '.') {
    is_integer = false;
    for (at++; isdigit((unsigned char)*at); at++, digits++, behind++) mantissa = digits < 18 ? mantissa * 10 + (uint64_t)(*at - '0') : mantissa;
  }
  if (digits == 0) return special(text, value);
  if (*at == 'e' || *at == 'E') {
    is_integer = false;
    at++;
    bool is_negative = *at == '-';
    at += *at == '+' || *at == '-';
    if (!isdigit((unsigned char)*at)) return special(text, value);
    for (; isdigit((unsigned char)*at); at++) exponent = exponent < 10000 ? exponent * 10 + (*at - '0') : exponent;
    if (is_negative) exponent = -exponent;
  }
  if (*at != '\0') return special(text, value);
  exponent -= behind;
  if (digits <= 18 && mantissa <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22) {
    double number = exponent < 0 ? (double)mantissa / tens[-exponent] : (double)mantissa * tens[exponent];
    *value = *text == '-' ? -number : number;
    return is_integer ? CELL_IS_INTEGER : CELL_IS_NUMBER;
  }
  *value = strtod(text, NULL);
  if (isinf(*value)) return CELL_IS_OUT_OF_RANGE;
  if (!is_integer) return CELL_IS_NUMBER;
  char exact[400]; // an integer beyond 2^53 must be one that a double holds
  const char *plain = text + (*text == '+' || *text == '-');
  while (*plain == '0' && plain[1] != '\0') plain++;
  snprintf(exact, sizeof exact, "%.0f", fabs(*value));
  return strcmp(exact, plain) == 0 ? CELL_IS_INTEGER : CELL_IS_OUT_OF_RANGE;
}

// ---- storing

// Where the text stands among the slots, a power of two, or where it would: NULL is there.
static const char **slot_of(const char **slots, size_t n, const char *text) {
  size_t hash = 5381;
  for (const char *c = text; *c != '\0'; c++) hash = hash * 33 + (unsigned char)*c;
  while (slots[hash & (n - 1)] != NULL && strcmp(slots[hash & (n - 1)], text) != 0) hash++;
  return &slots[hash & (n - 1)];
}

static bool make_slots(Csv *csv) {
  if (2 * (csv->n_texts + 1) <= csv->n_slots) return true;
  size_t n = csv->n_slots == 0 ? 256 : 2 * csv->n_slots;
  const char **slots = calloc(n, sizeof *slots);
  if (slots == NULL) return false;
  for (size_t i = 0; i < csv->n_slots; i++)
    if (csv->slots[i] != NULL) *slot_of(slots, n, csv->slots[i]) = csv->slots[i];
  free(csv->slots);
  csv->slots = slots;
  csv->n_slots = n;
  return true;
}

// The text on the file's heap, once.
static const char *keep_text(Csv *csv, const char *text) {
  if (!make_slots(csv)) return NULL;
  const char **slot = slot_of(csv->slots, csv->n_slots, text);
  if (*slot == NULL) {
    *slot = hgm_heap_strdup(&csv->file->heap, text);
    csv->n_texts += *slot != NULL;
  }
  return *slot;
}

static void add_fault(Csv *csv, CsvColumn *column, CellKind kind) {
  size_t used = strlen(column->faults);
  bool has_comma = csv->separator == ',' && strchr(csv->cell, ',') != NULL;
  if (column->n_faults++ < MOST_FAULTS)
    snprintf(column->faults + used, sizeof column->faults - used, "%sline %lld has `%.*s`%s", used > 0 ? ", " : "", (long long)csv->row_line, SHOWN, csv->cell,
             kind == CELL_IS_OUT_OF_RANGE ? " (beyond what a double holds)"
             : has_comma                  ? " (a decimal comma?)"
                                          : "");
}

static bool make_text(Csv *csv, CsvColumn *column) {
  column->is_text = true;
  const char *nothing = keep_text(csv, "");
  for (int64_t i = 0; i < csv->rows; i++) column->at.texts[i] = nothing; // all missing so far
  return nothing != NULL;
}

_Static_assert(sizeof(double) == sizeof(const char *), "numbers and texts share the room of a column");

static bool store(Csv *csv, CsvColumn *column) {
  double value = NAN;
  CellKind kind = column->is_text ? CELL_IS_OTHER : parse_number(csv->cell, &value);
  if (!column->is_decided && kind == CELL_IS_OTHER && !make_text(csv, column)) return hgm_out_of_memory(csv->error, csv->file->path);
  if (kind != CELL_IS_MISSING) column->is_decided = true;
  if (column->is_text) {
    column->at.texts[csv->rows] = keep_text(csv, csv->cell);
    return column->at.texts[csv->rows] != NULL || hgm_out_of_memory(csv->error, csv->file->path);
  }
  column->at.numbers[csv->rows] = value;
  if (kind == CELL_IS_MISSING) column->has_missing = true;
  if (kind != CELL_IS_INTEGER) column->is_integer = false;
  if (kind == CELL_IS_OTHER || kind == CELL_IS_OUT_OF_RANGE) add_fault(csv, column, kind);
  return true;
}

static bool make_room(Csv *csv) {
  if (csv->rows < csv->cap) return true;
  int64_t cap = csv->cap == 0 ? 4096 : 2 * csv->cap;
  for (int i = 0; i < csv->n_columns; i++) {
    double *moved = realloc(csv->columns[i].at.numbers, (size_t)cap * sizeof *moved);
    if (moved == NULL) return hgm_out_of_memory(csv->error, csv->file->path);
    csv->columns[i].at.numbers = moved;
  }
  csv->cap = cap;
  return true;
}

// ---- header and rows

static void split_unit(CsvColumn *column) {
  size_t n = strlen(column->name);
  char *open = strrchr(column->name, '[');
  if (n < 4 || column->name[n - 1] != ']' || open == NULL || open == column->name || open[-1] != ' ') return;
  column->name[n - 1] = '\0';
  column->unit = open + 1;
  while (open > column->name && open[-1] == ' ') *--open = '\0';
}

static bool add_column(Csv *csv) {
  CsvColumn *moved = realloc(csv->columns, (size_t)(csv->n_columns + 1) * sizeof *moved);
  if (moved == NULL) return hgm_out_of_memory(csv->error, csv->file->path);
  csv->columns = moved;
  CsvColumn *column = &moved[csv->n_columns];
  const char *name = csv->cell;
  if (csv->n_columns == 0 && *name == '#') name += 1 + strspn(name + 1, " "); // NumPy's savetxt
  *column = (CsvColumn){.name = hgm_heap_strdup(&csv->file->heap, name), .is_integer = true};
  if (column->name == NULL) return hgm_out_of_memory(csv->error, csv->file->path);
  csv->n_columns++;
  split_unit(column);
  if (column->name[0] == '\0') return hgm_fail(csv->error, 1, "%s, line 1: column %d has no name; give every column one", csv->file->path, csv->n_columns);
  for (int i = 0; i < csv->n_columns - 1; i++)
    if (strcmp(csv->columns[i].name, column->name) == 0)
      return hgm_fail(csv->error, 1, "%s, line 1: columns %d and %d are both named `%s`; rename one", csv->file->path, i + 1, csv->n_columns, column->name);
  return true;
}

// A header that can be none: numbers, or one column where other separators stand.
static bool judge_header(Csv *csv) {
  const char *path = csv->file->path;
  bool all_numbers = csv->n_columns > 0;
  for (int i = 0; i < csv->n_columns; i++) {
    double value;
    CellKind kind = parse_number(csv->columns[i].name, &value);
    all_numbers = all_numbers && (kind == CELL_IS_NUMBER || kind == CELL_IS_INTEGER);
  }
  const char *only = csv->n_columns == 1 ? csv->columns[0].name : "";
  if (strchr(only, ';') != NULL)
    return hgm_fail(csv->error, 1,
                    "%s, line 1: the columns look separated by semicolons, perhaps with decimal commas; save the "
                    "file with commas between columns and decimal points",
                    path);
  if (csv->separator == ',' && strchr(only, '\t') != NULL)
    return hgm_fail(csv->error, 1, "%s, line 1: the columns look separated by tabs; name the file .tsv", path);
  if (csv->separator == '\t' && strchr(only, ',') != NULL)
    return hgm_fail(csv->error, 1, "%s, line 1: the columns look separated by commas; name the file .csv", path);
  if (all_numbers)
    return hgm_fail(csv->error, 1,
                    "%s, line 1: holds numbers where the names of the columns should stand; add a header line like "
                    "`pt,eta,phi`",
                    path);
  if (strchr(only, ' ') != NULL) return hgm_fail(csv->error, 1, "%s, line 1: the columns look separated by blanks; separate them with commas", path);
  return true;
}

static bool read_header(Csv *csv) {
  static const unsigned char mark[] = {0xef, 0xbb, 0xbf};
  unsigned char head[3];
  size_t n = fread(head, 1, sizeof head, csv->input);
  if (n == 0) return hgm_fail(csv->error, 1, "%s: the file is empty", csv->file->path);
  if (n != sizeof head || memcmp(head, mark, sizeof mark) != 0) rewind(csv->input);
  for (CellEnd end = END_CELL; end == END_CELL;) {
    end = next_cell(csv);
    if (end == END_FAILED || !add_column(csv)) return false;
  }
  return judge_header(csv);
}

static bool bad_width(Csv *csv, int cells, CellEnd end) {
  if (end == END_FILE && cells < csv->n_columns)
    return hgm_fail(csv->error, 1,
                    "%s, line %lld: the file ends in the middle of a row (%d cells of %d, no line end): it is half "
                    "written; make it again or remove the line",
                    csv->file->path, (long long)csv->row_line, cells, csv->n_columns);
  return hgm_fail(csv->error, 1, "%s, line %lld: %d cells where the header has %d; correct the line or remove it", csv->file->path, (long long)csv->row_line,
                  cells, csv->n_columns);
}

static bool read_rows(Csv *csv) {
  for (CellEnd end = END_ROW; end != END_FILE;) {
    csv->row_line = csv->line;
    if (!make_room(csv)) return false;
    int cells = 0;
    do {
      end = next_cell(csv);
      if (end == END_FAILED) return false;
      bool is_blank_line = cells == 0 && end != END_CELL && csv->cell_len == 0 && csv->n_columns > 1;
      bool is_end = cells == 0 && end == END_FILE && csv->cell_len == 0;
      if (is_blank_line || is_end) {
        cells = -1;
        break;
      }
      if (cells < csv->n_columns && !store(csv, &csv->columns[cells])) return false;
      cells++;
    } while (end == END_CELL);
    if (cells < 0) continue;
    if (cells != csv->n_columns) return bad_width(csv, cells, end);
    csv->rows++;
  }
  return ferror(csv->input) == 0 || hgm_fail(csv->error, 2, "%s: cannot be read: %s", csv->file->path, strerror(errno));
}

// ---- fields

static void free_memory(HgmBlock *block) { free(block->backend); }

static bool add_field(Csv *csv, CsvColumn *column) {
  HgmField *field = hgm_file_add_field(csv->file, column->name);
  HgmBlock *block = field == NULL ? NULL : hgm_file_add_block(csv->file, column->name);
  if (block == NULL) return hgm_out_of_memory(csv->error, csv->file->path);
  block->rows = csv->rows;
  block->row_bytes = sizeof(double);
  block->backend = column->at.numbers;
  block->memory = block->backend;
  block->close = free_memory;
  column->at.numbers = NULL;
  field->block = block;
  field->cell = column->is_text ? HGM_CELL_TEXT_POINTER : HGM_CELL_NUMBERS;
  field->column.type = column->is_text ? HGM_FILE_TEXT : HGM_FILE_F64;
  field->column.kind = column->is_text ? HGM_COLUMN_TEXT : column->is_integer && csv->rows > 0 ? HGM_COLUMN_INTEGER : HGM_COLUMN_REAL;
  field->column.rows = csv->rows;
  field->column.unit = column->unit;
  if (column->n_faults == 0) return true;
  char more[60] = "";
  if (column->n_faults > MOST_FAULTS) snprintf(more, sizeof more, " and %d more like it", column->n_faults - MOST_FAULTS);
  field->refusal = hgm_heap_printf(&csv->file->heap, "column `%s` should hold numbers, but %s%s; correct the file", column->name, column->faults, more);
  return field->refusal != NULL || hgm_out_of_memory(csv->error, csv->file->path);
}

static bool read_csv(Csv *csv) {
  if (!read_header(csv) || !read_rows(csv)) return false;
  for (int i = 0; i < csv->n_columns; i++)
    if (!add_field(csv, &csv->columns[i])) return false;
  return true;
}

bool hgm_open_csv(HgmFile *file, HgmError *error) {
  struct stat info;
  if (stat(file->path, &info) == 0 && S_ISDIR(info.st_mode)) return hgm_fail(error, 2, "%s: is a directory, not a file", file->path);
  size_t n = strlen(file->path);
  bool is_tsv = n > 4 && strcasecmp(file->path + n - 4, ".tsv") == 0;
  Csv csv = {.file = file, .error = error, .separator = is_tsv ? '\t' : ',', .line = 1, .row_line = 1};
  csv.input = fopen(file->path, "rb");
  if (csv.input == NULL) return hgm_fail(error, 2, "%s: cannot be opened: %s", file->path, strerror(errno));
  bool fine = read_csv(&csv);
  fclose(csv.input);
  for (int i = 0; i < csv.n_columns; i++) free(csv.columns[i].at.numbers);
  free(csv.columns);
  free(csv.slots);
  free(csv.cell);
  return fine;
}
