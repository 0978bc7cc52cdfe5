#include "compiler/driver/library_text.h"

#include <ctype.h>
#include <string.h>

#include "lang/base/map.h"

// The lists of numbers that a library knows, as sampler/library/library.c numbers them.
typedef struct List {
  const char *constant, *python; // JETSIM_N_GIVEN, given_columns
  const HgmBundleColumn *columns;
  uint64_t n;
  bool latent; // only the random numbers among the columns; else only the others
  int64_t width;
} List;
enum { LISTS = 5 };

static bool belongs(const List *list, const HgmBundleColumn *c) { return (strncmp(c->port, "latent:", 7) == 0) == list->latent; }

static void fill_lists(List lists[LISTS], const HgmBundle *b) {
  static const HgmBundleTask none;
  const HgmBundleTask *g = b->n_generators > 0 ? b->generators : &none, *t = b->n_transforms > 0 ? b->transforms : &none,
                      *s = b->n_scores > 0 ? b->scores : &none;
  lists[0] = (List){"GIVEN", "given_columns", g->given, g->n_given, false, 0};
  lists[1] = (List){"OUT", "out_columns", g->outputs, g->n_outputs, false, 0};
  lists[2] = (List){"LATENT", "latent_columns", t->given, t->n_given, true, 0};
  lists[3] = (List){"DATA", "data_columns", s->given, s->n_given, false, 0};
  lists[4] = (List){"SCORE", "score_columns", s->outputs, s->n_outputs, false, 0};
  for (int i = 0; i < LISTS; i++)
    for (uint64_t k = 0; k < lists[i].n; k++)
      if (belongs(&lists[i], &lists[i].columns[k])) lists[i].width += lists[i].columns[k].elements;
}

static char *upper(Arena *arena, const char *text) {
  char *copy = arena_strdup(arena, text);
  for (char *c = copy; *c != '\0'; c++) *c = (char)toupper((unsigned char)*c);
  return copy;
}

