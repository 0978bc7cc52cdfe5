// The renderer: one diagnostic is a first line that says all, the place, and the lines concerned with what is underlined.
//
//   error[shape]: shapes do not meet: real[128] and real[64, 8]
//     --> zgamma.hgm:24:12
//      |
//   22 |   h  = x |> mlp(widths, leaky_relu)
//      |   - h is real[128]
//   24 |   mu = h @ w
//      |          ^ the first axis of w is 64, it must be 128
//      = help: `h |> dense(latent)` makes a weight of the right shape
#include <stdlib.h>
#include <string.h>

#include "lang/diag.h"

enum { TAB = 4, WIDEST = 110, MOST = 20 };

typedef struct Style {
  const char *loud, *strong, *faint, *off;
} Style; // loud: severity and main place
static const Style PLAIN = {"", "", "", ""};
static const Style RED = {"\x1b[1;31m", "\x1b[1m", "\x1b[34m", "\x1b[0m"};
static const Style YELLOW = {"\x1b[1;33m", "\x1b[1m", "\x1b[34m", "\x1b[0m"};

typedef struct Mark { // one underlined place, in display columns of its line
  const SourceFile *file;
  uint32_t line_begin, line_end; // byte offsets in the file
  int line, order;               // order: the main place first, then labels as they were given
  int from, to;                  // display columns, from 0, to exclusive and > from
  bool main;
  const char *text;
} Mark;

static bool is_continuation(char byte) { return ((unsigned char)byte & 0xC0) == 0x80; }

// Display columns before byte `offset` of the line that begins at `begin`: tabs stop every 4, a code point is one.
static int display_column(const char *text, uint32_t begin, uint32_t offset) {
  int column = 0;
  for (uint32_t i = begin; i < offset; i++) {
    if (text[i] == '\t') column += TAB - column % TAB;
    else if (!is_continuation(text[i])) column++;
  }
  return column;
}

static Mark mark_of(const Diags *diags, Span span, const char *text, bool main, int order) {
  Mark mark = {.text = text, .main = main, .order = order};
  mark.file = source_of(diags->sources, span);
  if (mark.file == NULL) return mark;
  int column;
  source_position(diags->sources, span.begin, &mark.line, &column);
  const char *source = mark.file->text;
  uint32_t begin = span.begin - mark.file->base, end = span.end < span.begin ? begin : span.end - mark.file->base;
  mark.line_begin = begin;
  while (mark.line_begin > 0 && source[mark.line_begin - 1] != '\n') mark.line_begin--;
  mark.line_end = begin;
  while (mark.line_end < mark.file->len && source[mark.line_end] != '\n') mark.line_end++;
  if (end > mark.line_end) end = mark.line_end; // of several lines the first is shown
  mark.from = display_column(source, mark.line_begin, begin);
  mark.to = display_column(source, mark.line_begin, end > begin ? end : begin);
  if (mark.to <= mark.from) mark.to = mark.from + 1;
  return mark;
}

static void put(FILE *out, char c, int times) {
  while (times-- > 0) fputc(c, out);
}

// Columns first .. first + WIDEST of a line; control characters as ?.
static void print_text(FILE *out, const Mark *mark, int first) {
  const char *source = mark->file->text;
  int column = 0, last = first + WIDEST, blanks = 0;
  for (uint32_t i = mark->line_begin; i < mark->line_end; i++) {
    int begin = column;
    if (is_continuation(source[i])) {
      if (begin > first && begin <= last) fputc(source[i], out);
      continue;
    }
    column += source[i] == '\t' ? TAB - column % TAB : 1;
    if (begin < first || begin >= last) continue;
    if (source[i] == '\t' || source[i] == ' ' || source[i] == '\r') {
      blanks += column - begin; // held back, so that no line ends in blanks
      continue;
    }
    put(out, ' ', blanks);
    blanks = 0;
    fputc((unsigned char)source[i] < 0x20 || source[i] == 0x7f ? '?' : source[i], out);
  }
  if (column > last) fputs("...", out);
}

static int digits(int n) {
  int d = 1;
  while (n >= 10) n /= 10, d++;
  return d;
}

static void print_line(FILE *out, const Style *style, const Mark *marks, size_t n, int width) {
  int first = 0;
  const Mark *chief = &marks[0];
  for (size_t i = 0; i < n; i++)
    if (marks[i].main) chief = &marks[i];
  if (chief->to > WIDEST - 4) first = chief->from - WIDEST / 3;
  if (first < 0) first = 0;
  fprintf(out, "%s%*d |%s", style->faint, width, marks[0].line, style->off);
  const char *lead = first > 0 ? " ..." : " ";
  if (marks[0].line_end > marks[0].line_begin) {
    fputs(lead, out);
    print_text(out, &marks[0], first);
  }
  fputc('\n', out);
  for (size_t i = 0; i < n; i++) {
    const Mark *mark = &marks[i];
    if (mark->to <= first || mark->from >= first + WIDEST) continue;
    int from = mark->from > first ? mark->from : first, to = mark->to < first + WIDEST ? mark->to : first + WIDEST;
    fprintf(out, "%s%*s |%s", style->faint, width, "", style->off);
    put(out, ' ', (int)strlen(lead) + from - first);
    fputs(mark->main ? style->loud : style->faint, out);
    put(out, mark->main ? '^' : '-', to - from);
    if (mark->text != NULL && mark->text[0] != '\0') fprintf(out, " %s", mark->text);
    fprintf(out, "%s\n", style->off);
  }
}

