#include "runtime/npy_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>

enum { MOST_FIELDS = 4096, LONGEST_HEADER = 1 << 20 };

// One member of a row.
typedef struct NpyField {
  char name[256];
  char code;       // f i u b S U
  size_t bytes;    // of an element in the file
  size_t from, to; // offsets in the file's row and in ours
  int rank;
  int64_t shape[HGM_MAX_RANK], count;
  bool is_swapped;
  HgmFileType type;
  size_t to_bytes; // of an element in memory
} NpyField;

typedef struct Npy {
  NpySource *source;
  int64_t start; // of the data
  int64_t rows;
  size_t from_bytes; // of a row in the file
  bool is_fortran, is_structured;
  int n_fields;
  NpyField *fields;
  char *scratch;
  size_t scratch_bytes;
} Npy;

typedef struct Parse {
  const char *at;
  Npy *npy;
  const char *label;
  HgmError *error;
} Parse;

// ---- header

static void skip_blanks(Parse *parse) { parse->at += strspn(parse->at, " \n\t"); }

static bool take(Parse *parse, char c) {
  skip_blanks(parse);
  if (*parse->at != c) return false;
  parse->at++;
  return true;
}

static bool damaged(Parse *parse) {
  return hgm_fail(parse->error, 1, "%s: the header of the array cannot be understood; the file is damaged or of an unknown version", parse->label);
}

static bool take_text(Parse *parse, char *text, size_t size) {
  skip_blanks(parse);
  char quote = *parse->at;
  if (quote != '\'' && quote != '"') return damaged(parse);
  const char *end = strchr(++parse->at, quote);
  if (end == NULL || (size_t)(end - parse->at) >= size) return damaged(parse);
  memcpy(text, parse->at, (size_t)(end - parse->at));
  text[end - parse->at] = '\0';
  parse->at = end + 1;
  return true;
}

// (), (200,), (200, 3): at most `most` numbers.
static bool take_shape(Parse *parse, int64_t *shape, int *rank, int most) {
  *rank = 0;
  if (!take(parse, '(')) return damaged(parse);
  while (!take(parse, ')')) {
    char *end;
    skip_blanks(parse);
    errno = 0;
    long long n = strtoll(parse->at, &end, 10);
    if (end == parse->at || n < 0 || errno != 0 || *rank >= most) return damaged(parse);
    shape[(*rank)++] = n;
    parse->at = end;
    if (*parse->at == 'L') parse->at++; // Python 2
    take(parse, ',');
  }
  return true;
}

static bool set_type(Parse *parse, NpyField *field, const char *text) {
  const char *label = parse->label;
  char order = *text == '<' || *text == '>' || *text == '|' || *text == '=' ? *text++ : '=';
  field->code = *text;
  long n = strtol(text + 1, NULL, 10);
  field->is_swapped = order == '>';
  field->bytes = (size_t)n * (field->code == 'U' ? 4 : 1);
  field->to_bytes = field->bytes;
  if (field->code == 'O') return hgm_fail(parse->error, 1, "%s: holds Python objects (a pickle), which are never run; save plain numbers", label);
  if (n < 1 || n > 100000) return damaged(parse);
  switch (field->code) {
  case 'f':
    if (n != 2 && n != 4 && n != 8) break;
    field->type = n == 8 ? HGM_FILE_F64 : HGM_FILE_F32;
    field->to_bytes = n == 8 ? 8 : 4;
    return true;
  case 'b':
    if (n != 1) break;
    field->type = HGM_FILE_BOOL;
    return true;
  case 'i':
  case 'u': {
    bool is_signed = field->code == 'i';
    if (n != 1 && n != 2 && n != 4 && n != 8) break;
    field->type = n == 1   ? (is_signed ? HGM_FILE_I8 : HGM_FILE_U8)
                  : n == 2 ? (is_signed ? HGM_FILE_I16 : HGM_FILE_U16)
                  : n == 4 ? (is_signed ? HGM_FILE_I32 : HGM_FILE_U32)
                           : (is_signed ? HGM_FILE_I64 : HGM_FILE_U64);
    return true;
  }
  case 'S':
  case 'a':
  case 'U': field->type = HGM_FILE_TEXT; return true;
  }
  return hgm_fail(parse->error, 1, "%s: holds numbers of the type `%s`, which is not read; save float, int, bool or text", label, text);
}

