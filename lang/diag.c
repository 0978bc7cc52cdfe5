// Collecting diagnostics, and the words that are nearest to a misspelt one. The renderer is in diag_print.c.
#include "lang/diag.h"

#include <string.h>
#include <strings.h>

enum { SEVERITY_ERROR, SEVERITY_WARNING };
static const struct {
  const char *slug, *explanation;
  int severity;
} KINDS[DIAG_COUNT] = {
#define DIAG(ENUM, slug, severity, explanation) [DIAG_##ENUM] = {slug, explanation, severity},
#include "lang/diag.def"
#undef DIAG
};

const char *diag_slug(DiagKind kind) { return KINDS[kind].slug; }
bool diag_is_error(DiagKind kind) { return KINDS[kind].severity == SEVERITY_ERROR; }

const char *diag_explanation(const char *slug) {
  for (int i = 0; i < DIAG_COUNT; i++)
    if (strcmp(KINDS[i].slug, slug) == 0) return KINDS[i].explanation;
  return NULL;
}

const char *diag_nearest_slug(const char *slug) {
  const char *slugs[DIAG_COUNT];
  for (int i = 0; i < DIAG_COUNT; i++) slugs[i] = KINDS[i].slug;
  return diag_nearest(slug, slugs, DIAG_COUNT);
}

Diags *diags_new(Arena *arena, const Sources *sources) {
  Diags *diags = ARENA_NEW(arena, Diags);
  diags->arena = arena;
  diags->sources = sources;
  return diags;
}

static bool said_before(const Diags *diags, DiagKind kind, Span span) {
  for (size_t i = 0; i < diags->all.len; i++) {
    const Diag *d = diags->all.at[i];
    if (d->kind == kind && d->span.begin == span.begin && d->span.end == span.end && span.begin != 0) return true;
  }
  return false;
}

Diag *diag_add(Diags *diags, DiagKind kind, Span span, const char *format, ...) {
  Diag *d = ARENA_NEW(diags->arena, Diag);
  d->kind = kind;
  d->span = span;
  va_list args;
  va_start(args, format);
  d->message = arena_vprintf(diags->arena, format, args);
  va_end(args);
  if (diags->muted > 0 || said_before(diags, kind, span)) return d;
  VEC_PUSH(diags->arena, &diags->all, d);
  if (diag_is_error(kind)) diags->errors++;
  else diags->warnings++;
  return d;
}

void diag_here(Diags *diags, Diag *d, const char *format, ...) {
  va_list args;
  va_start(args, format);
  d->here = arena_vprintf(diags->arena, format, args);
  va_end(args);
}

void diag_label(Diags *diags, Diag *d, Span span, const char *format, ...) {
  va_list args;
  va_start(args, format);
  struct DiagLabel label = {span, arena_vprintf(diags->arena, format, args)};
  va_end(args);
  VEC_PUSH(diags->arena, &d->labels, label);
}

void diag_help(Diags *diags, Diag *d, const char *format, ...) {
  va_list args;
  va_start(args, format);
  d->help = arena_vprintf(diags->arena, format, args);
  va_end(args);
}

void diag_note(Diags *diags, Diag *d, const char *format, ...) {
  va_list args;
  va_start(args, format);
  d->note = arena_vprintf(diags->arena, format, args);
  va_end(args);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

// Edits (insert, delete, replace, swap of neighbours) from a to b; both at most LONGEST letters.
enum { LONGEST = 64 };
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len) {
  size_t rows[3][LONGEST + 1];
  for (size_t j = 0; j <= b_len; j++) rows[0][j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
    now[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      size_t replace = before[j - 1] + (a[i - 1] != b[j - 1]);
      now[j] = least(replace, least(before[j], now[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = least(now[j], two_before[j - 2] + 1);
    }
  }
  return rows[a_len % 3][b_len];
}

// max_pool for pool_max: two words joined by a line, the other way round.
static bool is_turned(const char *a, size_t a_len, const char *b, size_t b_len) {
  const char *line = memchr(a, '_', a_len);
  if (a_len != b_len || line == NULL) return false;
  size_t first = (size_t)(line - a), second = a_len - first - 1;
  return strncasecmp(b, line + 1, second) == 0 && b[second] == '_' && strncasecmp(b + second + 1, a, first) == 0;
}

const char *diag_nearest(const char *name, const char *const *candidates, size_t n) {
  size_t len = strlen(name), limit = len / 3 > 1 ? len / 3 : 1;
  if (len == 0 || len > LONGEST) return NULL;
  if (limit > len - 1) limit = len - 1; // another single letter is no misspelling
  const char *best = NULL;
  size_t best_distance = limit + 1;
  int best_slip = 0;
  for (size_t i = 0; i < n; i++) {
    size_t other = strlen(candidates[i]);
    if (other == 0 || other > LONGEST) continue;
    bool same = strcasecmp(name, candidates[i]) == 0, turned = is_turned(name, len, candidates[i], other);
    size_t d = same ? 0 : turned ? 1 : distance(name, len, candidates[i], other);
    if (d > limit) continue;
    int slip = other > len ? 2 : other < len ? 1 : 0; // of equally near ones: a letter left out, one too many, another one
    bool nearer = d < best_distance || (d == best_distance && best != NULL && (slip > best_slip || (slip == best_slip && strcmp(candidates[i], best) < 0)));
    if (nearer) {
      best = candidates[i];
      best_distance = d;
      best_slip = slip;
    }
  }
  return best;
}
