// Diagnostics are data: a checker appends one and goes on; one renderer prints them all, sorted by place, at the end.
//
//   Diag *d = diag_add(diags, DIAG_UNKNOWN_NAME, span, "no `%s` here; did you mean `%s`?", name, best);
//   diag_label(d, other, "declared here");  diag_help(d, "…");
//
// Slugs, severities and one-line explanations stand in diag.def. Wording: docs/language.md (Errors): found and needed, in
// the language's own terms, backticks around code, no full stop at the end; the last line is the cure.
#ifndef HGM_DIAG_H
#define HGM_DIAG_H

#include <stdio.h>

#include "lang/source.h"

typedef enum {
#define DIAG(ENUM, slug, severity, explanation) DIAG_##ENUM,
#include "lang/diag.def"
#undef DIAG
  DIAG_COUNT
} DiagKind;

typedef struct Diag {
  DiagKind kind;
  Span span;
  const char *message;
  VEC(struct DiagLabel {
    Span span;
    const char *text;
  })
  labels;           // the other parties: underlined with ---
  const char *here; // label of the main span, may be NULL
  const char *note, *help;
} Diag;

typedef struct Diags {
  Arena *arena;
  const Sources *sources;
  VEC(Diag *) all;
  int errors, warnings;
  int muted; // > 0: diag_add still returns a Diag, but drops it (alternatives tried)
} Diags;

Diags *diags_new(Arena *arena, const Sources *sources);
// A second diagnostic of the same kind at the same place is dropped (templates elaborated twice say a thing once).
Diag *diag_add(Diags *diags, DiagKind kind, Span span, const char *format, ...) __attribute__((format(printf, 4, 5)));
void diag_here(Diags *diags, Diag *d, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_label(Diags *diags, Diag *d, Span span, const char *format, ...) __attribute__((format(printf, 4, 5)));
void diag_help(Diags *diags, Diag *d, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_note(Diags *diags, Diag *d, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Sorted by place, at most max (0: 20), closing with "2 errors, 1 warning". Colour only when asked for.
void diags_print(FILE *out, const Diags *diags, bool colour, int max);
const char *diag_slug(DiagKind kind);
bool diag_is_error(DiagKind kind);
const char *diag_explanation(const char *slug);  // NULL: no such slug
const char *diag_nearest_slug(const char *slug); // NULL: none is near
// The nearest of n candidates (case-insensitive equality, else Damerau-Levenshtein <= max(1, len / 3)), or NULL.
const char *diag_nearest(const char *name, const char *const *candidates, size_t n);

#endif
