#include "compiler/driver/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/driver/cuts.h"
#include "compiler/driver/dataset_columns.h"
#include "compiler/driver/domain.h"

static const Table *find_column(const Dataset *dataset, const ModelColumn *column) { // NULL: not read
  return tables_find(&dataset->tables, arena_printf(dataset->arena, "column:%s", column->name));
}

enum { MOST_LISTED = 12 };

static bool listed(const ModelColumn *column, double value) {
  for (size_t i = 0; i < column->values.len; i++)
    if (column->values.at[i] == value) return true;
  return column->has_missing && value == column->missing;
}

static bool whole_values(const ModelColumn *column) {
  bool whole = true;
  for (size_t i = 0; i < column->values.len; i++) whole = whole && column->values.at[i] == floor(column->values.at[i]);
  return whole;
}

// What is used all the same: counts that are not whole, angles beyond half a turn.
static void say_oddities(const Dataset *dataset, const ModelColumn *column, const Table *values) {
  bool counts = column->kind == COLUMN_INTEGER;
  if (!counts && column->half_turn == 0) return;
  int64_t elements = column_elements(column), odd = 0, first = 0;
  for (int64_t i = 0; i < dataset->rows * elements; i++) {
    double x = table_number(values, i);
    bool is_odd = counts ? x != floor(x) && !isnan(x) : fabs(x) > column->half_turn * (1 + 1e-6);
    if ((column->has_missing && x == column->missing) || !is_odd) continue;
    if (odd++ == 0) first = i;
  }
  if (odd == 0) return;
  fprintf(stderr, "warning: column `%s` of %s has %lld values %s, the first in row %lld: %g; %s\n", column->name, hgm_table_name(dataset->table),
          (long long)odd, counts ? "that are no whole numbers" : "beyond half a turn", (long long)(first / elements), table_number(values, first),
          counts ? "`dequantize` takes counts, and what is generated is rounded down" : "they are wrapped");
}

static const char *listed_text(Arena *arena, const ModelColumn *column) {
  const char *text = "";
  for (size_t i = 0; i < column->values.len && i < MOST_LISTED; i++) text = arena_printf(arena, "%s%s%g", text, i > 0 ? ", " : "", column->values.at[i]);
  return column->values.len > MOST_LISTED ? arena_printf(arena, "%s, …", text) : text;
}

// Values that a category lists, and no others.
static bool check_classes(const Dataset *dataset, const ModelColumn *column, const Table *values, HgmError *error) {
  const int64_t elements = column_elements(column), n = dataset->rows * elements;
  int64_t unlisted = 0, first = 0;
  for (int64_t at = n; at-- > 0;)
    if (!listed(column, table_number(values, at))) unlisted++, first = at;
  if (unlisted == 0) return true;
  const double x = table_number(values, first);
  const long long row = (long long)(first / elements);
  if (x != floor(x) && whole_values(column))
    return hgm_fail(error, EXIT_USER, "column `%s` of %s has the value %g in row %lld, which is no class: labels are whole numbers; what is measured is `real`",
                    column->name, hgm_table_name(dataset->table), x, row);
  return hgm_fail(
      error, EXIT_USER,
      "column `%s` of %s has the value %g in row %lld, which the model does not list (%s); so have %lld of %lld; `class of […]` lists what there is, "
      "or leave such rows out of the file",
      column->name, hgm_table_name(dataset->table), x, row, listed_text(dataset->arena, column), (long long)unlisted, (long long)n);
}

