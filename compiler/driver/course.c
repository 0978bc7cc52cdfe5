#include "compiler/driver/course.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"
#include "runtime/run_directory.h"

static void parse(Course *course, char *text, Arena *arena) {
  char *lines, *cells, *line = strtok_r(text, "\n", &lines);
  for (char *name = line != NULL ? strtok_r(line, ",", &cells) : NULL; name != NULL; name = strtok_r(NULL, ",", &cells))
    VEC_PUSH(arena, &course->names, arena_strdup(arena, name));
  VEC(double) values = {0};
  while ((line = strtok_r(NULL, "\n", &lines)) != NULL) {
    for (size_t c = 0; c < course->names.len; c++) {
      char *end = strchr(line, ',');
      double value = *line == ',' || *line == '\0' ? NAN : strtod(line, NULL);
      VEC_PUSH(arena, &values, value);
      line = end != NULL ? end + 1 : line + strlen(line);
    }
    course->rows++;
  }
  course->values = values.at;
}

bool course_read(Course *course, const char *directory, Arena *arena) {
  char path[4096], *text;
  size_t size;
  HgmError ignored = {0};
  *course = (Course){0};
  if (!hgm_run_file(directory, "metrics.csv", path, sizeof path, &ignored) || !hgm_io_read_file(path, &text, &size, &ignored)) return false;
  parse(course, text, arena);
  free(text);
  return true;
}

const double *course_column(const Course *course, const char *name, Arena *arena) {
  for (size_t c = 0; c < course->names.len; c++) {
    if (strcmp(course->names.at[c], name) != 0) continue;
    double *column = ARENA_ARRAY(arena, double, course->rows + 1);
    for (int64_t i = 0; i < course->rows; i++) column[i] = course->values[(size_t)i * course->names.len + c];
    return column;
  }
  return NULL;
}

double course_seconds(const char *directory, Arena *arena) {
  Course course;
  const double *seconds = course_read(&course, directory, arena) ? course_column(&course, "seconds", arena) : NULL;
  return seconds != NULL && course.rows > 0 ? seconds[course.rows - 1] : 0;
}
