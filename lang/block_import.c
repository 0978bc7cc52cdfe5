// Files: what `use` brings in, the standard library, and who replaces whom.
//
// A file and what it uses without `as` share one scope, so that an overriding declaration is seen by imported bodies too.
// Blocks (train, generate, score, evaluate) are lists: a file's own take the place of the imported ones.
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "lang/block_param.h"
#include "lang/fit.h"
#include "lang/unused.h"

enum { MAX_IMPORT_DEPTH = 64 };

typedef VEC(const AstDecl *) Decls;
typedef struct BlockList {
  Decls stages, generators, scores, evaluates; // stages: train blocks and fits
} BlockList;
typedef struct Turned {
  const AstArg *arg;
  Scope *scope;
  const struct Turned *outer;
  bool *used;
} Turned;

// One scope that several files share: who declared which name.
typedef struct Merge {
  Scope *scope;
  Map owners;         // name -> struct Loaded
  Trained *trained;   // its files are those that the run has saved; NULL: files
  const char *prefix; // `use … as z`: "z." in front of the paths of its nets' weights; "" in the file's own scope
} Merge;

struct Loaded {
  const char *path;
  unsigned long long device, inode; // identity; 0, 0: text without a file
  AstFile *file;
  const Merge *merge;
  bool loading;
  BlockList blocks;
};

// ---- names

// "base." of base.decoder, where a file that is used under a name declares it; NULL: none does.
static const char *prefix_of(const Blocks *b, const char *name) {
  for (size_t i = 0; i < b->declarations.len; i++)
    if (b->declaration_prefixes.at[i][0] != 0 && strcmp(b->declarations.at[i]->name.text, name) == 0) return b->declaration_prefixes.at[i];
  return NULL;
}

static bool declare(Blocks *b, Merge *merge, struct Loaded *from, const AstDecl *d) {
  Elab *e = b->e;
  const struct Loaded *owner = map_get(&merge->owners, d->name.text);
  const Binding *old = owner == NULL ? NULL : scope_own(merge->scope, d->name.text);
  if (old != NULL && owner == from) {
    Diag *diag = elab_error(e, DIAG_GIVEN_TWICE, d->name.span, "`%s` is declared twice", d->name.text);
    diag_label(e->diags, diag, old->span, "first here");
    diag_help(e->diags, diag, "give one of them another name");
    return false;
  }
  if (old != NULL && !d->override) {
    Diag *diag = elab_error(e, DIAG_NAME_CLASH, d->name.span, "`%s` comes from %s and is declared here too", d->name.text, owner->path);
    diag_label(e->diags, diag, old->span, "declared here");
    diag_help(e->diags, diag, "write `override` to replace it");
    return false;
  }
  if (old == NULL && d->override) {
    Diag *diag = elab_error(e, DIAG_OVERRIDE_NOTHING, d->name.span, "`override %s` replaces nothing that is imported", d->name.text);
    const char *near = scope_nearest(e, merge->scope, d->name.text), *prefix = prefix_of(b, d->name.text);
    if (prefix != NULL)
      diag_help(e->diags, diag, "`%s%s` comes from a file that is used under a name; used without `as`, its declarations can be replaced", prefix,
                d->name.text);
    else if (near != NULL) diag_help(e->diags, diag, "did you mean `%s`?", near);
    else diag_help(e->diags, diag, "`override` takes the place of what `use \"f.hgm\"` brings in; what is new is declared without it");
    return false;
  }
  map_put(e->arena, &merge->owners, d->name.text, from);
  return true;
}

static const AstDecl *declared_before(const Blocks *b, const Scope *scope, const char *name) {
  for (size_t i = b->declarations.len; i-- > 0;)
    if (b->declaration_scopes.at[i] == scope && strcmp(b->declarations.at[i]->name.text, name) == 0) return b->declarations.at[i];
  return NULL;
}

static size_t inputs_of(const AstDecl *d) { return d->kind == DE_FLOW ? d->u.flow.vars.len : d->u.callable.params.len; }
static bool has_inputs(const AstDecl *d) { return d->kind == DE_FLOW || d->kind == DE_NET || d->kind == DE_LAYER || d->kind == DE_FN; }

