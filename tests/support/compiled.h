// Kernels written by hand, finished and mapped: for tests and benchmarks of code that writes kernels. What fails ends the process.
//   CodeTarget *t = compiled_target(NULL, WITH_CARE);
//   CodeModule *m = code_module_create(t, "sum"); code_kernel(m, "kernel", 2, p); ...
//   Compiled c = compiled_kernel(m);  c.run(&tile, pointers);  image_free(&c.image);
#ifndef HGM_TESTS_COMPILED_H
#define HGM_TESTS_COMPILED_H

#include <stdio.h>
#include <stdlib.h>

#include "compiler/codegen/image.h"
#include "compiler/codegen/target.h"
#include "compiler/ir/ir.h"

static inline CodeTarget *compiled_target(const char *cpu, Effort effort) {
  HgmError error = {0};
  CodeTarget *t = code_target_create(cpu, NULL, effort, &error);
  if (!t) ir_fail("%s", error.text);
  return t;
}

// Ends the module, whose functions are finished. KERNEL_ASM=1 prints its assembly.
static inline Image compiled_image(CodeModule *m) {
  Image image;
  HgmError error = {0};
  if (getenv("KERNEL_ASM")) {
    char *text = code_module_assembly(m);
    puts(text);
    free(text);
  }
  LLVMMemoryBufferRef buffer = code_module_object(m);
  ImageObject object = {LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer)};
  if (!image_build(&image, &object, 1, &error) || !image_map(&image, &error)) ir_fail("%s", error.text);
  LLVMDisposeMemoryBuffer(buffer);
  code_module_destroy(m);
  return image;
}

typedef struct Compiled {
  Image image;
  HgmKernel *run;
} Compiled;

// Ends the function `kernel` and its module.
static inline Compiled compiled_kernel(CodeModule *m) {
  LLVMBuildRetVoid(m->builder);
  Compiled c = {.image = compiled_image(m)};
  c.run = image_kernel(&c.image, "kernel");
  return c;
}

#endif
