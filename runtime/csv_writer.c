// CSV and TSV: a header `name [unit]`, one line per event. Columns with axes become `name[0]`, `name[1]`, … in row-major order.
// Numbers are the shortest of three precisions that read back to the same value; NaN is nan, infinities are inf and -inf.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/writer_file.h"

enum { CELL_MOST = 64 };

static bool put_text(HgmWriter *writer, const char *text, HgmError *error) {
  const char special[] = {writer->separator, '"', '\n', '\r', '\0'};
  size_t n = strlen(text);
  bool is_plain = strpbrk(text, special) == NULL && (n == 0 || (text[0] != ' ' && text[n - 1] != ' '));
  if (is_plain) return hgm_writer_put(writer, text, n, error);
  bool fine = hgm_writer_put(writer, "\"", 1, error);
  for (; fine && *text != '\0'; text++) fine = (*text != '"' || hgm_writer_put(writer, "\"", 1, error)) && hgm_writer_put(writer, text, 1, error);
  return fine && hgm_writer_put(writer, "\"", 1, error);
}

static bool begin(HgmWriter *writer, const HgmAttribute *attributes, int n_attributes, HgmError *error) {
  (void)attributes, (void)n_attributes;
  bool fine = true;
  for (int k = 0; k < writer->n_columns; k++) {
    const HgmOutColumn *column = &writer->columns[k];
    int64_t elements = hgm_writer_elements(column);
    for (int64_t i = 0; fine && i < elements; i++) {
      char name[1024], index[32] = "";
      if (column->rank > 0) snprintf(index, sizeof index, "[%lld]", (long long)i);
      bool has_unit = column->unit != NULL && column->unit[0] != '\0';
      snprintf(name, sizeof name, "%.800s%s%s%.100s%s", column->name, index, has_unit ? " [" : "", has_unit ? column->unit : "", has_unit ? "]" : "");
      if (k > 0 || i > 0) fine = hgm_writer_put(writer, &writer->separator, 1, error);
      fine = fine && put_text(writer, name, error);
    }
  }
  return fine && hgm_writer_put(writer, "\n", 1, error);
}

// The number as it is in the column's type, which the caller has checked.
static int number_text(const HgmOutColumn *column, double value, char *text) {
  if (isnan(value)) return snprintf(text, CELL_MOST, "nan");
  if (isinf(value)) return snprintf(text, CELL_MOST, value > 0 ? "inf" : "-inf");
  if (column->type == HGM_FILE_F32) {
    float single = (float)value;
    for (int digits = 6; digits < 9; digits++) {
      int n = snprintf(text, CELL_MOST, "%.*g", digits, (double)single);
      if (strtof(text, NULL) == single) return n;
    }
    return snprintf(text, CELL_MOST, "%.9g", (double)single);
  }
  if (column->type != HGM_FILE_F64) return snprintf(text, CELL_MOST, "%.0f", nearbyint(value) + 0.0);
  for (int digits = 15; digits < 17; digits++) {
    int n = snprintf(text, CELL_MOST, "%.*g", digits, value);
    if (strtod(text, NULL) == value) return n;
  }
  return snprintf(text, CELL_MOST, "%.17g", value);
}

static bool put_cell(HgmWriter *writer, const HgmOutColumn *column, double value, int64_t row, HgmError *error) {
  char room[8], text[CELL_MOST];
  if (column->type == HGM_FILE_TEXT) {
    if (value >= 0 && value < column->n_texts) return put_text(writer, column->texts[(int)value], error);
    return hgm_writer_convert(writer, column, &value, 1, row, room, error); // says what is wrong
  }
  if (!hgm_writer_convert(writer, column, &value, 1, row, room, error)) return false;
  return hgm_writer_put(writer, text, (size_t)number_text(column, value, text), error);
}

static bool append(HgmWriter *writer, const double *const *values, int64_t rows, HgmError *error) {
  bool fine = true;
  for (int64_t row = 0; fine && row < rows; row++) {
    for (int k = 0; fine && k < writer->n_columns; k++) {
      const int64_t elements = hgm_writer_elements(&writer->columns[k]);
      for (int64_t i = 0; fine && i < elements; i++) {
        if (k > 0 || i > 0) fine = hgm_writer_put(writer, &writer->separator, 1, error);
        fine = fine && put_cell(writer, &writer->columns[k], values[k][row * elements + i], writer->rows + row, error);
      }
    }
    fine = fine && hgm_writer_put(writer, "\n", 1, error);
  }
  return fine;
}

static bool end(HgmWriter *writer, HgmError *error) {
  (void)writer, (void)error;
  return true;
}

static void abandon(HgmWriter *writer) { (void)writer; }

const HgmWriterFormat hgm_writer_csv = {.begin = begin, .append = append, .end = end, .abandon = abandon};