static const char *inputs_text(Elab *e, const AstDecl *d) {
  const char *text = "";
  for (size_t i = 0; i < inputs_of(d); i++) {
    AstName name = d->kind == DE_FLOW ? d->u.flow.vars.at[i].name : d->u.callable.params.at[i].name;
    const AstType *type = d->kind == DE_FLOW ? d->u.flow.vars.at[i].type : d->u.callable.params.at[i].type;
    text = arena_printf(e->arena, "%s%s%s", text, i > 0 ? ", " : "", type != NULL ? source_text(e, type->span) : name.text);
  }
  return text;
}

// How many numbers the i-th input of a net is; -1: not written.
static int64_t input_numbers(Elab *e, Scope *scope, const AstDecl *d, size_t i) {
  const AstType *written = d->kind == DE_NET ? d->u.callable.params.at[i].type : NULL;
  Type t;
  if (written == NULL || !elab_type(e, scope, written, &t)) return -1;
  if (t.kind == TYPE_FIELD) return field_type_numbers(t.field);
  return t.kind == TYPE_TENSOR ? extents_elements(&t.tensor.shape) : -1;
}

static bool same_inputs(Elab *e, Scope *scope, const AstDecl *a, const AstDecl *b) {
  if (!has_inputs(b) || a->kind != b->kind || inputs_of(a) != inputs_of(b)) return false;
  for (size_t i = 0; i < inputs_of(a); i++) {
    int64_t n = input_numbers(e, scope, a, i), m = input_numbers(e, scope, b, i);
    if (n >= 0 && m >= 0 && n != m) return false;
  }
  return true;
}

// Fields that are described anew change what nets take: then callers, which are looked at with the new types, say what does not meet.
static bool data_replaced(const Blocks *b) {
  for (size_t i = 0; i < b->overrides.len; i++)
    if (b->overrides.at[i].now->kind == DE_DATA) return true;
  return false;
}

// What replaces a declaration is of its kind and takes as much; callers would break otherwise.
void overrides_check(Blocks *b) {
  Elab *e = b->e;
  for (size_t i = 0; i < b->overrides.len && !data_replaced(b); i++) {
    const Override *o = &b->overrides.at[i];
    if (o->before == NULL || !has_inputs(o->now) || same_inputs(e, o->scope, o->now, o->before)) continue;
    Diag *diag = elab_error(e, DIAG_OVERRIDE_TYPE, o->now->name.span, "the new `%s` takes %s, the one it replaces %s", o->now->name.text,
                            inputs_text(e, o->now), has_inputs(o->before) ? inputs_text(e, o->before) : "something else");
    diag_label(e->diags, diag, o->before->name.span, "replaced");
    diag_help(e->diags, diag, "take and give the same types as the one it replaces");
  }
}

static Value *make_data(Elab *e, Scope *scope, void *data) {
  const AstDecl *d = data;
  DataBlock *block = data_declare(blocks_of(e), scope, d);
  return value_data(e, d->name.span, d->name.text, block->model, block);
}

static Value *make_alias(Elab *e, Scope *scope, void *data) { return scope_value(e, scope, *(const AstName *)data); }

// A net of a file used under a name keeps its weights under that name too: z.encoder beside encoder.
static void declare_prefixed(Blocks *b, const Merge *merge, const AstDecl *d) {
  Elab *e = b->e;
  AstDecl *long_named = arena_dup(e->arena, d, sizeof *d);
  long_named->name.text = arena_printf(e->arena, "%s%s", merge->prefix, d->name.text);
  elab_declare(e, merge->scope, long_named);
  scope_bind_lazy(e, merge->scope, d->name.text, d->name.span, make_alias, &long_named->name);
}

