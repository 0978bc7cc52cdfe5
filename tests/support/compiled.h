// A module of kernels written by hand, finished and mapped: for tests and benchmarks of code that writes kernels.
//   Image image;
//   if (!compiled_image(m, &image, &error)) fail_msg("%s", error.text);
#ifndef HGM_TESTS_COMPILED_H
#define HGM_TESTS_COMPILED_H

#include "compiler/codegen/image.h"
#include "compiler/codegen/target.h"

// Ends the module. False with a message when its object has no flat image.
static inline bool compiled_image(CodeModule *m, Image *image, HgmError *error) {
  LLVMMemoryBufferRef buffer = code_module_object(m);
  ImageObject object = {LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer)};
  bool ok = image_build(image, &object, 1, error) && image_map(image, error);
  LLVMDisposeMemoryBuffer(buffer);
  code_module_destroy(m);
  return ok;
}

#endif
