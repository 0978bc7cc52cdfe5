#include "compiler/driver/dataset_columns.h"

#include <string.h>

#include "runtime/unit.h"

bool dataset_every(const void *context, const ModelColumn *column) {
  (void)context;
  (void)column;
  return true;
}

int64_t column_elements(const ModelColumn *column) {
  int64_t n = 1;
  for (int i = 0; i < column->rank; i++) n *= column->shape[i];
  return n;
}

static const char *column_path(Arena *arena, const ModelColumn *column) {
  return column->group == NULL ? column->name : arena_printf(arena, "%s/%s", column->group, column->name);
}

static const char *shape_text(Arena *arena, int rank, const int64_t *shape) {
  const char *text = "(N";
  for (int i = 0; i < rank; i++) text = arena_printf(arena, "%s, %lld", text, (long long)shape[i]);
  return arena_printf(arena, "%s)", text);
}

// Whether rows of one shape are rows of the other with neighbouring axes joined: each end of an axis of a is one of b.
static bool joins(int rank_a, const int64_t *a, int rank_b, const int64_t *b) {
  int64_t to_a = 1, to_b = 1;
  for (int i = 0, k = 0; i < rank_a; i++) {
    to_a *= a[i];
    while (k < rank_b && to_b < to_a) to_b *= b[k++];
    if (to_b != to_a) return false;
  }
  return true;
}

static bool shapes_meet(const HgmColumn *found, const ModelColumn *column) {
  return found->elements == column_elements(column) &&
         (joins(found->rank, found->shape, column->rank, column->shape) || joins(column->rank, column->shape, found->rank, found->shape));
}

// Absent (in one of the files), or there in a form that cannot be read: the table says which.
static void column_refused(Session *session, const HgmTable *table, const ModelColumn *column, const char *reason) {
  if (hgm_table_find(table, column_path(session->arena, column)) >= 0) {
    diag_add(session->diags, DIAG_COLUMN_UNREADABLE, column->span, "%s", reason);
    return;
  }
  Diag *d = diag_add(session->diags, DIAG_COLUMN_MISSING, column->span, "%s", reason);
  char list[1024];
  int near[3];
  if (hgm_table_nearest(table, column_path(session->arena, column), near) > 0)
    diag_help(session->diags, d, "its columns are %s", hgm_table_list(table, list, sizeof list));
}

const char *dataset_unit(const ModelColumn *column, const HgmColumn *found) {
  HgmConversion conversion;
  if (column->unit != NULL) return column->unit;
  return hgm_unit_conversion(found->unit, column->meets, &conversion) ? column->meets : found->unit;
}

static bool unit_agrees(Session *session, const HgmTable *table, const ModelColumn *column, int place) {
  const char *said, *wanted = dataset_unit(column, hgm_table_column(table, place));
  if (hgm_table_unit(table, place, wanted, &said)) return true;
  Diag *d = diag_add(session->diags, DIAG_UNIT, column->span, "`%s` of %s is in %s, which is no %s", column_path(session->arena, column), hgm_table_name(table),
                     said, wanted);
  diag_help(session->diags, d, "units convert within energies, lengths, times and angles; correct `in %s` or the unit that the file says", wanted);
  return false;
}

// The column's index in the table, or -1 after a diagnostic.
static int find_column(Session *session, const HgmTable *table, const ModelColumn *column) {
  const char *path = column_path(session->arena, column);
  int place;
  HgmError refusal = {0};
  if (!hgm_table_require(table, path, &place, &refusal)) {
    column_refused(session, table, column, refusal.text);
    return -1;
  }
  const HgmColumn *found = hgm_table_column(table, place);
  if (found->kind == HGM_COLUMN_TEXT && column->kind != COLUMN_TEXT_CATEGORY) {
    Diag *d = diag_add(session->diags, DIAG_COLUMN_TEXT, column->span, "`%s` of %s holds text", path, hgm_table_name(table));
    diag_help(session->diags, d, "`class of [\"a\", \"b\"]` with the texts that occur reads it");
    return -1;
  }
  if (found->kind != HGM_COLUMN_TEXT && column->kind == COLUMN_TEXT_CATEGORY && found->n_texts == 0) {
    Diag *d = diag_add(session->diags, DIAG_COLUMN_TEXT, column->span, "`%s` of %s holds numbers, the field lists texts", path, hgm_table_name(table));
    diag_help(session->diags, d, "`class of [0, 1]` with the numbers that occur reads it");
    return -1;
  }
  if (!shapes_meet(found, column)) {
    Diag *d = diag_add(session->diags, DIAG_COLUMN_SHAPE, column->span, "`%s` of %s is %s, the field wants %s", path, hgm_table_name(table),
                       shape_text(session->arena, found->rank, found->shape), shape_text(session->arena, column->rank, column->shape));
    const char *declared = "";
    for (int i = 0; i < found->rank; i++) declared = arena_printf(session->arena, "%s%s%lld", declared, i ? ", " : "", (long long)found->shape[i]);
    bool one_channel = column->rank == found->rank + 1 && column->shape[found->rank] == 1; // the file has it as rows and columns
    if (one_channel) declared = arena_printf(session->arena, "%s, 1", declared);
    if (session->of_run) diag_help(session->diags, d, "the run was trained on that: give it a file where `%s` has that shape", path);
    else if (found->rank > 0) diag_help(session->diags, d, "a field of that shape reads it: `NAME: real[%s] = \"%s\"`", declared, path);
    return -1;
  }
  return unit_agrees(session, table, column, place) ? place : -1;
}