// NaN, infinities, values that a category does not list; -999 and constant columns are worth a warning.
static bool check_values(Dataset *dataset, const ModelColumn *column, int i, const HgmColumnReport *report, HgmError *error) {
  char text[512];
  hgm_column_report_text(dataset->table, dataset->places[i], report, text, sizeof text);
  int64_t bad = report->infinite + (column->allows_nan ? 0 : report->nan);
  if (bad > 0)
    return hgm_fail(error, EXIT_USER, "%s, rows counted from 0; %s", text,
                    report->infinite > 0 ? "correct the file or leave those rows out"
                    : column->has_chain  ? "declare it with `missing(nan, replace = …)` if it is a hole, or leave those rows out of the file"
                                         : "leave those rows out of the file: weights, cuts, classes and right sides of formulas have no holes");
  if (report->sentinel > 0) fprintf(stderr, "warning: %s; `missing(%g, replace = …)` declares it as a hole\n", text, report->sentinel_value);
  if (report->constant) fprintf(stderr, "warning: column `%s` of %s is constant (%g everywhere)\n", column->name, hgm_table_name(dataset->table), report->low);
  const Table *values = find_column(dataset, column);
  say_oddities(dataset, column, values);
  return column->kind != COLUMN_CATEGORY || check_classes(dataset, column, values, error);
}

void *dataset_take(Dataset *dataset, size_t bytes, HgmError *error) {
  return dataset->scratch == NULL ? arena_alloc(dataset->arena, bytes) : hgm_scratch_take(dataset->scratch, bytes, error);
}

// What the model wants of the columns.
static const HgmWish *wishes_for(const Dataset *dataset, const int *used, int n) {
  HgmWish *wishes = ARENA_ARRAY(dataset->arena, HgmWish, n + 1);
  for (int k = 0; k < n; k++) {
    const ModelColumn *column = &dataset->data->columns.at[used[k]];
    int place = dataset->places[used[k]];
    wishes[k] = (HgmWish){.column = place, .has_missing = column->has_missing, .missing = column->missing, .as_in_file = true};
    if (column->of_set) wishes[k].mark = (int)column->told_by + 1;
    wishes[k].unit = dataset_unit(column, hgm_table_column(dataset->table, place));
    if (column->kind == COLUMN_TEXT_CATEGORY) {
      wishes[k].texts = column->texts.at;
      wishes[k].n_texts = (int)column->texts.len;
    }
  }
  return wishes;
}

static int64_t wish_row_bytes(const Dataset *dataset, const HgmWish *wish) {
  return (int64_t)hgm_type_bytes(hgm_wish_type(dataset->table, wish)) * hgm_table_column(dataset->table, wish->column)->elements;
}

// Columns, doubles of which preparations are fitted or what is prepared, and the numbers of the rows.
static bool choose_memory(Dataset *dataset, const DataFiles *files, const HgmWish *wishes, int n, HgmError *error) {
  int64_t row = 40;
  for (int k = 0; k < n; k++)
    row += wish_row_bytes(dataset, &wishes[k]) + (int64_t)sizeof(double) * hgm_table_column(dataset->table, wishes[k].column)->elements;
  if (files->memory == 0 || dataset->rows <= files->memory / row) return true;
  dataset->memory_limit = files->memory;
  dataset->folder = files->folder;
  return hgm_scratch_open(&dataset->scratch, files->folder, error);
}

// Whole columns into the scratch file.
static bool load_to_scratch(Dataset *dataset, Session *session, const HgmWish *wishes, int n, void **values, HgmColumnReport *reports, HgmError *error) {
  HgmLoader *loader;
  bool fine = hgm_loader_open(&loader, dataset->table, wishes, n, hgm_pool_threads(session->pool), error);
  for (int k = 0; k < n && fine; k++) fine = (values[k] = dataset_take(dataset, (size_t)(wish_row_bytes(dataset, &wishes[k]) * dataset->rows), error)) != NULL;
  fine = fine && hgm_loader_read(loader, 0, dataset->rows, values, error);
  for (int k = 0; k < n && fine; k++) hgm_loader_report(loader, k, &reports[k]);
  hgm_loader_close(loader);
  return fine;
}

void dataset_add_column(Dataset *dataset, const ModelColumn *column, HgmFileType type, const void *values) {
  const char *names[] = {arena_printf(dataset->arena, "column:%s", column->name), arena_printf(dataset->arena, "raw:%s.%s", dataset->data->name, column->name)};
  for (int i = 0; i < 2; i++) {
    Table table = {names[i], type, column_elements(column), values};
    VEC_PUSH(dataset->arena, &dataset->tables.list, table);
  }
}