static void declare_item(Blocks *b, Merge *merge, struct Loaded *from, const AstDecl *d, const Turned *turned) {
  Elab *e = b->e;
  const AstDecl *old = declared_before(b, merge->scope, d->name.text);
  if (!declare(b, merge, from, d)) return;
  if (d->kind == DE_PARAM) {
    const Turned *last = NULL; // the outermost importer decides
    for (const Turned *t = turned; t != NULL; t = t->outer)
      if (strcmp(t->arg->name.text, d->name.text) == 0) last = t, *t->used = true;
    param_declare(b, merge->scope, d, last == NULL ? NULL : last->arg->value, last == NULL ? NULL : last->scope);
    return;
  }
  if (d->override) VEC_PUSH(e->arena, &b->overrides, (Override){d, old, merge->scope});
  if (d->kind == DE_DATA) scope_bind_lazy(e, merge->scope, d->name.text, d->name.span, make_data, (void *)d);
  else if (d->kind == DE_FIT) fit_declare(b, merge->scope, arena_printf(e->arena, "%s%s", merge->prefix, d->name.text), d);
  else if (merge->prefix[0] != 0 && (d->kind == DE_NET || d->kind == DE_FLOW)) declare_prefixed(b, merge, d);
  else elab_declare(e, merge->scope, d);
  VEC_PUSH(e->arena, &b->declarations, d);
  VEC_PUSH(e->arena, &b->declaration_scopes, merge->scope);
  VEC_PUSH(e->arena, &b->declaration_prefixes, merge->prefix);
}

// ---- files

static struct Loaded *load(Blocks *b, Merge *merge, const char *path, const char *text, size_t len, const struct stat *id, const Turned *turned, int depth);

static const char *directory(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? "." : arena_strndup(arena, path, (size_t)(slash - path));
}

static const char *candidate(Blocks *b, const char *folder, const char *name, struct stat *id) {
  const char *path = strcmp(folder, ".") == 0 ? name : arena_printf(b->e->arena, "%s/%s", folder, name);
  return file_there(b, path, id) ? path : NULL;
}

static const char *find_file(Blocks *b, const struct Loaded *from, const char *name, struct stat *id) {
  Arena *arena = b->e->arena;
  if (name[0] == '/') return candidate(b, ".", name, id);
  const char *found = candidate(b, directory(arena, from->path), name, id);
  for (const char *at = b->options->search; found == NULL && at != NULL && *at != 0;) {
    size_t len = strcspn(at, ":");
    if (len > 0) found = candidate(b, arena_strndup(arena, at, len), name, id);
    at += len + (at[len] == ':');
  }
  if (found == NULL && b->options->stdlib != NULL) found = candidate(b, b->options->stdlib, name, id);
  return found;
}

// Saved sources come before files: a run can be moved without the files that it came from.
static const char *text_of(Blocks *b, const struct Loaded *from, const char *name, const char **path, size_t *len, struct stat *id) {
  const Trained *trained = from->merge->trained;
  const ModelSource *saved = saved_file(b->e->arena, trained != NULL ? &trained->model->files : &b->options->files, from->path, name);
  *id = (struct stat){0};
  if (saved != NULL) {
    *path = saved->path;
    *len = strlen(saved->text);
    return saved->text;
  }
  *path = trained != NULL ? NULL : find_file(b, from, name, id);
  return *path == NULL ? NULL : file_read(b, *path, id, len);
}

static struct Loaded *already(Blocks *b, const struct stat *id) {
  for (size_t i = 0; i < b->loaded.len && id->st_ino != 0; i++)
    if (b->loaded.at[i]->inode == id->st_ino && b->loaded.at[i]->device == id->st_dev) return b->loaded.at[i];
  return NULL;
}

static void append(Arena *arena, Decls *to, const Decls *from) {
  for (size_t i = 0; i < from->len; i++) VEC_PUSH(arena, to, from->at[i]);
}

static void append_blocks(Arena *arena, BlockList *to, const BlockList *from) {
  append(arena, &to->stages, &from->stages);
  append(arena, &to->generators, &from->generators);
  append(arena, &to->scores, &from->scores);
  append(arena, &to->evaluates, &from->evaluates);
}

static void check_turned(Blocks *b, const AstDecl *d, const bool *used, const Scope *scope) {
  for (size_t i = 0; i < d->u.use.args.len; i++) {
    const AstArg *arg = &d->u.use.args.at[i];
    if (arg->name.text == NULL) elab_error(b->e, DIAG_ARGUMENTS, arg->value->span, "params are turned by name: `use \"%s\" (name = …)`", d->u.use.path);
    else if (!used[i]) param_unknown(b, arg->name.span, d->u.use.path, arg->name.text, scope);
  }
}

