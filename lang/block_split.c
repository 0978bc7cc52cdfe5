// Fields of two parts. A step of the chain splits them, and fields of their own take the parts further:
//
//   iso  = "iso" in GeV |> hurdle(0)          iso.on is a class, iso.size a number where it is on
//   on   = iso.on
//   size = iso.size |> log |> standardize
//
// A field of a part has no columns: its value is cut from that of the field that is split, and on output that field is joined again
// when both of its parts are generated. Where a hurdle is off, the size is normal noise for what trains and scores, drawn anew at every
// reading, and is left out of fits.
#include <string.h>

#include "lang/block.h"

static void describe_part(Elab *e, DataField *part, const PrepStep *step) {
  static const ClassValues two = {.n = 2};
  int64_t n = prep_part_numbers(step, part->part);
  part->shape = step->in.rank == 1 ? (Extents){0} : extents_of(1, &n);
  if (step->info->kind == PREP_HURDLE && part->part == 0) part->classes = &two;
  else part->unit = part->part == 1 && step->info->kind == PREP_SEGMENTS ? NULL : part->whole->unit;
  part->text = part->whole->text;
  field_types(e, part);
}

void split_parts(Elab *e, DataField *f) {
  PrepStep *step = f->chain.at[--f->chain.len];
  f->split = step;
  f->record = f->prepared->record = f->physical->record = true;
  for (int k = 0; k < 2; k++) {
    DataField *part = field_begin(blocks_of(e), f->block, f->name, (AstName){prep_part_name(step, k), f->span}, false);
    part->whole = f;
    part->part = k;
    describe_part(e, part, step);
    field_add_part(e, f, part);
  }
}

const DataField *split_part_of(const DataField *f) { return f->of != NULL ? f->of : f->whole != NULL ? f : NULL; }

const DataField *split_named(const DataBlock *d, const AstExpr *x) {
  while (x->kind == EX_PIPE) x = x->u.pipe.left;
  if (x->kind != EX_FIELD || x->u.field.object->kind != EX_NAME) return NULL;
  for (size_t i = 0; i < d->fields.len; i++) {
    const DataField *f = d->fields.at[i];
    if (f->split == NULL || strcmp(f->label, x->u.field.object->u.name) != 0) continue;
    for (size_t k = 0; k < f->fields.len; k++)
      if (strcmp(f->fields.at[k]->label, x->u.field.name.text) == 0) return f->fields.at[k];
  }
  return NULL;
}

IrRef split_value(Elab *e, const DataField *part) {
  const DataField *f = part->whole;
  IrRef x = field_forward(e, f, field_source(e, f, field_own(e, f)), 0, f->chain.len);
  return prep_part(e->scene->fn, f->split, prep_forward(e->scene->fn, f->split, x), part->part);
}

bool split_is_masked(const DataField *f) {
  const DataField *part = split_part_of(f);
  return part != NULL && part->part == 1 && part->whole->split->info->kind == PREP_HURDLE;
}

IrRef split_on(Elab *e, const DataField *f) {
  DataField *on = split_part_of(f)->whole->fields.at[0];
  bool fields = e->scene->purpose == SCENE_TRAIN || e->scene->purpose == SCENE_VALIDATE;
  IrRef x = fields ? ir_cast(e->scene->fn, elab_per_event(e, field_prepared(e, on, on->span)), IR_F64) : split_value(e, on);
  return ir_binary(e->scene->fn, IR_LT, ir_number(e->scene->fn, IR_F64, 0.5), x);
}

static IrRef in_a_row(IrFn *fn, IrRef x) { return ir_reshape(fn, x, 2, (int64_t[]){IR_EVENTS, ir_elements(ir_type_of(fn, x))}); }

IrRef split_join(Elab *e, const DataField *whole, IrRef first, IrRef second) {
  IrFn *fn = e->scene->fn;
  IrRef parts[2] = {in_a_row(fn, first), in_a_row(fn, second)};
  return field_inverse(e, whole, prep_inverse(fn, whole->split, ir_concat(fn, parts, 2, 1)));
}

// The numbers of the segments are those of the column, where no type is declared.
bool split_sizes(Blocks *b, DataField *f, const AstExpr *const *steps, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const AstExpr *x = steps[i];
    if (x->kind != EX_CALL || x->u.call.callee->kind != EX_NAME || strcmp(x->u.call.callee->u.name, "segments") != 0 || x->u.call.args.len != 1) continue;
    Value *v = elab_expr(b->e, f->block->scope, x->u.call.args.at[0].value);
    int64_t total = 0;
    for (size_t k = 0; v->kind == VALUE_LIST && k < v->u.list.len; k++) {
      const Value *size = v->u.list.at[k];
      if (size->kind != VALUE_INT || size->u.integer < 1) {
        Diag *d = elab_error(b->e, DIAG_TYPE, x->span, "`segments` takes a list of sizes, and a size is a whole number from 1");
        diag_help(b->e->diags, d, "`segments([8, 160, 190, 5, 5])`");
        return false;
      }
      total += size->u.integer;
    }
    if (total > 0 && f->shape.rank == 0 && !f->vector) f->shape = extents_of(1, &total);
    if (total == 0 || extents_elements(&f->shape) == total) continue;
    Diag *d = elab_error(b->e, DIAG_COLUMN_SHAPE, x->span, "the segments have %lld numbers, `%s` has %lld", (long long)total, f->label,
                         (long long)extents_elements(&f->shape));
    diag_help(b->e->diags, d, "the sizes add up to the numbers of the field");
    return false;
  }
  return true;
}