// A column of whole numbers that are never negative: by its type or by `dequantize`. What stands in the empty places of a set is no element.
static bool is_count(const ModelColumn *column, const HgmColumn *in_file, const HgmColumnReport *report) {
  bool integer = in_file->kind == HGM_COLUMN_INTEGER && in_file->type != HGM_FILE_BOOL;
  bool whole = column->kind == COLUMN_INTEGER || (column->kind == COLUMN_REAL && integer);
  return whole && !column->of_set && report->low >= 0 && report->sentinel == 0;
}

static bool load_columns(Dataset *dataset, Session *session, const HgmWish *wishes, const int *used, int n, HgmError *error) {
  Arena *arena = session->arena;
  const ModelData *data = dataset->data;
  HgmColumnReport *reports = ARENA_ARRAY(arena, HgmColumnReport, n + 1);
  void **values = ARENA_ARRAY(arena, void *, n + 1);
  double begin = now_ms();
  char note[1024];
  if (!session->options->quiet) fputs(hgm_units_note(dataset->table, wishes, n, note, sizeof note), stderr);
  bool fine = dataset->scratch != NULL ? load_to_scratch(dataset, session, wishes, n, values, reports, error)
                                       : hgm_table_load(dataset->table, wishes, n, hgm_pool_threads(session->pool), values, &dataset->memory, reports, error);
  if (!fine) return false;
  timeline_add(session->options->timeline, begin, "%s: %d columns of %lld rows read", data->name, n, (long long)dataset->rows);
  for (int k = 0; k < n; k++) dataset_add_column(dataset, &data->columns.at[used[k]], hgm_wish_type(dataset->table, &wishes[k]), values[k]);
  for (int k = 0; k < n; k++) {
    const ModelColumn *column = &data->columns.at[used[k]];
    if (!check_values(dataset, column, used[k], &reports[k], error)) return false;
    if (is_count(column, hgm_table_column(dataset->table, wishes[k].column), &reports[k])) dataset->least[used[k]] = reports[k].low;
  }
  return true;
}

// Rows of the files of each split: the table of all files has them one after the other.
static bool count_rows(Dataset *dataset, const DataFiles *files, HgmError *error) {
  int64_t row = 0;
  for (int s = 0; s < SPLIT_COUNT; s++) {
    dataset->begin[s] = row;
    if (files->of[s].len == 0) continue;
    HgmTable *table;
    if (!dataset_table(&table, dataset->arena, dataset->data, &files->of[s], error)) return false;
    row += hgm_table_rows(table);
    hgm_table_close(table);
  }
  return true;
}

static bool ends_with(const char *path, const char *group) {
  size_t n = strlen(path), m = strlen(group);
  return n > m && path[n - m - 1] == '/' && strcmp(path + n - m, group) == 0;
}

// The column that says which group a row is of. The table has the files' rows one behind the other.
static bool number_groups(Dataset *dataset, const Strings *paths, HgmError *error) {
  const ModelData *data = dataset->data;
  size_t which = 0;
  while (which < data->columns.len && !data->columns.at[which].which_group) which++;
  if (which == data->columns.len) return true;
  int32_t *values = dataset_take(dataset, sizeof *values * (size_t)(dataset->rows + 1), error);
  int64_t row = 0;
  for (size_t i = 0; values != NULL && i < paths->len; i++) {
    HgmTable *table;
    size_t group = 0;
    while (!ends_with(paths->at[i], data->groups.at[group])) group++;
    if (!hgm_table_open(&table, &paths->at[i], 1, error)) return false;
    for (int64_t end = row + hgm_table_rows(table); row < end && row < dataset->rows; row++) values[row] = (int32_t)group;
    hgm_table_close(table);
  }
  dataset_add_column(dataset, &data->columns.at[which], HGM_FILE_I32, values);
  return values != NULL;
}

