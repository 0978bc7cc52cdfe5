#include "sampler/conditions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool out_of_memory(HgmError *error) { return hgm_fail(error, 2, "out of memory"); }

// ---- --fix

static const char *pinned(const Texts *fixes, const char *column) {
  size_t n = strlen(column);
  for (int i = 0; i < fixes->n; i++)
    if (strncmp(fixes->at[i], column, n) == 0 && fixes->at[i][n] == '=') return fixes->at[i] + n + 1;
  return NULL;
}

// " `a`, `b`" of the given columns.
static void list_given(const HgmBundleTask *task, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (uint64_t i = 0; i < task->n_given && used < size; i++) used += (size_t)snprintf(text + used, size - used, "%s`%s`", i ? ", " : "", task->given[i].name);
}

static bool check_fixes(const HgmBundleTask *task, const Texts *fixes, HgmError *error) {
  char names[1024];
  for (int i = 0; i < fixes->n; i++) {
    const char *equals = strchr(fixes->at[i], '=');
    bool found = false;
    for (uint64_t k = 0; equals != NULL && k < task->n_given; k++) found |= pinned(&(Texts){&fixes->at[i], 1}, task->given[k].name) != NULL;
    list_given(task, names, sizeof names);
    if (!found) return hgm_fail(error, 2, "--fix %s: expected COLUMN=VALUE with a given column: %s", fixes->at[i], task->n_given ? names : "there is none");
  }
  return true;
}

// What a text stands for: a listed text, a listed number, or any number.
static bool pinned_value(const HgmBundleColumn *c, const char *text, double *value, HgmError *error) {
  char listed[1024] = "", *end;
  size_t used = 0;
  for (uint64_t i = 0; i < c->n_texts && used < sizeof listed; i++) {
    *value = (double)i;
    if (strcmp(c->texts[i], text) == 0) return true;
    used += (size_t)snprintf(listed + used, sizeof listed - used, "%s%s", i ? ", " : "", c->texts[i]);
  }
  if (c->kind == HGM_FIELD_TEXT) return hgm_fail(error, 2, "--fix %s=%s: the model does not list this value; it lists %s", c->name, text, listed);
  *value = strtod(text, &end);
  if (end == text || *end != '\0' || c->rank > 0) return hgm_fail(error, 2, "--fix %s=%s: expected a number", c->name, text);
  if (c->kind != HGM_FIELD_CATEGORY) return true;
  for (uint64_t i = 0; i < c->n_values && used < sizeof listed; i++) {
    if (c->values[i] == *value) return true;
    used += (size_t)snprintf(listed + used, sizeof listed - used, "%s%g", i ? ", " : "", c->values[i]);
  }
  return hgm_fail(error, 2, "--fix %s=%s: the model does not list this value; it lists %s", c->name, text, listed);
}

static bool pin(Conditions *s, uint64_t k, const char *text, HgmError *error) {
  double value = 0, *values;
  if (!pinned_value(&s->task->given[k], text, &value, error)) return false;
  s->columns[k] = s->pins[k] = values = malloc((size_t)s->rows * sizeof *values);
  if (values == NULL) return out_of_memory(error);
  for (int64_t r = 0; r < s->rows; r++) values[r] = value;
  return true;
}

// ---- columns of files

static bool check_shape(const HgmTable *table, const HgmBundleColumn *c, int place, HgmError *error) {
  const HgmColumn *found = hgm_table_column(table, place);
  if (found->kind == HGM_COLUMN_TEXT && c->kind != HGM_FIELD_TEXT)
    return hgm_fail(error, 1, "column `%s` of %s holds text, the model wants numbers", c->name, hgm_table_name(table));
  if (found->kind != HGM_COLUMN_TEXT && c->kind == HGM_FIELD_TEXT && found->n_texts == 0)
    return hgm_fail(error, 1, "column `%s` of %s holds numbers, the model wants texts", c->name, hgm_table_name(table));
  return found->elements == c->elements || hgm_fail(error, 1, "column `%s` of %s has %lld numbers an event, the model wants %lld", c->name,
                                                    hgm_table_name(table), (long long)found->elements, (long long)c->elements);
}