static Scope *module_scope(Blocks *b, Merge *merge, struct Loaded *from, const AstDecl *d, Merge *inner) {
  AstDecl *named = arena_dup(b->e->arena, d, sizeof *d);
  named->name = d->u.use.as;
  named->override = false;
  if (!declare(b, merge, from, named)) return NULL;
  inner->scope = scope_new(b->e, b->library);
  inner->prefix = arena_printf(b->e->arena, "%s%s.", merge->prefix, named->name.text);
  scope_bind(b->e, merge->scope, named->name.text, named->name.span, value_module(b->e, named->name.span, inner->scope));
  return inner->scope;
}

static bool is_checksum(const char *pin) {
  if (strncmp(pin, "sha256:", 7) != 0) return false;
  size_t n = strspn(pin + 7, "0123456789abcdefABCDEF");
  return pin[7 + n] == 0 && n >= 6 && n <= 64;
}

bool pin_agrees(Blocks *b, const AstDecl *d, const char *what, const char *sum) {
  const char *pin = d->u.use.pin;
  if (pin == NULL) return true;
  bool known = is_checksum(pin);
  if (known && strncasecmp(pin + 7, sum, strlen(pin + 7)) == 0) return true;
  Diag *diag = known ? elab_error(b->e, DIAG_PIN_MISMATCH, d->u.use.path_span, "%s has checksum %.8s…, the pin says %.8s…", what, sum, pin + 7)
                     : elab_error(b->e, DIAG_PIN_MISMATCH, d->u.use.path_span, "`%s` is no checksum: `sha256:` and 6 to 64 hexadecimal digits are", pin);
  diag_help(b->e->diags, diag, known ? "restore it, or write `pin \"sha256:%s\"`" : "`pin \"sha256:%s\"` is that of what is there now", sum);
  return false;
}

static bool text_pinned(Blocks *b, const AstDecl *d, const char *text, size_t len) {
  char sum[65];
  if (d->u.use.pin == NULL) return true;
  b->options->checksum(text, len, sum);
  return pin_agrees(b, d, d->u.use.path, sum);
}

static void use_trained(Blocks *b, Merge *merge, struct Loaded *from, const AstDecl *d, int depth) {
  Elab *e = b->e;
  ModelTrained *model = trained_open(b, d, from->path, merge->prefix, merge->trained);
  Merge *target = ARENA_NEW(e->arena, Merge);
  if (model == NULL || module_scope(b, merge, from, d, target) == NULL) {
    b->broken = true;
    return;
  }
  Trained *trained = ARENA_NEW(e->arena, Trained);
  *trained = (Trained){.model = model, .scope = target->scope};
  target->trained = trained;
  VEC_PUSH(e->arena, &b->trained, trained);
  for (size_t i = 0; i < model->files.len; i++)
    if (strcmp(model->files.at[i].path, model->root) == 0)
      load(b, target, model->root, model->files.at[i].text, strlen(model->files.at[i].text), NULL, NULL, depth + 1);
}

// Where its names go: to those here, or behind a name of its own. NULL: reported.
static Merge *use_target(Blocks *b, Merge *merge, struct Loaded *from, const AstDecl *d) {
  if (d->u.use.as.text == NULL) return merge;
  Merge *target = ARENA_NEW(b->e->arena, Merge);
  if (module_scope(b, merge, from, d, target) == NULL) return NULL;
  target->trained = merge->trained;
  if (merge->trained != NULL) VEC_PUSH(b->e->arena, &merge->trained->modules, target->scope);
  return target;
}

// The file's params as it is used here: innermost last, so that walking `outer` meets these settings first and those of the importers after.
static const Turned *turned_by(Elab *e, const AstDecl *d, Scope *scope, const Turned *outer, bool *used) {
  const Turned *chain = d->u.use.as.text != NULL ? NULL : outer;
  for (size_t i = 0; i < d->u.use.args.len; i++) {
    if (d->u.use.args.at[i].name.text == NULL) continue;
    Turned *t = ARENA_NEW(e->arena, Turned);
    *t = (Turned){&d->u.use.args.at[i], scope, chain, &used[i]};
    chain = t;
  }
  return chain;
}

