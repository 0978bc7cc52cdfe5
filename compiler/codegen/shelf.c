#include "compiler/codegen/shelf.h"

#include <pthread.h>
#include <stdio.h>

struct CodeShelf {
  pthread_mutex_t lock; // of all below
  pthread_cond_t is_put;
  int users;
  Arena *arena;
  KernelSet known[EFFORTS];
  VEC(ShelfKernel *) kernels[EFFORTS]; // by place among the known
  VEC(LLVMMemoryBufferRef) objects;
  VEC(Arena *) arenas;
};

CodeShelf *codegen_shelf_create(void) {
  Arena *arena = arena_create();
  CodeShelf *shelf = ARENA_NEW(arena, CodeShelf);
  *shelf = (CodeShelf){.arena = arena, .users = 1};
  for (int e = 0; e < EFFORTS; e++) shelf->known[e].arena = arena;
  if (pthread_mutex_init(&shelf->lock, NULL) != 0 || pthread_cond_init(&shelf->is_put, NULL) != 0) ir_fail("no lock can be made");
  return shelf;
}

CodeShelf *codegen_shelf_share(CodeShelf *shelf) {
  pthread_mutex_lock(&shelf->lock);
  shelf->users++;
  pthread_mutex_unlock(&shelf->lock);
  return shelf;
}

void codegen_shelf_release(CodeShelf *shelf) {
  if (shelf == NULL) return;
  pthread_mutex_lock(&shelf->lock);
  int left = --shelf->users;
  pthread_mutex_unlock(&shelf->lock);
  if (left > 0) return;
  for (size_t i = 0; i < shelf->objects.len; i++) LLVMDisposeMemoryBuffer(shelf->objects.at[i]);
  for (size_t i = 0; i < shelf->arenas.len; i++) arena_destroy(shelf->arenas.at[i]);
  pthread_cond_destroy(&shelf->is_put);
  pthread_mutex_destroy(&shelf->lock);
  arena_destroy(shelf->arena);
}

ShelfKernel *shelf_claim(CodeShelf *shelf, const Kernel *kernel, Effort effort, bool *is_mine) {
  pthread_mutex_lock(&shelf->lock);
  size_t place = kernel_set_add(&shelf->known[effort], kernel);
  *is_mine = place == shelf->kernels[effort].len;
  if (*is_mine) {
    static const char *const name[EFFORTS] = {"kernel", "brief", "quick"};
    ShelfKernel *new = ARENA_NEW(shelf->arena, ShelfKernel);
    *new = (ShelfKernel){0};
    snprintf(new->name, sizeof new->name, "%s_%zu", name[effort], place);
    VEC_PUSH(shelf->arena, &shelf->kernels[effort], new);
  }
  ShelfKernel *claimed = shelf->kernels[effort].at[place];
  pthread_mutex_unlock(&shelf->lock);
  return claimed;
}

void shelf_put(CodeShelf *shelf, ShelfKernel *kernel, LLVMMemoryBufferRef object) {
  pthread_mutex_lock(&shelf->lock);
  kernel->object = object;
  kernel->is_put = true;
  pthread_cond_broadcast(&shelf->is_put);
  pthread_mutex_unlock(&shelf->lock);
}

LLVMMemoryBufferRef shelf_object(CodeShelf *shelf, ShelfKernel *kernel) {
  pthread_mutex_lock(&shelf->lock);
  while (!kernel->is_put) pthread_cond_wait(&shelf->is_put, &shelf->lock);
  LLVMMemoryBufferRef object = kernel->object;
  pthread_mutex_unlock(&shelf->lock);
  return object;
}

void shelf_keep_object(CodeShelf *shelf, LLVMMemoryBufferRef object) {
  pthread_mutex_lock(&shelf->lock);
  VEC_PUSH(shelf->arena, &shelf->objects, object);
  pthread_mutex_unlock(&shelf->lock);
}

void shelf_keep_arena(CodeShelf *shelf, Arena *arena) {
  pthread_mutex_lock(&shelf->lock);
  VEC_PUSH(shelf->arena, &shelf->arenas, arena);
  pthread_mutex_unlock(&shelf->lock);
}