bool dataset_open(Dataset *dataset, Session *session, const ModelData *data, const DataFiles *files,
                  bool (*wanted)(const void *context, const ModelColumn *column), const void *context, HgmError *error) {
  Arena *arena = session->arena;
  *dataset = (Dataset){.data = data, .arena = arena};
  Strings all = {0};
  for (int s = 0; s < SPLIT_COUNT; s++)
    if (files->of[s].len > 0 && !dataset_paths(arena, data, &files->of[s], &all, error)) return false;
  if (!hgm_table_open(&dataset->table, all.at, (int)all.len, error)) return false;
  dataset->places = ARENA_ARRAY(arena, int, data->columns.len + 1);
  dataset->least = ARENA_ARRAY(arena, double, data->columns.len + 1);
  for (size_t i = 0; i < data->columns.len; i++) dataset->least[i] = NAN;
  int *used = ARENA_ARRAY(arena, int, data->columns.len + 1), *places = ARENA_ARRAY(arena, int, data->columns.len + 1), n = 0;
  if (wanted == NULL) wanted = dataset_every;
  if (!dataset_columns(session, dataset->table, data, wanted, context, dataset->places, error)) return false;
  for (size_t i = 0; i < data->columns.len; i++) {
    if (!wanted(context, &data->columns.at[i]) || data->columns.at[i].which_group) continue;
    places[n] = dataset->places[i];
    used[n++] = (int)i;
  }
  if (n == 0) dataset->rows = hgm_table_rows(dataset->table);
  else if (!hgm_table_check_rows(dataset->table, places, n, &dataset->rows, error)) return false;
  const HgmWish *wishes = wishes_for(dataset, used, n);
  if (!choose_memory(dataset, files, wishes, n, error) || !load_columns(dataset, session, wishes, used, n, error) || !number_groups(dataset, &all, error))
    return false;
  if (files->of[SPLIT_VALID].len + files->of[SPLIT_TEST].len > 0 && !count_rows(dataset, files, error)) return false;
  for (int s = 1; s < SPLIT_COUNT; s++)
    if (files->of[s].len == 0) dataset->begin[s] = -1;
  return true;
}

