// Columns in another unit than the one that is wanted.
#include <stdio.h>
#include <string.h>

#include "runtime/table.h"
#include "runtime/table_file.h"
#include "runtime/unit.h"

typedef enum { AS_WANTED, CONVERTED, OF_ANOTHER_DIMENSION } Match;

static Match match(const char *said, const char *wanted, HgmConversion *conversion) {
  if (said == NULL || wanted == NULL || strcmp(said, wanted) == 0 || hgm_unit_find(said) == NULL || hgm_unit_find(wanted) == NULL) return AS_WANTED;
  return hgm_unit_conversion(said, wanted, conversion) ? CONVERTED : OF_ANOTHER_DIMENSION;
}

bool hgm_table_unit(const HgmTable *table, int column, const char *unit, const char **said) {
  HgmConversion conversion;
  *said = NULL;
  for (int f = 0; f < table->n_files; f++) {
    const char *of_file = hgm_table_field(table, column, f)->column.unit;
    Match m = match(of_file, unit, &conversion);
    if (m == OF_ANOTHER_DIMENSION) return *said = of_file, false;
    if (m == CONVERTED && *said == NULL) *said = of_file;
  }
  return true;
}

void hgm_wish_convert(const HgmWish *wish, const HgmField *field, int64_t n, double *numbers) {
  HgmConversion c;
  const HgmColumn *column = &field->column;
  if (match(column->unit, wish->unit, &c) != CONVERTED) return;
  const int64_t last_axis = column->rank > 0 ? column->shape[column->rank - 1] : 1;
  for (int64_t i = 0; i < n; i++) {
    bool is_mark = (wish->has_missing && numbers[i] == wish->missing) || (wish->mark > 0 && i % last_axis == wish->mark - 1);
    if (!is_mark) numbers[i] = numbers[i] * c.times / c.over;
  }
}

const char *hgm_units_note(const HgmTable *table, const HgmWish *wishes, int n, char *text, size_t size) {
  enum { NAMED = 6 };
  size_t used = 0;
  int converted = 0;
  text[0] = '\0';
  for (int k = 0; k < n; k++) {
    const char *said;
    if (!hgm_table_unit(table, wishes[k].column, wishes[k].unit, &said) || said == NULL || converted++ >= NAMED || used >= size) continue;
    if (converted == 1) used = (size_t)snprintf(text, size, "note: units of %s are converted: ", table->name);
    if (used < size)
      used += (size_t)snprintf(text + used, size - used, "%s`%.80s` %s to %s", converted > 1 ? ", " : "", table->columns[wishes[k].column].name, said,
                               wishes[k].unit);
  }
  if (converted > NAMED && used < size) used += (size_t)snprintf(text + used, size - used, " and %d more", converted - NAMED);
  if (converted > 0 && used < size) snprintf(text + used, size - used, "\n");
  return text;
}