// A column's name as the end of a name in C.
static char *identifier(Arena *arena, const char *name) {
  char *copy = arena_strdup(arena, name);
  for (char *c = copy; *c != '\0'; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return copy;
}

// Text between two quotes of C or Python.
static const char *quoted(Arena *arena, const char *text) {
  const char *out = "";
  for (; *text != '\0'; text++) out = arena_printf(arena, "%s%s%c", out, *text == '"' || *text == '\\' ? "\\" : "", *text);
  return out;
}

// One text inside a comment of C.
static char *harmless(Arena *arena, const char *text) {
  char *copy = arena_strdup(arena, text);
  for (char *c = copy; *c != '\0'; c++)
    if (*c == '*' || *c == '\n') *c = ' ';
  return copy;
}

// ---- the header

static const char *constants(Arena *arena, const char *name, List lists[LISTS]) {
  const char *big = upper(arena, name), *text = "";
  for (int i = 0; i < LISTS; i++) text = arena_printf(arena, "%s#define %s_N_%s %lld\n", text, big, lists[i].constant, (long long)lists[i].width);
  for (int i = 0; i < LISTS; i++) {
    int64_t at = 0;
    if (lists[i].width == 0) continue;
    text = arena_printf(arena, "%s\nenum { /* where a column begins in a row */\n", text);
    Map taken = {0};
    for (uint64_t k = 0; k < lists[i].n; k++) {
      const HgmBundleColumn *c = &lists[i].columns[k];
      if (!belongs(&lists[i], c)) continue;
      const char *id = identifier(arena, c->name);
      if (map_get(&taken, id) != NULL) id = arena_printf(arena, "%s_%lld", id, (long long)at);
      map_put(arena, &taken, id, (void *)c);
      text = arena_printf(arena, "%s  %s_%s_%s = %lld,", text, big, lists[i].constant, id, (long long)at);
      if (c->elements > 1) text = arena_printf(arena, "%s /* %lld numbers */", text, (long long)c->elements);
      if (c->unit[0] != '\0') text = arena_printf(arena, "%s /* %s */", text, harmless(arena, c->unit));
      text = arena_printf(arena, "%s\n", text);
      at += c->elements;
    }
    text = arena_printf(arena, "%s  %s_%s_END = %lld\n};\n", text, big, lists[i].constant, (long long)at);
  }
  return text;
}

static const char *declarations(Arena *arena, const char *n) {
  return arena_printf(arena,
                      "typedef struct %s %s;\n\n"
                      "/* Allocates all that is ever allocated. NULL: no memory, a processor without AVX2 and FMA, or a damaged file. */\n"
                      "%s *%s_open(void);\nvoid %s_close(%s *model);\n\n"
                      "/* Memory for calls of up to n events; each thread brings its own. It need not be cleared and keeps nothing between calls. */\n"
                      "size_t %s_work_bytes(const %s *model, size_t n);\n\n"
                      "/* Lists: 0 given, 1 out, 2 latent, 3 data, 4 score. How many numbers a row has; the column of number k, NULL behind the last. */\n"
                      "size_t %s_size(const %s *model, int list);\nconst char *%s_column(const %s *model, int list, size_t k);\n\n"
                      "/* All return 0 when done; else nothing was drawn: 1 an array is missing or the model has no such task, 2 or 3 it failed, 4 no draw\n"
                      "   of an event met the condition of the generator. Rows lie\n"
                      "   one behind the other: given (n, N_GIVEN), out (n, N_OUT), latent (n, N_LATENT), data (n, N_DATA), scores (n, N_SCORE). Event\n"
                      "   first_event + k gets the same numbers in whatever call, thread or process it is drawn. given may be NULL where N_GIVEN is 0.\n"
                      "   The _f64 twins take and give doubles: for integers above 2^24 and models built with --precision f64. */\n"
                      "int %s_sample(const %s *model, void *work, uint64_t seed, uint64_t first_event, size_t n, const float *given, float *out);\n"
                      "int %s_sample_f64(const %s *model, void *work, uint64_t seed, uint64_t first_event, size_t n, const double *given, double *out);\n\n"
                      "/* The same with the host's random numbers: normal or uniform ones in (0, 1), as the names of the latent columns say. */\n"
                      "int %s_transform(const %s *model, void *work, const float *latent, const float *given, size_t n, float *out);\n"
                      "int %s_transform_f64(const %s *model, void *work, const double *latent, const double *given, size_t n, double *out);\n\n"
                      "/* The model's scores of given rows; seed and event matter where a score draws (dequantised columns). */\n"
                      "int %s_score(const %s *model, void *work, uint64_t seed, uint64_t first_event, size_t n, const float *data, double *scores);\n"
                      "int %s_score_f64(const %s *model, void *work, uint64_t seed, uint64_t first_event, size_t n, const double *data, double *scores);\n",
                      n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n);
}

const char *library_header(Arena *arena, const char *name, const HgmBundle *b) {
  List lists[LISTS];
  const char *big = upper(arena, name);
  fill_lists(lists, b);
  return arena_printf(arena,
                      "/* %s: the model %s (%.12s) as a library, made by hgmc %s. C99 and C++11.\n"
                      "   No globals, no threads, no exit; one %s may be used by many threads at once, each with its own work space. */\n"
                      "#ifndef %s_H\n#define %s_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
                      "#define %s_SEED UINT64_C(%llu) /* of the run */\n%s\n%s\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
                      name, harmless(arena, b->model), b->hash, b->version, name, big, big, big, (unsigned long long)b->seed, constants(arena, name, lists),
                      declarations(arena, name));
}

// ---- the module

static const char *python_lists(Arena *arena, List lists[LISTS]) {
  const char *text = "";
  for (int i = 0; i < LISTS; i++) {
    text = arena_printf(arena, "%s%s = [", text, lists[i].python);
    for (uint64_t k = 0; k < lists[i].n; k++)
      if (belongs(&lists[i], &lists[i].columns[k]))
        text = arena_printf(arena, "%s(\"%s\", %lld, \"%s\"), ", text, quoted(arena, lists[i].columns[k].name), (long long)lists[i].columns[k].elements,
                            quoted(arena, lists[i].columns[k].unit));
    text = arena_printf(arena, "%s]\n", text);
  }
  return text;
}

static const char python_body[] =
    "def width(columns):\n"
    "    return sum(n for _, n, _ in columns)\n\n\n"
    "def rows(values, columns, n=None):\n"
    "    \"\"\"(n, width) doubles of a matrix, or of a dict or structured array by the names of columns; numbers are repeated.\"\"\"\n"
    "    if values is None and not columns:\n"
    "        return np.zeros((n or 0, 0))\n"
    "    if values is None:\n"
    "        raise ValueError(\"columns are missing: \" + \", \".join(c[0] for c in columns))\n"
    "    names = values.dtype.names if isinstance(values, np.ndarray) else values.keys() if hasattr(values, \"keys\") else None\n"
    "    if names is not None:\n"
    "        missing = [c[0] for c in columns if c[0] not in names]\n"
    "        if missing:\n"
    "            raise KeyError(\"columns are missing: \" + \", \".join(missing))\n"
    "        parts = [np.asarray(values[c[0]], float) for c in columns]\n"
    "        most = n or max([len(p) for p in parts if p.ndim > 0] + [1])\n"
    "        values = np.concatenate([np.broadcast_to(p, (most,) + p.shape[1:]).reshape(most, -1) for p in parts], axis=1)\n"
    "    values = np.ascontiguousarray(values, float)\n"
    "    if values.ndim != 2 or values.shape[1] != width(columns) or (n is not None and len(values) != n):\n"
    "        raise ValueError(f\"expected ({n if n is not None else 'n'}, {width(columns)}) numbers, found {values.shape}\")\n"
    "    return values\n\n\n"
    "def by_name(values, columns):\n"
    "    \"\"\"A dict of columns out of rows.\"\"\"\n"
    "    ends = np.cumsum([n for _, n, _ in columns])\n"
    "    return {name: values[:, end - n] if n == 1 else values[:, end - n:end] for (name, n, _), end in zip(columns, ends)}\n\n\n"
    "class Model:\n"
    "    def __init__(self):\n"
    "        self._model = _call(\"open\", ctypes.c_void_p)()\n"
    "        if not self._model:\n"
    "            raise RuntimeError(\"the model cannot be opened: no memory, a processor without AVX2 and FMA, or a damaged file\")\n\n"
    "    def close(self):\n"
    "        if self._model:\n"
    "            _call(\"close\", None)(ctypes.c_void_p(self._model))\n"
    "        self._model = None\n\n"
    "    __del__ = close\n\n"
    "    def _run(self, function, before, n, width_out, after):\n"
    "        model = ctypes.c_void_p(self._model)\n"
    "        work = np.empty(_call(\"work_bytes\", ctypes.c_size_t)(model, ctypes.c_size_t(n)), np.uint8)\n"
    "        out = np.empty((n, width_out))\n"
    "        code = _call(function, ctypes.c_int)(model, _pointer(work), *before, *after(n, out))\n"
    "        if code != 0:\n"
    "            raise RuntimeError(f\"{function} failed with code {code}\")\n"
    "        return out\n\n"
    "    def sample(self, n=None, given=None, seed=SEED, first_event=0):\n"
    "        \"\"\"(n, N_OUT) doubles: events first_event to first_event + n - 1, the same ones in whatever call they are drawn.\"\"\"\n"
    "        given = rows(given, given_columns, n)\n"
    "        before = ctypes.c_uint64(seed), ctypes.c_uint64(first_event)\n"
    "        return self._run(\"sample_f64\", before, len(given), width(out_columns), lambda n, out: (ctypes.c_size_t(n), _pointer(given), _pointer(out)))\n\n"
    "    def transform(self, latent, given=None):\n"
    "        \"\"\"The same from random numbers of your own: rows of latent_columns.\"\"\"\n"
    "        latent = rows(latent, latent_columns)\n"
    "        given = rows(given, given_columns, len(latent))\n"
    "        before = _pointer(latent), _pointer(given)\n"
    "        return self._run(\"transform_f64\", before, len(latent), width(out_columns), lambda n, out: (ctypes.c_size_t(n), _pointer(out)))\n\n"
    "    def score(self, data, seed=SEED, first_event=0):\n"
    "        \"\"\"(n, N_SCORE) doubles of rows of data_columns.\"\"\"\n"
    "        data = rows(data, data_columns)\n"
    "        before = ctypes.c_uint64(seed), ctypes.c_uint64(first_event)\n"
    "        return self._run(\"score_f64\", before, len(data), width(score_columns), lambda n, out: (ctypes.c_size_t(n), _pointer(data), _pointer(out)))\n";

const char *library_python(Arena *arena, const char *name, const HgmBundle *b) {
  List lists[LISTS];
  fill_lists(lists, b);
  return arena_printf(arena,
                      "\"\"\"The model %s (%.12s) as a module, made by hgmc %s. lib%s.so lies beside it.\n\n"
                      "    import %s\n"
                      "    events = %s.by_name(%s.Model().sample(1000, given), %s.out_columns)\n\n"
                      "Columns are (name, numbers in a row, unit).\n\"\"\"\n"
                      "import ctypes\nimport os\n\nimport numpy as np\n\nSEED = %llu\n%s\n"
                      "_library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), \"lib%s.so\"))\n\n\n"
                      "def _call(name, result):\n"
                      "    function = _library[\"%s_\" + name]\n"
                      "    function.restype = result\n"
                      "    return function\n\n\n"
                      "def _pointer(array):\n"
                      "    return ctypes.c_void_p(array.ctypes.data)\n\n\n%s",
                      quoted(arena, b->model), b->hash, b->version, name, name, name, name, name, (unsigned long long)b->seed, python_lists(arena, lists), name,
                      name, python_body);
}

// ---- pkg-config

const char *library_pkgconfig(Arena *arena, const char *name, const HgmBundle *b) {
  return arena_printf(arena,
                      "prefix=${pcfiledir}\n\nName: %s\nDescription: the model %s as a library\nVersion: %s\n"
                      "Libs: -L${prefix} -l%s\nCflags: -I${prefix}\n",
                      name, b->model, b->version, name);
}