static void use_file(Blocks *b, Merge *merge, struct Loaded *from, const AstDecl *d, const Turned *turned, int depth) {
  Elab *e = b->e;
  if (d->u.use.trained) {
    use_trained(b, merge, from, d, depth);
    return;
  }
  struct stat id;
  const char *path;
  size_t len = 0;
  const char *text = text_of(b, from, d->u.use.path, &path, &len, &id);
  if (text == NULL) {
    Diag *diag = elab_error(e, DIAG_IMPORT_MISSING, d->u.use.path_span, "no `%s` beside this file, in HGM_PATH or in the library", d->u.use.path);
    diag_help(e->diags, diag, "paths start at the importing file");
    return;
  }
  Merge *target = text_pinned(b, d, text, len) ? use_target(b, merge, from, d) : NULL;
  if (target == NULL) return;
  struct Loaded *old = already(b, &id);
  if (old != NULL && old->loading) {
    Diag *diag = elab_error(e, DIAG_IMPORT_CYCLE, d->u.use.path_span, "%s uses %s, which uses %s", old->path, from->path, old->path);
    diag_help(e->diags, diag, "move what both need into a third file");
    return;
  }
  if (old != NULL && old->merge == target) return; // by two ways: once
  bool *used = ARENA_ARRAY(e->arena, bool, d->u.use.args.len + 1);
  const size_t at = e->model->files.len;
  struct Loaded *loaded = load(b, target, path, text, len, &id, turned_by(e, d, merge->scope, turned, used), depth + 1);
  if (loaded == NULL) return;
  e->model->files.at[at].use = d->u.use.path_span;
  check_turned(b, d, used, target->scope);
  if (target == merge) append_blocks(e->arena, &from->blocks, &loaded->blocks);
}

// Own train blocks take the place of the imported ones (anew) or follow them. Imported fits stay, in front of or behind that place.
static Decls stages_of(Arena *arena, const Decls *imported, const Decls *own, bool anew) {
  Decls front = {0}, behind = {0};
  bool passed = !anew;
  for (size_t i = 0; i < imported->len; i++) {
    const AstDecl *d = imported->at[i];
    passed = passed || d->kind == DE_TRAIN;
    if (!anew || (d->kind == DE_FIT && !passed)) VEC_PUSH(arena, &front, d);
    else if (d->kind == DE_FIT) VEC_PUSH(arena, &behind, d);
  }
  append(arena, &front, own);
  append(arena, &front, &behind);
  return front;
}

// The file's own blocks replace imported ones of the same kind; `train after` adds.
static void own_blocks(Blocks *b, struct Loaded *l) {
  Arena *arena = b->e->arena;
  BlockList own = {0};
  bool anew = false;
  for (size_t i = 0; i < l->file->items.len; i++) {
    const AstDecl *d = l->file->items.at[i];
    if (d->kind == DE_TRAIN || d->kind == DE_FIT) VEC_PUSH(arena, &own.stages, d);
    anew = anew || (d->kind == DE_TRAIN && !d->u.train.after);
    if (d->kind == DE_GENERATE) VEC_PUSH(arena, &own.generators, d);
    if (d->kind == DE_SCORE) VEC_PUSH(arena, &own.scores, d);
    if (d->kind == DE_EVALUATE) VEC_PUSH(arena, &own.evaluates, d);
  }
  l->blocks.stages = stages_of(arena, &l->blocks.stages, &own.stages, anew);
  if (own.generators.len > 0) l->blocks.generators = own.generators;
  if (own.scores.len > 0) l->blocks.scores = own.scores;
  if (own.evaluates.len > 0) l->blocks.evaluates = own.evaluates;
}

static bool is_block(AstDeclKind kind) {
  switch (kind) {
  case DE_TRAIN:
  case DE_GENERATE:
  case DE_SCORE:
  case DE_EVALUATE:
  case DE_ERROR: return true;
  case DE_PARAM:
  case DE_USE:
  case DE_DATA:
  case DE_NET:
  case DE_LAYER:
  case DE_FN:
  case DE_FLOW:
  case DE_BIJECTION:
  case DE_FIT: return false;
  }
  return true;
}