static uint64_t mix(uint64_t x) { // splitmix64 (Steele, Lea, Flood, OOPSLA 2014)
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// Which split a row belongs to: its file's, else by a hash of its number; SPLIT_COUNT: none.
static int split_of(const Dataset *dataset, int64_t row) {
  int64_t valid = dataset->begin[SPLIT_VALID], test = dataset->begin[SPLIT_TEST];
  if (test >= 0 && row >= test) return SPLIT_TEST;
  if (valid >= 0 && row >= valid) return SPLIT_VALID;
  static const double usual[SPLIT_COUNT] = {0.8, 0.1, 0.1};
  const double *share = dataset->data->has_split ? dataset->data->split : usual;
  double parts[SPLIT_COUNT] = {share[0], valid >= 0 ? 0 : share[1], test >= 0 ? 0 : share[2]};
  if (valid >= 0 || test >= 0) { // given files take the place of their shares
    double sum = parts[0] + parts[1] + parts[2];
    for (int s = 0; s < SPLIT_COUNT; s++) parts[s] /= sum;
  }
  double at = (double)(mix((uint64_t)row) >> 11) * 0x1p-53;
  for (int s = 0; s < SPLIT_COUNT; s++) {
    if (at < parts[s]) return s;
    at -= parts[s];
  }
  return SPLIT_COUNT;
}

bool dataset_run(Bound *bound, const int64_t *rows, int64_t n, const char *const *outputs, char *const *data, const size_t *bytes, int n_outputs,
                 HgmError *error) {
  for (int64_t at = 0; at < n; at += CHUNK) {
    for (int k = 0; k < n_outputs; k++)
      if (!bound_output(bound, outputs[k], data[k] + (size_t)at * bytes[k])) return hgm_fail(error, EXIT_INTERNAL, "no output %s", outputs[k]);
    BoundCall call = {.events = n - at < CHUNK ? n - at : CHUNK, .rows = rows + at, .event_ids = rows + at};
    if (!bound_run(bound, &call, error)) return false;
  }
  return true;
}

static int64_t *all_rows(Dataset *dataset, HgmError *error) {
  int64_t *rows = dataset_take(dataset, sizeof *rows * (size_t)(dataset->rows + 1), error);
  for (int64_t i = 0; rows != NULL && i < dataset->rows; i++) rows[i] = i;
  return rows;
}

// place[k]: where component k of e px py pz stands; place[n + j]: what stands at j. By the names that the file gives them, else e first.
// What tells which elements of a set are there stays where it is, and the four are counted without it.
static int order_of(const ModelColumn *column, const HgmColumn *read, double *place) {
  int n = column->of_set ? 5 : 4, told = column->of_set ? (int)column->told_by : n;
  unsigned found = 0;
  for (int j = 0; j < n; j++) {
    int k = read->n_parts == n && j != told ? p4_component(read->parts[j]) : -1;
    if (k < 0) continue;
    int at = k + (k >= told);
    place[at] = j, place[n + j] = at, found |= 1u << k;
  }
  for (int j = 0; j < n; j++)
    if (found != 15 || j == told) place[j] = place[n + j] = j;
  return 2 * n;
}

bool dataset_orders(Dataset *dataset, Store *store, bool known, HgmError *error) {
  for (size_t i = 0; i < dataset->data->columns.len; i++) {
    const ModelColumn *column = &dataset->data->columns.at[i];
    if (column->order == NULL || find_column(dataset, column) == NULL) continue;
    double place[10];
    int n = order_of(column, hgm_table_column(dataset->table, dataset->places[i]), place);
    Slot *slot = store_add(store, column->order, HGM_F64, n);
    slot->saved = true;
    if (!known) memcpy(slot->data, place, sizeof *place * (size_t)n);
    else if (memcmp(slot->data, place, sizeof *place * (size_t)n) != 0)
      return hgm_fail(error, EXIT_USER, "the components of `%s` stand in another order in %s than in the training file; name them in an attribute `columns`",
                      column->name, hgm_table_name(dataset->table));
  }
  return true;
}

bool dataset_cut(Dataset *dataset, Session *session, Store *store, bool trains, HgmError *error) {
  if (!dataset_orders(dataset, store, false, error)) return false;
  int32_t *keep = dataset_take(dataset, sizeof *keep * (size_t)(dataset->rows + 1), error);
  if (keep == NULL) return false;
  for (int64_t i = 0; i < dataset->rows; i++) keep[i] = 1;
  if (dataset->data->prepare != NULL) {
    Bound *bound = &dataset->prepare;
    if (!bound_create_over(bound, session, dataset->data->prepare, dataset->rows, store, &dataset->tables, error)) return false;
    if (hgm_port_find(bound->program->outputs, bound->program->n_outputs, "keep") >= 0) {
      char *data = (char *)keep;
      size_t bytes = sizeof *keep;
      const int64_t *rows = all_rows(dataset, error);
      if (rows == NULL || !dataset_run(bound, rows, dataset->rows, (const char *[]){"keep"}, &data, &bytes, 1, error)) return false;
    }
  }
  for (int s = 0; s < SPLIT_COUNT; s++)
    if ((dataset->chosen[s] = dataset_take(dataset, sizeof(int64_t) * (size_t)(dataset->rows + 1), error)) == NULL) return false;
  for (int64_t row = 0; row < dataset->rows; row++) {
    int s = split_of(dataset, row);
    if (keep[row] == 0) dataset->cut++;
    else if (s < SPLIT_COUNT) dataset->chosen[s][dataset->n[s]++] = row;
  }
  if (dataset->cut == dataset->rows && dataset->rows > 0)
    return cuts_blame(dataset, session, store, &dataset->data->cuts, NULL, dataset->rows, trains ? "train on" : "compare with", error);
  if (dataset->n[SPLIT_TRAIN] > 0 || !trains) return true;
  const char *cut = dataset->cut > 0 ? arena_printf(dataset->arena, "`where` cuts %lld, and ", (long long)dataset->cut) : "";
  return hgm_fail(error, EXIT_USER, "no event of %s is left to train on: of %lld row%s %s`split` gives %s away; give more events, or a larger first part",
                  hgm_table_name(dataset->table), (long long)dataset->rows, dataset->rows == 1 ? "" : "s", cut, dataset->cut > 0 ? "the others" : "all");
}

bool dataset_select(Dataset *dataset, Session *session, Store *store, const IrFn *keep, Rows *rows, HgmError *error) {
  int64_t *left = dataset_take(dataset, sizeof *left * (size_t)(rows->n + 1), error), n = 0;
  int32_t *kept = dataset_take(dataset, sizeof *kept * (size_t)(rows->n + 1), error);
  Bound bound = {0};
  char *data = (char *)kept;
  size_t bytes = sizeof *kept;
  bool ok = left != NULL && kept != NULL && bound_create_over(&bound, session, keep, rows->n, store, &dataset->tables, error) &&
            dataset_run(&bound, rows->at, rows->n, (const char *[]){"keep"}, &data, &bytes, 1, error);
  bound_destroy(&bound);
  for (int64_t i = 0; ok && i < rows->n; i++)
    if (kept[i] != 0) left[n++] = rows->at[i];
  if (ok) *rows = (Rows){left, n};
  return ok;
}

static double weight_of(const Table *weights, int64_t row) { return weights == NULL ? 1 : table_number(weights, row); }

static bool weights_are_finite(const Dataset *dataset, const Table *weights, HgmError *error) {
  int64_t bad = 0, all = 0, first = 0;
  for (int split = 0; split < SPLIT_COUNT; split++)
    for (int64_t i = 0; i < dataset->n[split]; i++, all++) {
      int64_t row = dataset->chosen[split][i];
      if (isfinite(weight_of(weights, row))) continue;
      first = bad == 0 || row < first ? row : first;
      bad++;
    }
  return bad == 0 || hgm_fail(error, EXIT_USER, "%lld of %lld event weights of %s are not finite, the first in row %lld (%g); `where` leaves such rows out",
                              (long long)bad, (long long)all, hgm_table_name(dataset->table), (long long)first, weight_of(weights, first));
}

// The training split's weights must say more of some events than of none.
static bool weights_refused(const Dataset *dataset, const Table *weights, double mean, HgmError *error) {
  const char *file = hgm_table_name(dataset->table);
  int64_t n = dataset->n[SPLIT_TRAIN], negative = 0, zero = 0;
  for (int64_t i = 0; i < n; i++) {
    double w = weight_of(weights, dataset->chosen[SPLIT_TRAIN][i]);
    negative += w < 0, zero += w == 0;
  }
  if (zero == n)
    return hgm_fail(error, EXIT_USER, "the event weights of %s are 0 in all %lld rows of the training split; correct what `weight` names, or leave it out",
                    file, (long long)n);
  return hgm_fail(error, EXIT_USER,
                  "the event weights of %s have the mean %g on the training split, where %lld of %lld are negative; it must be above 0: "
                  "correct what `weight` names, or leave negative weights out with `where`",
                  file, mean, (long long)negative, (long long)n);
}

// Event weights with mean 1 on the training split, as the working type.
static bool add_weights(Dataset *dataset, Session *session, const Table *weights, HgmError *error) {
  Arena *arena = session->arena;
  if (!weights_are_finite(dataset, weights, error)) return false;
  double sum = 0;
  for (int64_t i = 0; i < dataset->n[SPLIT_TRAIN]; i++) sum += weight_of(weights, dataset->chosen[SPLIT_TRAIN][i]);
  double mean = sum / (double)dataset->n[SPLIT_TRAIN];
  if (!(mean > 0)) return weights_refused(dataset, weights, mean, error);
  HgmDtype dtype = session->model->real == IR_F64 ? HGM_F64 : HGM_F32;
  char *data = dataset_take(dataset, hgm_dtype_bytes(dtype) * (size_t)dataset->rows, error);
  if (data == NULL) return false;
  for (int64_t i = 0; i < dataset->rows; i++) {
    double w = weight_of(weights, i) / mean;
    if (dtype == HGM_F64) ((double *)(void *)data)[i] = w;
    else ((float *)(void *)data)[i] = (float)w;
  }
  Table table = {arena_printf(arena, "weight:%s", dataset->data->name), hgm_dtype_type(dtype), 1, data};
  VEC_PUSH(arena, &dataset->tables.list, table);
  return true;
}

double dataset_worth(const Dataset *dataset) {
  const Table *weights = tables_find(&dataset->tables, arena_printf(dataset->arena, "weight:%s", dataset->data->name));
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < dataset->n[SPLIT_TRAIN]; i++) {
    double w = weight_of(weights, dataset->chosen[SPLIT_TRAIN][i]);
    sum += w, squares += w * w;
  }
  return sum * sum / squares;
}

