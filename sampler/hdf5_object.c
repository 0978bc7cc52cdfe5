// Superblock, object headers, groups.
#include <stdlib.h>
#include <string.h>

#include "sampler/hdf5.h"

enum { DEEPEST_TREE = 16, MOST_MESSAGES = 1 << 16 };

const uint8_t *h5_at(const H5 *h, uint64_t offset, uint64_t n) { return offset <= h->size && n <= h->size - offset ? h->bytes + offset : NULL; }

uint64_t h5_number(const uint8_t *at, int bytes) {
  uint64_t value = 0;
  memcpy(&value, at, (size_t)bytes);
  return value;
}

uint64_t h5_root(const H5 *h, uint64_t *end) {
  static const char signature[8] = "\x89HDF\r\n\x1a\n";
  const uint8_t *at = h5_at(h, 0, 96);
  if (at == NULL || memcmp(at, signature, sizeof signature) != 0) return H5_NOWHERE;
  int version = at[8];
  bool is_old = version < 2;
  if (version > 3 || at[is_old ? 13 : 9] != 8 || at[is_old ? 14 : 10] != 8) return H5_NOWHERE; // offsets and lengths of 8 bytes
  int more = version == 1 ? 4 : 0;
  *end = h5_number(at + (is_old ? 40 + more : 28), 8);
  return h5_number(at + (is_old ? 64 + more : 36), 8);
}

// ---- object headers

static bool add_message(H5Object *o, H5Message message) {
  if (o->n >= MOST_MESSAGES) return false;
  if ((o->n & (o->n - 1)) == 0) { // room doubles
    H5Message *grown = realloc(o->messages, (size_t)(o->n == 0 ? 1 : 2 * o->n) * sizeof *grown);
    if (grown == NULL) return false;
    o->messages = grown;
  }
  o->messages[o->n++] = message;
  return true;
}

typedef struct Header {
  int version;
  bool has_order; // version 2: messages carry the order in which they were made
} Header;

// The messages of one piece of a header.
static bool read_messages(H5Object *o, const Header *header, const uint8_t *at, uint64_t size) {
  uint64_t head = header->version == 1 ? 8 : header->has_order ? 6 : 4;
  while (size >= head) {
    unsigned type = header->version == 1 ? (unsigned)h5_number(at, 2) : at[0];
    uint64_t bytes = h5_number(at + (header->version == 1 ? 2 : 1), 2);
    if (bytes > size - head) return false;
    if (!add_message(o, (H5Message){type, at + head, bytes, (at[header->version == 1 ? 4 : 3] & 2) != 0})) return false;
    at += head + bytes;
    size -= head + bytes;
  }
  return true;
}

static bool read_continuations(const H5 *h, H5Object *o, const Header *header) {
  for (int i = 0; i < o->n; i++) {
    const H5Message *m = &o->messages[i];
    if (m->type != H5_CONTINUATION || m->size < 16) continue;
    uint64_t size = h5_number(m->at + 8, 8);
    const uint8_t *piece = h5_at(h, h5_number(m->at, 8), size);
    if (piece == NULL) return false;
    if (header->version == 1) {
      if (!read_messages(o, header, piece, size)) return false;
    } else if (size < 8 || memcmp(piece, "OCHK", 4) != 0 || !read_messages(o, header, piece + 4, size - 8)) {
      return false;
    }
  }
  return true;
}

bool h5_open_object(const H5 *h, uint64_t address, H5Object *o) {
  *o = (H5Object){0};
  const uint8_t *at = h5_at(h, address, 16);
  if (at == NULL) return false;
  Header header = {.version = 1};
  uint64_t start = 16, size = h5_number(at + 8, 4);
  if (memcmp(at, "OHDR", 4) == 0) {
    int flags = at[5], width = 1 << (flags & 3);
    header = (Header){.version = 2, .has_order = (flags & 4) != 0};
    start = 6 + ((flags & 32) != 0 ? 16 : 0) + ((flags & 16) != 0 ? 4 : 0);
    if ((at = h5_at(h, address, start + 8)) == NULL) return false;
    size = h5_number(at + start, width);
    start += (uint64_t)width;
  } else if (at[0] != 1) {
    return false;
  }
  const uint8_t *messages = h5_at(h, address + start, size);
  if (messages != NULL && read_messages(o, &header, messages, size) && read_continuations(h, o, &header)) return true;
  h5_close_object(o);
  return false;
}