static NpyField *add_field(Parse *parse) {
  Npy *npy = parse->npy;
  NpyField *moved = npy->n_fields < MOST_FIELDS ? realloc(npy->fields, (size_t)(npy->n_fields + 1) * sizeof *moved) : NULL;
  if (moved == NULL) {
    hgm_out_of_memory(parse->error, parse->label);
    return NULL;
  }
  npy->fields = moved;
  moved[npy->n_fields] = (NpyField){.count = 1};
  return &moved[npy->n_fields++];
}

// [('pt', '<f4'), ('p4', '<f4', (4,)), ...]
static bool take_members(Parse *parse) {
  while (!take(parse, ']')) {
    char type[64];
    NpyField *field = add_field(parse);
    if (field == NULL) return false;
    if (!take(parse, '(') || !take_text(parse, field->name, sizeof field->name) || !take(parse, ',')) return damaged(parse);
    skip_blanks(parse);
    if (*parse->at == '[') return hgm_fail(parse->error, 1, "%s: member `%s` is a table itself; save its members one by one", parse->label, field->name);
    if (!take_text(parse, type, sizeof type) || !set_type(parse, field, type)) return false;
    if (take(parse, ',') && !take_shape(parse, field->shape, &field->rank, HGM_MAX_RANK)) return false;
    if (!take(parse, ')')) return damaged(parse);
    take(parse, ',');
  }
  parse->npy->is_structured = true;
  return true;
}

static bool take_descr(Parse *parse, char *type, size_t size) {
  if (take(parse, '[')) return take_members(parse);
  NpyField *field = add_field(parse);
  return field != NULL && take_text(parse, type, size) && set_type(parse, field, type);
}

static bool take_header(Parse *parse, int64_t *shape, int *rank) {
  bool has_descr = false, has_order = false, has_shape = false;
  if (!take(parse, '{')) return damaged(parse);
  while (!take(parse, '}')) {
    char key[32], type[64];
    if (!take_text(parse, key, sizeof key) || !take(parse, ':')) return damaged(parse);
    skip_blanks(parse);
    if (strcmp(key, "descr") == 0) {
      if (!take_descr(parse, type, sizeof type)) return false;
      has_descr = true;
    } else if (strcmp(key, "fortran_order") == 0) {
      parse->npy->is_fortran = strncmp(parse->at, "True", 4) == 0;
      parse->at += strspn(parse->at, "TrueFals");
      has_order = true;
    } else if (strcmp(key, "shape") == 0) {
      if (!take_shape(parse, shape, rank, HGM_MAX_RANK + 1)) return false;
      has_shape = true;
    } else {
      return damaged(parse);
    }
    take(parse, ',');
  }
  return (has_descr && has_order && has_shape) || damaged(parse);
}

// Reads magic, version and header text; the text is to be freed.
static char *read_header(Npy *npy, const char *label, HgmError *error) {
  unsigned char head[12];
  NpySource *source = npy->source;
  if (source->bytes < 12) {
    hgm_fail(error, 1, source->bytes == 0 ? "%s: the file is empty (0 bytes)" : "%s: the file is cut short", label);
    return NULL;
  }
  if (!source->read(source, 0, sizeof head, (char *)head, error)) return NULL;
  if (memcmp(head, "\x93NUMPY", 6) != 0 || head[6] < 1 || head[6] > 3) {
    hgm_fail(error, 1, "%s: this is not a NumPy array file", label);
    return NULL;
  }
  size_t n = head[8] + 256u * head[9], before = 10;
  if (head[6] > 1) n += 65536u * head[10] + 16777216u * (size_t)head[11], before = 12;
  char *text = n < LONGEST_HEADER && (int64_t)(n + before) <= source->bytes ? malloc(n + 1) : NULL;
  if (text == NULL) {
    hgm_fail(error, 1, "%s: the header of the array is cut short", label);
    return NULL;
  }
  text[n] = '\0';
  npy->start = (int64_t)(n + before);
  if (source->read(source, (int64_t)before, n, text, error)) return text;
  free(text);
  return NULL;
}

