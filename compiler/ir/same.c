// Values in a hash table with open addressing.
#include "compiler/ir/same.h"

#include <string.h>

struct IrSameSlot {
  const IrValue *value; // NULL: free
  IrRef first;
};

// a op b and b op a are equal to the bit.
static bool commutes(IrOp op) { return op == IR_ADD || op == IR_MUL || op == IR_EQ || op == IR_AND || op == IR_OR; }

// Letters of a spec named in order of appearance, so that "eb,bc->ec" and "xy,yz->xz" are one.
static const char *plain_spec(const char *spec, char plain[64]) {
  char name[128] = {0}, next = 'a';
  size_t n = strlen(spec);
  for (size_t i = 0; i <= n; i++) {
    unsigned char c = (unsigned char)spec[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter && !name[c]) name[c] = next++;
    plain[i] = letter ? name[c] : (char)c;
  }
  return plain;
}

static uint64_t mix(uint64_t h, uint64_t x) {
  h ^= x;
  h *= 0x9e3779b97f4a7c15u;
  return h ^ (h >> 29);
}

static uint64_t hash_name(const IrValue *v) {
  if (!v->attr.name) return 0;
  char plain[64];
  const char *name = v->op == IR_EINSUM ? plain_spec(v->attr.name, plain) : v->attr.name;
  return hash_bytes(name, strlen(name));
}

static uint64_t hash_value(const IrValue *v) {
  uint64_t h = mix((uint64_t)v->op << 8 | (uint64_t)v->type.dtype, v->type.rank), pair = 0;
  for (int i = 0; i < v->type.rank; i++) h = mix(h, (uint64_t)v->type.axes[i]);
  for (uint32_t k = 0; k < v->n_operands; k++) {
    if (commutes(v->op)) pair += mix(1, v->operands[k]);
    else h = mix(h, v->operands[k]);
  }
  const IrAttr *a = &v->attr;
  h = mix(mix(mix(mix(h, pair), hash_name(v)), (uint64_t)a->from), (uint64_t)a->to);
  h = mix(mix(h, (uint64_t)a->step),
          a->axes | (uint64_t)a->draw << 32 | (uint64_t)a->backwards << 40 | (uint64_t)a->exclusive << 41 | (uint64_t)a->upper << 42);
  h = mix(h, (uint64_t)(uint8_t)a->axis | (uint64_t)(uint8_t)a->batch << 8);
  uint64_t order;
  memcpy(&order, a->order, sizeof order);
  h = mix(h, order);
  if (a->data) h = mix(h, hash_bytes(a->data, (size_t)ir_elements(&v->type) * sizeof(double)));
  return h;
}

static bool same_operands(const IrValue *a, const IrValue *b) {
  if (a->n_operands != b->n_operands) return false;
  if (a->n_operands && memcmp(a->operands, b->operands, a->n_operands * sizeof *a->operands) == 0) return true;
  if (commutes(a->op)) return a->operands[0] == b->operands[1] && a->operands[1] == b->operands[0];
  return a->n_operands == 0;
}

static bool same_name(const IrValue *a, const IrValue *b) {
  if (!a->attr.name || !b->attr.name) return a->attr.name == b->attr.name;
  char plain[2][64];
  if (a->op == IR_EINSUM) return strcmp(plain_spec(a->attr.name, plain[0]), plain_spec(b->attr.name, plain[1])) == 0;
  return strcmp(a->attr.name, b->attr.name) == 0;
}

static bool same_value(const IrValue *a, const IrValue *b) {
  if (a->op != b->op || !ir_type_equal(&a->type, &b->type) || !same_operands(a, b)) return false;
  const IrAttr *x = &a->attr, *y = &b->attr;
  if (x->from != y->from || x->to != y->to || x->step != y->step || x->axes != y->axes || x->axis != y->axis) return false;
  if (x->batch != y->batch || x->draw != y->draw || x->backwards != y->backwards || x->exclusive != y->exclusive) return false;
  if (x->upper != y->upper || memcmp(x->order, y->order, sizeof x->order) != 0 || !same_name(a, b)) return false;
  return !x->data || memcmp(x->data, y->data, (size_t)ir_elements(&a->type) * sizeof(double)) == 0;
}

IrSame ir_same_new(Arena *arena, size_t most) {
  size_t cap = 16;
  while (cap < 2 * most) cap *= 2;
  return (IrSame){ARENA_ARRAY(arena, struct IrSameSlot, cap), cap};
}

IrRef *ir_same(IrSame *same, const IrValue *v) {
  size_t at = hash_value(v) & (same->cap - 1);
  while (same->slots[at].value != NULL && !same_value(same->slots[at].value, v)) at = (at + 1) & (same->cap - 1);
  if (same->slots[at].value == NULL) same->slots[at] = (struct IrSameSlot){v, IR_NONE};
  return &same->slots[at].first;
}