static int by_place(const void *left, const void *right) {
  const Mark *a = left, *b = right;
  if (a->file != b->file) return a->order < b->order ? -1 : 1;
  if (a->line != b->line) return a->line < b->line ? -1 : 1;
  return a->order < b->order ? -1 : a->order > b->order;
}

static void print_marks(FILE *out, const Style *style, Mark *marks, size_t n, const Mark *main, int width) {
  qsort(marks, n, sizeof *marks, by_place);
  for (int other = 0; other < 2; other++) { // the file of the main place, then the others
    const SourceFile *shown = other ? NULL : main->file;
    for (size_t i = 0; i < n;) {
      size_t same = i + 1;
      while (same < n && marks[same].file == marks[i].file && marks[same].line == marks[i].line) same++;
      if ((marks[i].file != main->file) == (other == 1)) {
        if (marks[i].file != shown) {
          fprintf(out, "%s%*s:::%s %s:%d:%d\n", style->faint, width, "", style->off, marks[i].file->path, marks[i].line, marks[i].from + 1);
          shown = marks[i].file;
        }
        print_line(out, style, marks + i, same - i, width);
      }
      i = same;
    }
  }
}

static void print_one(FILE *out, const Diags *diags, const Diag *d, bool colour) {
  bool error = diag_is_error(d->kind);
  const Style *style = !colour ? &PLAIN : error ? &RED : &YELLOW;
  fprintf(out, "%s%s[%s]%s: %s%s%s\n", style->loud, error ? "error" : "warning", diag_slug(d->kind), style->off, style->strong, d->message, style->off);
  Mark *marks = calloc(d->labels.len + 1, sizeof *marks);
  if (marks == NULL) abort();
  Mark main = mark_of(diags, d->span, d->here, true, 0);
  size_t n = 0;
  if (main.file != NULL) marks[n++] = main;
  for (size_t i = 0; i < d->labels.len && main.file != NULL; i++) {
    Mark mark = mark_of(diags, d->labels.at[i].span, d->labels.at[i].text, false, (int)i + 1);
    if (mark.file != NULL) marks[n++] = mark;
  }
  int width = 1;
  for (size_t i = 0; i < n; i++) width = digits(marks[i].line) > width ? digits(marks[i].line) : width;
  if (n > 0) {
    int line, column;
    source_position(diags->sources, d->span.begin, &line, &column);
    fprintf(out, "%s%*s-->%s %s:%d:%d\n", style->faint, width, "", style->off, main.file->path, line, column);
    fprintf(out, "%s%*s |%s\n", style->faint, width, "", style->off);
    print_marks(out, style, marks, n, &main, width);
  }
  free(marks);
  if (d->note != NULL) fprintf(out, "%s%*s =%s note: %s\n", style->faint, width, "", style->off, d->note);
  if (d->help != NULL) fprintf(out, "%s%*s =%s help: %s\n", style->faint, width, "", style->off, d->help);
}

typedef struct Ranked {
  const Diag *diag;
  size_t order;
} Ranked;
static int by_span(const void *left, const void *right) {
  const Ranked *a = left, *b = right;
  if (a->diag->span.begin != b->diag->span.begin) return a->diag->span.begin < b->diag->span.begin ? -1 : 1;
  return a->order < b->order ? -1 : a->order > b->order;
}

static void print_count(FILE *out, int n, const char *what) { fprintf(out, "%d %s%s", n, what, n == 1 ? "" : "s"); }

void diags_print(FILE *out, const Diags *diags, bool colour, int max) {
  size_t n = diags->all.len;
  if (n == 0) return;
  Ranked *ranked = calloc(n, sizeof *ranked);
  if (ranked == NULL) abort();
  for (size_t i = 0; i < n; i++) ranked[i] = (Ranked){diags->all.at[i], i};
  qsort(ranked, n, sizeof *ranked, by_span);
  size_t shown = max > 0 ? (size_t)max : MOST;
  if (shown > n) shown = n;
  for (size_t i = 0; i < shown; i++) {
    print_one(out, diags, ranked[i].diag, colour);
    fputc('\n', out);
  }
  free(ranked);
  if (shown < n) fprintf(out, "and %zu more\n", n - shown);
  if (diags->errors > 0) print_count(out, diags->errors, "error");
  if (diags->errors > 0 && diags->warnings > 0) fputs(", ", out);
  if (diags->warnings > 0) print_count(out, diags->warnings, "warning");
  fputc('\n', out);
}