// The axes of an array behind that of its rows belong to its only field.
static bool lay_out_axes(Parse *parse, const int64_t *shape, int rank) {
  NpyField *field = &parse->npy->fields[0];
  if (rank == 0) return hgm_fail(parse->error, 1, "%s: is a single value, not one per event", parse->label);
  parse->npy->rows = shape[0];
  for (int i = 1; i < rank && parse->npy->is_structured; i++)
    if (shape[i] != 1) return hgm_fail(parse->error, 1, "%s: is a table with several axes; save it with one", parse->label);
  if (parse->npy->is_structured) return true;
  field->rank = rank - 1;
  for (int i = 1; i < rank; i++)
    if ((field->shape[i - 1] = shape[i]) == 0) return hgm_fail(parse->error, 1, "%s: has an axis of length 0", parse->label);
  return true;
}

// False: the sizes that the header tells are beyond what any file has.
static bool lay_out_field(Npy *npy, NpyField *field, size_t *to) {
  size_t from_bytes, to_bytes;
  for (int i = 0; i < field->rank; i++)
    if (__builtin_mul_overflow(field->count, field->shape[i], &field->count)) return false;
  field->from = npy->from_bytes;
  field->to = *to;
  return !__builtin_mul_overflow(field->bytes, field->count, &from_bytes) && !__builtin_mul_overflow(field->to_bytes, field->count, &to_bytes) &&
         !__builtin_add_overflow(npy->from_bytes, from_bytes, &npy->from_bytes) && !__builtin_add_overflow(*to, to_bytes, to) && npy->from_bytes <= INT64_MAX;
}

// Offsets of the members, shape of a row, and whether all bytes are there.
static bool lay_out(Parse *parse, const int64_t *shape, int rank) {
  Npy *npy = parse->npy;
  size_t to = 0;
  if (!lay_out_axes(parse, shape, rank)) return false;
  for (int i = 0; i < npy->n_fields; i++)
    if (!lay_out_field(npy, &npy->fields[i], &to)) return damaged(parse);
  if (!npy->is_structured && npy->fields[0].type == HGM_FILE_TEXT && npy->fields[0].count != 1)
    return hgm_fail(parse->error, 1, "%s: holds several texts per event", parse->label);
  int64_t room = parse->npy->source->bytes - npy->start;
  if (npy->from_bytes == 0) return damaged(parse);
  if (npy->rows > room / (int64_t)npy->from_bytes)
    return hgm_fail(parse->error, 1, "%s: the file is truncated: its header promises %lld rows of %zu bytes and %lld bytes follow", parse->label,
                    (long long)npy->rows, npy->from_bytes, (long long)room);
  return true;
}

// ---- rows

static float half(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits >> 15) << 31, exponent = bits >> 10 & 31, fraction = bits & 1023, result;
  if (exponent == 0) {
    float small = (float)fraction * 0x1p-24f;
    return sign != 0 ? -small : small;
  }
  result = exponent == 31 ? sign | 0x7f800000u | fraction << 13 : sign | (exponent + 112) << 23 | fraction << 13;
  float value;
  memcpy(&value, &result, sizeof value);
  return value;
}

// n UTF-32 characters to UTF-8 in 4 n bytes, padded with NUL.
static void to_utf8(const char *from, size_t n, bool is_swapped, char *to) {
  char *end = to + 4 * n;
  for (size_t i = 0; i < n; i++) {
    unsigned char b[4];
    memcpy(b, from + 4 * i, 4);
    uint32_t c = is_swapped ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]
                            : (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
    if (c == 0) break;
    if (c < 0x80) *to++ = (char)c;
    else if (c < 0x800) *to++ = (char)(0xc0 | c >> 6), *to++ = (char)(0x80 | (c & 63));
    else if (c < 0x10000) *to++ = (char)(0xe0 | c >> 12), *to++ = (char)(0x80 | (c >> 6 & 63)), *to++ = (char)(0x80 | (c & 63));
    else *to++ = (char)(0xf0 | (c >> 18 & 7)), *to++ = (char)(0x80 | (c >> 12 & 63)), *to++ = (char)(0x80 | (c >> 6 & 63)), *to++ = (char)(0x80 | (c & 63));
  }
  memset(to, 0, (size_t)(end - to));
}

