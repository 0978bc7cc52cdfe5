// Machine code that programs compiled at the same time have in common. A kernel is made by the program that asks for it first; the
// others wait for that, and lay the object with it into images of their own. A program alone has a shelf of its own.
//
//   ShelfKernel *k = shelf_claim(shelf, kernel, effort, &mine);  ... of mine: shelf_put(shelf, k, object) ...  object = shelf_object(shelf, k);
//
// Who claims puts all that is his before he asks for an object, so nobody waits in a circle.
#ifndef HGM_CODEGEN_SHELF_H
#define HGM_CODEGEN_SHELF_H

#include "compiler/codegen/kernel.h"

typedef struct ShelfKernel {
  char name[24];              // in its object; no other kernel of the shelf has it
  LLVMMemoryBufferRef object; // with others
  bool is_put;
} ShelfKernel;

// `kernel`, and what it points to, stays until the shelf is gone (shelf_keep).
ShelfKernel *shelf_claim(CodeShelf *shelf, const Kernel *kernel, Effort effort, bool *is_mine);
void shelf_put(CodeShelf *shelf, ShelfKernel *kernel, LLVMMemoryBufferRef object); // NULL: given up. The object is the caller's still
LLVMMemoryBufferRef shelf_object(CodeShelf *shelf, ShelfKernel *kernel);           // waits; NULL: given up
// Disposed of with the shelf.
void shelf_keep_object(CodeShelf *shelf, LLVMMemoryBufferRef object);
void shelf_keep_arena(CodeShelf *shelf, Arena *arena);

#endif