// The file as source, or an empty one behind a message. What is before a byte that is no text stays, for the message to show.
static SourceFile *read_source(Elab *e, const char *path, const char *text, size_t len) {
  size_t good = len > MAX_FILE_BYTES ? 0 : utf8_prefix(text, len);
  SourceFile *source = source_add(e->sources, path, text, good);
  if (good == len) return source;
  Span end = {source->base + (uint32_t)good, source->base + (uint32_t)good};
  if (len > MAX_FILE_BYTES) {
    Diag *d = elab_error(e, DIAG_TOO_LONG, end, "%s is longer than %d MiB", path, MAX_FILE_BYTES >> 20);
    diag_help(e->diags, d, "data belong into data files: `--train FILE.h5`");
  } else {
    Diag *d = elab_error(e, DIAG_NOT_TEXT, end, "%s is not a text file in UTF-8: a byte with the value %d stands here", path, (unsigned char)text[good]);
    diag_help(e->diags, d, good == 0 ? "data go behind --train; a text saved as UTF-16 is saved anew as UTF-8" : "save it anew as UTF-8");
  }
  return source_add(e->sources, path, "", 0);
}

// `fit (a, b) = (average(x), spread_of(x))` is two fits.
static void split_fits(Elab *e, AstFile *file) {
  AstDecls items = file->items;
  file->items = (AstDecls){0};
  for (size_t i = 0; i < items.len; i++) {
    AstDecl *d = items.at[i];
    const AstPattern *names = &d->u.fit.pattern;
    if (d->kind != DE_FIT || !names->tuple) {
      VEC_PUSH(e->arena, &file->items, d);
      continue;
    }
    AstExpr *value = d->u.fit.value;
    bool matches = value->kind == EX_TUPLE && value->u.items.len == names->names.len;
    if (!matches) {
      Diag *diag = elab_error(e, DIAG_FIT_WHAT, names->span, "%zu names on the left, and not as many estimates", names->names.len);
      diag_help(e->diags, diag, "a fit has one name; `fit (a, b) = (average(x), spread_of(x))` makes two");
    }
    for (size_t k = 0; matches && k < names->names.len; k++) {
      AstDecl *one = arena_dup(e->arena, d, sizeof *d);
      one->name = names->names.at[k];
      one->u.fit.value = value->u.items.at[k];
      VEC_PUSH(e->arena, &file->items, one);
    }
  }
}

static struct Loaded *load(Blocks *b, Merge *merge, const char *path, const char *text, size_t len, const struct stat *id, const Turned *turned, int depth) {
  Elab *e = b->e;
  struct Loaded *l = ARENA_NEW(e->arena, struct Loaded);
  if (depth > MAX_IMPORT_DEPTH) return NULL;
  l->path = path;
  l->merge = merge;
  l->loading = true;
  if (id != NULL) l->device = id->st_dev, l->inode = id->st_ino;
  VEC_PUSH(e->arena, &b->loaded, l);
  SourceFile *source = read_source(e, path, text, len);
  const char *kept = merge->trained == NULL ? path : arena_printf(e->arena, "%s|%s", merge->trained->model->prefix, path);
  VEC_PUSH(e->arena, &e->model->files, (ModelSource){.path = kept, .text = source->text});
  l->file = ast_parse(e->arena, e->sources, source, e->diags);
  split_fits(e, l->file);
  for (size_t i = 0; i < l->file->items.len; i++) // imports first: declarations may replace what they bring
    if (l->file->items.at[i]->kind == DE_USE) use_file(b, merge, l, l->file->items.at[i], turned, depth);
  for (size_t i = 0; i < l->file->items.len; i++) {
    const AstDecl *d = l->file->items.at[i];
    if (d->kind == DE_USE || is_block(d->kind)) continue;
    declare_item(b, merge, l, d, turned);
  }
  own_blocks(b, l);
  l->loading = false;
  return l;
}