// One element from the file's form to ours.
static void convert_element(const NpyField *field, const char *from, char *to) {
  if (field->code == 'U') {
    to_utf8(from, field->bytes / 4, field->is_swapped, to);
    return;
  }
  char bytes[8];
  if (field->type == HGM_FILE_TEXT || !field->is_swapped) {
    if (field->code != 'f' || field->bytes != 2) {
      memcpy(to, from, field->bytes);
      return;
    }
    memcpy(bytes, from, field->bytes);
  } else {
    for (size_t i = 0; i < field->bytes; i++) bytes[i] = from[field->bytes - 1 - i];
  }
  if (field->code == 'f' && field->bytes == 2) {
    uint16_t bits;
    memcpy(&bits, bytes, sizeof bits);
    float value = half(bits);
    memcpy(to, &value, sizeof value);
  } else {
    memcpy(to, bytes, field->bytes);
  }
}

static bool get_scratch(Npy *npy, size_t bytes, const char *path, HgmError *error) {
  if (bytes <= npy->scratch_bytes) return true;
  free(npy->scratch);
  npy->scratch = malloc(bytes);
  npy->scratch_bytes = npy->scratch == NULL ? 0 : bytes;
  return npy->scratch != NULL || hgm_out_of_memory(error, path);
}

// Fortran order: the values of one element lie together over all rows.
static bool read_fortran(HgmBlock *block, int64_t first, int64_t n, char *bytes, HgmError *error) {
  Npy *npy = block->backend;
  const NpyField *field = &npy->fields[0];
  if (!get_scratch(npy, (size_t)n * field->bytes, block->file->path, error)) return false;
  for (int64_t element = 0; element < field->count; element++) {
    int64_t rest = element, place = 0, index[HGM_MAX_RANK] = {0};
    for (int i = field->rank - 1; i >= 0; i--) index[i] = rest % field->shape[i], rest /= field->shape[i];
    for (int i = field->rank - 1; i >= 0; i--) place = place * field->shape[i] + index[i];
    int64_t offset = npy->start + (place * npy->rows + first) * (int64_t)field->bytes;
    if (!npy->source->read(npy->source, offset, (size_t)n * field->bytes, npy->scratch, error)) return false;
    for (int64_t row = 0; row < n; row++)
      convert_element(field, npy->scratch + (size_t)row * field->bytes, bytes + (size_t)row * block->row_bytes + (size_t)element * field->to_bytes);
  }
  return true;
}

static bool block_read(HgmBlock *block, int64_t first, int64_t last, char *bytes, HgmError *error) {
  Npy *npy = block->backend;
  if (npy->is_fortran && !npy->is_structured) return read_fortran(block, first, last - first, bytes, error);
  size_t n = (size_t)(last - first);
  if (!get_scratch(npy, n * npy->from_bytes, block->file->path, error)) return false;
  if (!npy->source->read(npy->source, npy->start + first * (int64_t)npy->from_bytes, n * npy->from_bytes, npy->scratch, error)) return false;
  for (size_t row = 0; row < n; row++)
    for (int k = 0; k < npy->n_fields; k++) {
      const NpyField *field = &npy->fields[k];
      const char *from = npy->scratch + row * npy->from_bytes + field->from;
      char *to = bytes + row * block->row_bytes + field->to;
      for (int64_t i = 0; i < field->count; i++) convert_element(field, from + (size_t)i * field->bytes, to + (size_t)i * field->to_bytes);
    }
  return true;
}

static void npy_free(Npy *npy) {
  npy->source->close(npy->source);
  free(npy->fields);
  free(npy->scratch);
  free(npy);
}

static void block_close(HgmBlock *block) { npy_free(block->backend); }

// ---- fields