static bool is_listed(const HgmBundleColumn *c, double value) {
  for (uint64_t i = 0; i < c->n_values; i++)
    if (c->values[i] == value) return true;
  return c->has_missing && value == c->missing;
}

static bool check_values(const Conditions *s, const HgmBundleColumn *c, int place, const double *values, const HgmColumnReport *report, HgmError *error) {
  char text[512];
  hgm_column_report_text(s->table, place, report, text, sizeof text);
  if (report->infinite > 0 || (report->nan > 0 && !c->allows_nan))
    return hgm_fail(error, 1, "%s (rows count from 0); correct the file or leave those rows out", text);
  int64_t unlisted = 0, first = 0;
  for (int64_t i = s->rows * c->elements; c->kind == HGM_FIELD_CATEGORY && i-- > 0;)
    if (!is_listed(c, values[i])) unlisted++, first = i;
  return unlisted == 0 ||
         hgm_fail(error, 1, "column `%s` of %s has the value %g in row %lld, which the model does not list; so have %lld of %lld", c->name,
                  hgm_table_name(s->table), values[first], (long long)(first / c->elements), (long long)unlisted, (long long)(s->rows * c->elements));
}

typedef struct Reading { // the columns that come from the file, one behind the other
  HgmWish *wishes;
  HgmColumnReport *reports;
  void **values;
  int *places;
  uint64_t *of; // which given column
  int n;
} Reading;

static bool find_columns(const Conditions *s, const Texts *fixes, Reading *r, HgmError *error) {
  for (uint64_t k = 0; k < s->task->n_given; k++) {
    const HgmBundleColumn *c = &s->task->given[k];
    int place;
    if (pinned(fixes, c->name) != NULL) continue;
    if (!hgm_table_require(s->table, c->name, &place, error) || !check_shape(s->table, c, place, error)) return false;
    r->wishes[r->n] = (HgmWish){.column = place, .has_missing = c->has_missing, .missing = c->missing, .unit = c->unit, .mark = (int)c->mark};
    if (c->kind == HGM_FIELD_TEXT) r->wishes[r->n].texts = c->texts, r->wishes[r->n].n_texts = (int)c->n_texts;
    r->places[r->n] = place;
    r->of[r->n++] = k;
  }
  return true;
}

static bool read_columns(Conditions *s, const Texts *fixes, Reading *r, HgmError *error) {
  if (!find_columns(s, fixes, r, error)) return false;
  if (r->n == 0) s->rows = hgm_table_rows(s->table);
  else if (!hgm_table_check_rows(s->table, r->places, r->n, &s->rows, error)) return false;
  if (s->rows < 1) return hgm_fail(error, 1, "%s has no rows", hgm_table_name(s->table));
  hgm_units_note(s->table, r->wishes, r->n, s->note, sizeof s->note);
  if (!hgm_table_load(s->table, r->wishes, r->n, 1, r->values, &s->memory, r->reports, error)) return false;
  for (int i = 0; i < r->n; i++) s->columns[r->of[i]] = r->values[i];
  for (int i = 0; i < r->n; i++)
    if (!check_values(s, &s->task->given[r->of[i]], r->places[i], r->values[i], &r->reports[i], error)) return false;
  return true;
}

static bool open_files(Conditions *s, const Texts *files, const Texts *fixes, HgmError *error) {
  char **paths;
  int n_paths;
  if (!hgm_paths_expand(&paths, &n_paths, files->at, files->n, error)) return false;
  bool fine = hgm_table_open(&s->table, (const char *const *)paths, n_paths, error);
  hgm_paths_free(paths, n_paths);
  if (!fine) return false;
  size_t n = s->task->n_given + 1;
  Reading r = {.wishes = calloc(n, sizeof *r.wishes),
               .reports = calloc(n, sizeof *r.reports),
               .values = calloc(n, sizeof *r.values),
               .places = calloc(n, sizeof *r.places),
               .of = calloc(n, sizeof *r.of)};
  fine = r.wishes && r.reports && r.values && r.places && r.of ? read_columns(s, fixes, &r, error) : out_of_memory(error);
  free(r.wishes);
  free(r.reports);
  free(r.values);
  free(r.places);
  free(r.of);
  return fine;
}