// The column that an output of the preparation is, where it prepares nothing and can be read from there; NULL: it is computed.
static const Table *same_as_column(const Dataset *dataset, const HgmPort *port) {
  const IrFn *fn = dataset->data->prepare;
  IrRef at = IR_NONE;
  bool real = port->dtype == HGM_F32 || port->dtype == HGM_F64;
  for (size_t i = 0; real && i < fn->outputs.len; i++)
    if (strcmp(fn->outputs.at[i].name, port->name) == 0) at = fn->outputs.at[i].value;
  if (at == IR_NONE) return NULL;
  const IrValue *v = ir_at(fn, at);
  while (v->op == IR_RESHAPE || (v->op == IR_CAST && v->type.dtype == (IrDtype)port->dtype)) v = ir_at(fn, v->operands[0]);
  const Table *table = v->op == IR_INPUT ? tables_find(&dataset->tables, v->attr.name) : NULL;
  return table != NULL && table_fits(table, port) ? table : NULL;
}

bool dataset_prepare(Dataset *dataset, Session *session, Store *store, HgmError *error) {
  Arena *arena = session->arena;
  Table weights = {0};
  bool ok = true;
  if (dataset->data->prepare != NULL) {
    Bound *bound = &dataset->prepare;
    uint32_t n = bound->program->n_outputs;
    int computed = 0;
    const char **names = ARENA_ARRAY(arena, const char *, n + 1);
    char **data = ARENA_ARRAY(arena, char *, n + 1);
    size_t *bytes = ARENA_ARRAY(arena, size_t, n + 1);
    for (uint32_t k = 0; k < n; k++) {
      const HgmPort *port = &bound->program->outputs[k];
      const Table *column = same_as_column(dataset, port);
      Table table = {arena_strdup(arena, port->name), hgm_dtype_type(port->dtype), port->elements, NULL};
      if (column != NULL) {
        table.type = column->type;
        table.data = column->data;
      } else {
        names[computed] = table.name;
        bytes[computed] = table_row_bytes(&table);
        table.data = data[computed] = dataset_take(dataset, bytes[computed] * (size_t)dataset->rows + 64, error);
        if (data[computed++] == NULL) return false;
      }
      if (strcmp(port->name, "weight") == 0) weights = table;
      if (strncmp(port->name, "prep:", 5) == 0) VEC_PUSH(arena, &dataset->tables.list, table);
    }
    const int64_t *rows = all_rows(dataset, error);
    ok = rows != NULL && dataset_run(bound, rows, dataset->rows, names, data, bytes, computed, error);
    bound_destroy(bound);
  }
  ok = ok && domain_prepared(dataset, session, store, error) && add_weights(dataset, session, weights.data != NULL ? &weights : NULL, error);
  for (size_t i = 0; ok && dataset->scratch != NULL && i < dataset->tables.list.len; i++) { // training takes what it needs window by window
    const Table *table = &dataset->tables.list.at[i];
    hgm_scratch_past((void *)(uintptr_t)table->data, table_row_bytes(table) * (size_t)dataset->rows);
  }
  return ok;
}

void dataset_close(Dataset *dataset) {
  free(dataset->memory);
  hgm_scratch_close(dataset->scratch);
  bound_destroy(&dataset->prepare);
  if (dataset->table != NULL) hgm_table_close(dataset->table);
  *dataset = (Dataset){0};
}