static bool add_column(HgmFile *file, HgmBlock *block, const NpyField *field, const char *prefix, const char *name) {
  char full[600];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  HgmField *column = hgm_file_add_field(file, full);
  if (column == NULL) return false;
  column->block = block;
  column->offset = field->to;
  column->cell = field->type == HGM_FILE_TEXT ? HGM_CELL_FIXED_TEXT : HGM_CELL_NUMBERS;
  column->text_bytes = field->type == HGM_FILE_TEXT ? field->to_bytes : 0;
  column->column.type = field->type;
  column->column.kind = hgm_type_kind(field->type);
  column->column.rank = field->rank;
  memcpy(column->column.shape, field->shape, sizeof field->shape);
  column->column.elements = field->count;
  column->column.rows = block->rows;
  if (field->count == 0) column->refusal = hgm_heap_printf(&file->heap, "column `%s` has an axis of length 0", full);
  else if (field->type == HGM_FILE_TEXT && field->count > 1) column->refusal = hgm_heap_printf(&file->heap, "column `%s` holds several texts per event", full);
  else return true;
  return column->refusal != NULL;
}

bool hgm_npy_add(HgmFile *file, NpySource *source, const char *name, const char *prefix, const char *label, HgmError *error) {
  Npy *npy = calloc(1, sizeof *npy);
  if (npy == NULL) {
    source->close(source);
    return hgm_out_of_memory(error, label);
  }
  npy->source = source;
  char *text = read_header(npy, label, error);
  Parse parse = {.at = text, .npy = npy, .label = label, .error = error};
  int64_t shape[HGM_MAX_RANK + 1];
  int rank;
  bool fine = text != NULL && take_header(&parse, shape, &rank) && lay_out(&parse, shape, rank);
  free(text);
  HgmBlock *block = fine ? hgm_file_add_block(file, name) : NULL;
  if (block == NULL) {
    npy_free(npy);
    return fine ? hgm_out_of_memory(error, label) : false;
  }
  const NpyField *last = &npy->fields[npy->n_fields - 1];
  block->rows = npy->rows;
  block->row_bytes = last->to + last->to_bytes * (size_t)last->count;
  block->read = block_read;
  block->close = block_close;
  block->backend = npy;
  for (int i = 0; i < npy->n_fields && fine; i++) fine = add_column(file, block, &npy->fields[i], prefix, npy->is_structured ? npy->fields[i].name : name);
  return fine || hgm_out_of_memory(error, label);
}

// ---- .npy files

typedef struct FileSource {
  NpySource source;
  int file;
  const char *path;
} FileSource;

static bool file_read(NpySource *source, int64_t offset, size_t n, char *bytes, HgmError *error) {
  FileSource *self = (FileSource *)source;
  while (n > 0) {
    ssize_t got = pread(self->file, bytes, n, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return hgm_fail(error, 2, "%s: cannot be read: %s", self->path, got == 0 ? "the file is cut short" : strerror(errno));
    bytes += got;
    offset += got;
    n -= (size_t)got;
  }
  return true;
}

static void file_close(NpySource *source) {
  close(((FileSource *)source)->file);
  free(source);
}

bool hgm_open_npy(HgmFile *file, HgmError *error) {
  struct stat info;
  int id = open(file->path, O_RDONLY | O_CLOEXEC);
  if (id < 0) return hgm_fail(error, 2, "%s: cannot be opened: %s", file->path, strerror(errno));
  FileSource *source = fstat(id, &info) == 0 && S_ISREG(info.st_mode) ? calloc(1, sizeof *source) : NULL;
  if (source == NULL) {
    close(id);
    return hgm_fail(error, 2, "%s: is not an ordinary file", file->path);
  }
  *source = (FileSource){.source = {.read = file_read, .close = file_close, .bytes = info.st_size}, .file = id, .path = file->path};
  const char *slash = strrchr(file->path, '/'), *base = slash == NULL ? file->path : slash + 1;
  char name[256];
  snprintf(name, sizeof name, "%.*s", (int)(strlen(base) - strlen(".npy")), base);
  return hgm_npy_add(file, &source->source, name, "", file->path, error);
}