// ---- --keep

static bool has_column(const HgmBundleColumn *columns, uint64_t n, const char *name) {
  for (uint64_t i = 0; i < n; i++)
    if (strcmp(columns[i].name, name) == 0) return true;
  return false;
}

// What the output holds already is not copied once more, and two columns of one name are none.
static bool keep_column(Conditions *s, const char *name, HgmError *error) {
  int place;
  for (int i = 0; i < s->n_kept; i++)
    if (strcmp(s->kept[i].column->name, name) == 0) return true;
  if (has_column(s->task->outputs, s->task->n_outputs, name))
    return has_column(s->task->given, s->task->n_given, name) ||
           hgm_fail(error, 2, "--keep %s: the model draws a column of that name, so the file would hold two; leave it out", name);
  if (!hgm_table_require(s->table, name, &place, error)) return false;
  const HgmColumn *c = hgm_table_column(s->table, place);
  Kept *grown = realloc(s->kept, (size_t)(s->n_kept + 1) * sizeof *grown);
  if (grown == NULL) return out_of_memory(error);
  s->kept = grown;
  s->kept[s->n_kept] = (Kept){c, malloc((size_t)(c->elements * s->rows + 1) * sizeof(double))};
  if (s->kept[s->n_kept++].values == NULL) return out_of_memory(error);
  return hgm_table_read(s->table, place, 0, s->rows, s->kept[s->n_kept - 1].values, error);
}

static bool keep_columns(Conditions *s, const char *names, HgmError *error) {
  if (s->table == NULL) return hgm_fail(error, 2, "--keep %s copies columns of --given, which is missing", names);
  char *list = malloc(strlen(names) + 1), *rest;
  if (list == NULL) return out_of_memory(error);
  bool fine = true;
  for (char *name = strtok_r(strcpy(list, names), ",", &rest); fine && name != NULL; name = strtok_r(NULL, ",", &rest)) fine = keep_column(s, name, error);
  free(list);
  return fine;
}

// ---- all of it

static bool check_request(const HgmBundleTask *task, const Texts *files, const Texts *fixes, HgmError *error) {
  char names[1024];
  uint64_t left = 0;
  for (uint64_t k = 0; k < task->n_given; k++) left += pinned(fixes, task->given[k].name) == NULL;
  if (!check_fixes(task, fixes, error)) return false;
  if (task->n_given == 0 && files->n > 0) return hgm_fail(error, 2, "this generator is given nothing, so --given %s has no use; leave it out", files->at[0]);
  list_given(task, names, sizeof names);
  if (left > 0 && files->n == 0)
    return hgm_fail(error, 2, "this generator is given %s: say where they are with --given FILE, or pin them with --fix COLUMN=VALUE", names);
  return true;
}

bool conditions_open(Conditions *s, const HgmBundleTask *task, const Texts *files, const Texts *fixes, const Texts *keep, HgmError *error) {
  *s = (Conditions){.task = task, .rows = task->n_given > 0};
  if (!check_request(task, files, fixes, error)) return false;
  s->columns = calloc(task->n_given + 1, sizeof *s->columns);
  s->pins = calloc(task->n_given + 1, sizeof *s->pins);
  if (s->columns == NULL || s->pins == NULL) return out_of_memory(error);
  if (files->n > 0 && !open_files(s, files, fixes, error)) return false;
  for (uint64_t k = 0; k < task->n_given; k++) {
    const char *text = pinned(fixes, task->given[k].name);
    if (text != NULL && !pin(s, k, text, error)) return false;
  }
  for (int i = 0; i < keep->n; i++)
    if (!keep_columns(s, keep->at[i], error)) return false;
  return true;
}

void conditions_close(Conditions *s) {
  for (uint64_t k = 0; s->pins != NULL && k < s->task->n_given; k++) free(s->pins[k]);
  for (int i = 0; i < s->n_kept; i++) free(s->kept[i].values);
  free(s->columns);
  free(s->pins);
  free(s->memory);
  free(s->kept);
  if (s->table != NULL) hgm_table_close(s->table);
  *s = (Conditions){0};
}