bool declaration_replaced(const Blocks *b, size_t i) {
  for (size_t k = i + 1; k < b->declarations.len; k++)
    if (b->declaration_scopes.at[k] == b->declaration_scopes.at[i] && strcmp(b->declarations.at[k]->name.text, b->declarations.at[i]->name.text) == 0)
      return true;
  return false;
}

void blocks_unused(Blocks *b) {
  for (size_t i = 0; i < b->loaded.len; i++)
    if (b->loaded.at[i]->merge->trained == NULL) unused_names(b->e->arena, b->e->diags, b->loaded.at[i]->file);
}

// ---- the standard library: every declaration in one scope around the user's

static void load_library(Blocks *b) {
  Elab *e = b->e;
  const Strings names = b->options->stdlib == NULL ? (Strings){0} : file_library(b, b->options->stdlib);
  for (size_t i = 0; i < names.len; i++) {
    size_t len = 0;
    char *text = file_read(b, arena_printf(e->arena, "%s/%s", b->options->stdlib, names.at[i]), NULL, &len);
    if (text == NULL) continue;
    // messages name a library file without the folder it happens to lie in
    SourceFile *source = source_add(e->sources, arena_printf(e->arena, "stdlib/%s", names.at[i]), text, len);
    source->library = true;
    AstFile *file = ast_parse(e->arena, e->sources, source, e->diags);
    for (size_t k = 0; k < file->items.len; k++)
      if (file->items.at[k]->kind != DE_ERROR) elab_declare(e, b->library, file->items.at[k]);
  }
}

// ---- the whole

static void refuse_two(Elab *e, const Decls *list, const char *what) {
  for (size_t i = 1; i < list->len; i++) {
    Diag *diag = elab_error(e, DIAG_GIVEN_TWICE, list->at[i]->span, "a second `%s` block", what);
    diag_label(e->diags, diag, list->at[0]->span, "the first");
    diag_help(e->diags, diag, "put both into one block");
  }
}

// Of a fit that was replaced nothing runs.
static void add_stage(Blocks *b, const AstDecl *d) {
  struct Fit *fit = d->kind == DE_FIT ? fit_of(b, d) : NULL;
  if (d->kind == DE_FIT && (fit == NULL || scope_own(b->names, d->name.text)->data != fit)) return;
  if (fit != NULL) fit->stands = true;
  VEC_PUSH(b->e->arena, &b->stages, (Train){d, b->names});
}

bool blocks_load(Blocks *b) {
  Elab *e = b->e;
  b->library = scope_new(e, e->builtins);
  b->names = scope_new(e, b->library);
  load_library(b);
  struct stat id;
  size_t len = 0;
  const char *text = b->options->text;
  bool file = text == NULL;
  if (file) text = file_read(b, b->e->model->path, NULL, &len);
  else len = b->options->text_bytes > 0 ? b->options->text_bytes : strlen(text);
  if (text == NULL) {
    elab_error(e, DIAG_IMPORT_MISSING, (Span){0, 0}, "cannot read `%s`", b->e->model->path);
    return false;
  }
  Merge *merge = ARENA_NEW(e->arena, Merge);
  *merge = (Merge){.scope = b->names, .prefix = ""};
  struct Loaded *l = load(b, merge, b->e->model->path, text, len, file && stat(b->e->model->path, &id) == 0 ? &id : NULL, NULL, 0);
  for (size_t i = 0; i < l->file->items.len && e->model->doc == NULL; i++) e->model->doc = l->file->items.at[i]->doc;
  for (size_t i = 0; i < l->blocks.stages.len; i++) add_stage(b, l->blocks.stages.at[i]);
  for (size_t i = 0; i < l->blocks.generators.len; i++) VEC_PUSH(e->arena, &b->generators, (Generator){l->blocks.generators.at[i], b->names});
  refuse_two(e, &l->blocks.scores, "score");
  refuse_two(e, &l->blocks.evaluates, "evaluate");
  if (l->blocks.scores.len > 0) b->score = (Generator){l->blocks.scores.at[0], b->names};
  if (l->blocks.evaluates.len > 0) b->evaluate = (Generator){l->blocks.evaluates.at[0], b->names};
  return true;
}