void h5_close_object(H5Object *o) {
  free(o->messages);
  *o = (H5Object){0};
}

const H5Message *h5_message(const H5Object *o, unsigned type) {
  for (int i = 0; i < o->n; i++)
    if (o->messages[i].type == type) return &o->messages[i];
  return NULL;
}

// ---- groups

typedef struct Walk {
  const H5 *h;
  uint64_t names; // where the heap's names lie
  bool (*each)(void *data, const char *name, uint64_t address);
  void *data;
} Walk;

static bool walk_entries(const Walk *w, uint64_t address) {
  enum { ENTRY = 40, SOFT = 2 };
  const uint8_t *node = h5_at(w->h, address, 8);
  if (node == NULL || memcmp(node, "SNOD", 4) != 0) return false;
  uint64_t n = h5_number(node + 6, 2);
  if (h5_at(w->h, address, 8 + n * ENTRY) == NULL) return false;
  for (uint64_t i = 0; i < n; i++) {
    const uint8_t *entry = node + 8 + i * ENTRY;
    uint64_t offset = w->names + h5_number(entry, 8);
    const uint8_t *name = h5_at(w->h, offset, 1);
    if (name == NULL || memchr(name, 0, w->h->size - offset) == NULL) return false;
    if (!w->each(w->data, (const char *)name, h5_number(entry + 16, 4) == SOFT ? H5_NOWHERE : h5_number(entry + 8, 8))) return false;
  }
  return true;
}

static bool walk_tree(const Walk *w, uint64_t address, int depth) {
  const uint8_t *node = h5_at(w->h, address, 24);
  if (node == NULL || memcmp(node, "TREE\0", 5) != 0 || depth > DEEPEST_TREE) return false;
  uint64_t n = h5_number(node + 6, 2);
  if (h5_at(w->h, address, 24 + 16 * n + 8) == NULL) return false;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t child = h5_number(node + 32 + 16 * i, 8);
    if (node[5] == 0 ? !walk_entries(w, child) : !walk_tree(w, child, depth + 1)) return false;
  }
  return true;
}

static bool walk_table(Walk *w, const H5Message *table) {
  if (table->size < 16) return false;
  const uint8_t *heap = h5_at(w->h, h5_number(table->at + 8, 8), 32);
  if (heap == NULL || memcmp(heap, "HEAP", 4) != 0) return false;
  w->names = h5_number(heap + 24, 8);
  return walk_tree(w, h5_number(table->at, 8), 0);
}

// A link that lies in the group's header.
static bool walk_link(const Walk *w, const H5Message *m) {
  char name[512];
  if (m->size < 12) return false;
  int flags = m->at[1], kind = (flags & 8) != 0 ? m->at[2] : 0, width = 1 << (flags & 3);
  uint64_t at = 2 + ((flags & 8) != 0) + ((flags & 4) != 0 ? 8 : 0) + ((flags & 16) != 0);
  if (at + (uint64_t)width > m->size) return false;
  uint64_t n = h5_number(m->at + at, width);
  at += (uint64_t)width;
  if (n >= sizeof name || n > m->size - at || (kind == 0 && m->size - at - n < 8)) return false;
  memcpy(name, m->at + at, n);
  name[n] = '\0';
  return w->each(w->data, name, kind == 0 ? h5_number(m->at + at + n, 8) : H5_NOWHERE);
}

bool h5_links(const H5 *h, const H5Object *group, bool (*each)(void *data, const char *name, uint64_t address), void *data) {
  Walk w = {.h = h, .each = each, .data = data};
  for (int i = 0; i < group->n; i++) {
    const H5Message *m = &group->messages[i];
    if (m->type == H5_TABLE && !walk_table(&w, m)) return false;
    if (m->type == H5_LINK && !walk_link(&w, m)) return false;
  }
  return true;
}