// A file that has none of the columns is another file: one message instead of one a column. A name like a column's may be chance (MET_phi beside
// Jet_phi); where half of them have one, the names were spelt in another way.
static bool is_another_file(Session *session, const HgmTable *table, const ModelColumn *const *columns, size_t n, HgmError *error) {
  int near[3];
  size_t alike = 0;
  const char *names = "";
  for (size_t i = 0; i < n; i++) {
    const char *path = column_path(session->arena, columns[i]);
    if (hgm_table_find(table, path) >= 0) return false;
    alike += hgm_table_nearest(table, path, near) > 0;
    if (i < 6) names = arena_printf(session->arena, "%s%s`%s`", names, i ? ", " : "", path);
  }
  char list[1024];
  if (n < 2 || 2 * alike >= n) return false;
  hgm_fail(error, EXIT_USER, "%s has none of the columns that the model reads: %s%s; it has %s; is it the right file?", hgm_table_name(table), names,
           n > 6 ? arena_printf(session->arena, " and %zu more", n - 6) : "", hgm_table_list(table, list, sizeof list));
  return true;
}

bool dataset_columns(Session *session, const HgmTable *table, const ModelData *data, bool (*wanted)(const void *, const ModelColumn *), const void *context,
                     int *places, HgmError *error) {
  const ModelColumn **columns = ARENA_ARRAY(session->arena, const ModelColumn *, data->columns.len + 1);
  size_t n = 0;
  for (size_t i = 0; i < data->columns.len; i++)
    if (wanted(context, &data->columns.at[i]) && !data->columns.at[i].which_group) columns[n++] = &data->columns.at[i];
  if (is_another_file(session, table, columns, n, error)) return false;
  int before = session->diags->errors;
  for (size_t i = 0; i < n; i++) places[columns[i] - data->columns.at] = find_column(session, table, columns[i]);
  if (session->diags->errors == before) return true;
  diags_print(stderr, session->diags, false, 0); // those of the model were printed: only the new ones are shown
  return hgm_fail(error, EXIT_USER, "%s does not fit the model", hgm_table_name(table));
}

bool dataset_paths(Arena *arena, const ModelData *data, const Strings *files, Strings *out, HgmError *error) {
  char **paths;
  int n;
  if (!hgm_paths_expand(&paths, &n, files->at, (int)files->len, error)) return false;
  for (size_t g = 0; g < (data->groups.len > 0 ? data->groups.len : 1); g++)
    for (int i = 0; i < n; i++) {
      const char *inside = strstr(paths[i], ":/") != NULL ? "/" : ":/";
      VEC_PUSH(arena, out, data->groups.len == 0 ? arena_strdup(arena, paths[i]) : arena_printf(arena, "%s%s%s", paths[i], inside, data->groups.at[g]));
    }
  hgm_paths_free(paths, n);
  return true;
}

bool dataset_table(HgmTable **table, Arena *arena, const ModelData *data, const Strings *files, HgmError *error) {
  Strings paths = {0};
  return dataset_paths(arena, data, files, &paths, error) && hgm_table_open(table, paths.at, (int)paths.len, error);
}

bool dataset_check(Session *session, const ModelData *data, const Strings *files, HgmError *error) {
  HgmTable *table;
  if (!dataset_table(&table, session->arena, data, files, error)) return false;
  int *places = ARENA_ARRAY(session->arena, int, data->columns.len + 1);
  bool ok = dataset_columns(session, table, data, dataset_every, NULL, places, error);
  int64_t rows;
  int n = 0;
  for (size_t i = 0; i < data->columns.len; i++)
    if (!data->columns.at[i].which_group) places[n++] = places[i];
  ok = ok && hgm_table_check_rows(table, places, n, &rows, error);
  hgm_table_close(table);
  return ok;
}
