// What all code emission shares: the machine we compile for, and a module under construction with its types.
//
//   CodeTarget *target = code_target_create(NULL, NULL, &error);            // one a thread; NULL: the host
//   CodeModule *m = code_module_create(target, "kernel_7");                 // context, module and builder of its own
//   LLVMValueRef f = code_kernel(m, "kernel_7", 3, pointers);               // void (HgmTile *, void **); pointers
//   loaded
//   ... emit through m->builder (emit.h, vmath.h, gemm.h) ...
//   LLVMBuildRetVoid(m->builder);
//   LLVMMemoryBufferRef object = code_module_object(m);                     // verified, compiled: an ELF object
//   code_module_destroy(m);
//
// Rules kept here (measured): X86 only; codegen level Default (None for what runs seldom), no IR passes, no post-RA scheduler, no loop strength reduction;
// position-independent small-model code without unwind tables; every function carries target-cpu, target-features and
// min-legal-vector-width. IR keeps 16 lanes on AVX2 too, so that bits do not depend on the machine.
// A context is never shared between threads. Nothing here sets a fast-math flag.
#ifndef HGM_CODEGEN_TARGET_H
#define HGM_CODEGEN_TARGET_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler/codegen/codegen.h"
#include "runtime/error.h"

// Of making machine code. WITH_CARE: what runs fastest. BRIEFLY: LLVM's level Default too, but the form of the code that is compiled soonest (one
// machine vector where lanes stand alone, products as functions of their module). QUICKLY: that form at level None, without most passes.
typedef enum { WITH_CARE, BRIEFLY, QUICKLY, EFFORTS } Effort;

typedef struct CodeTarget {
  LLVMTargetMachineRef machine;
  char *cpu, *features; // as given to LLVM; also part of a cache key
  char *triple, *layout;
  unsigned vector_bits; // 512 or 256: widest legal vector
  Effort effort;
} CodeTarget;

// The processor and features that code_target_create takes: those given, or the host's. Freed by the caller.
void code_target_name(const char *cpu, const char *features, char **cpu_name, char **feature_list);
// cpu, features NULL: the host's. Fails (environment) on a machine without AVX2 and FMA. Initialises LLVM's X86 once.
CodeTarget *code_target_create(const char *cpu, const char *features, Effort effort, HgmError *error);
void code_target_destroy(CodeTarget *target);

typedef struct CodeModule {
  const CodeTarget *target;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  LLVMTypeRef none, i1, i32, i64, f32, f64, pointer;
  unsigned lanes; // of these vectors: CODE_LANES, unless code_module_lanes says otherwise
  LLVMTypeRef v16i1, v16i32, v16i64, v16f32, v16f64;
} CodeModule;

CodeModule *code_module_create(const CodeTarget *target, const char *name);
void code_module_destroy(CodeModule *m);
// Vectors of 4, 8 or CODE_LANES lanes from here on, for kernels whose lanes are an axis of a value. Lane-wise operations give the
// same bits for any number.
void code_module_lanes(CodeModule *m, unsigned lanes);

// Declares a function with the attributes every function needs, makes its entry block and puts the builder there.
// Pointer arguments are noalias nocapture. internal: not visible outside the module (a helper that kernels call).
LLVMValueRef code_function(CodeModule *m, const char *name, LLVMTypeRef result, LLVMTypeRef *arguments, unsigned n, bool internal);
// The function at the builder's position may use these features too: "+amx-tile".
void code_features(CodeModule *m, const char *more);
// An HgmKernel. Loads its n pointers in the entry block into pointers[0..n). Argument 0 is the HgmTile.
LLVMValueRef code_kernel(CodeModule *m, const char *name, unsigned n, LLVMValueRef *pointers);
// The function at hand is spared the passes that may be left out, whatever the level: for kernels that do little but call functions of their module.
void code_without_passes(CodeModule *m);

unsigned code_module_instructions(const CodeModule *m); // LLVM instructions of all functions
char *code_module_text(const CodeModule *m);            // LLVM IR; free with LLVMDisposeMessage
// Verifies and compiles to an ELF object. An invalid module is our own bug: ir_fail with LLVM's message.
// The caller disposes of the buffer (LLVMDisposeMemoryBuffer).
LLVMMemoryBufferRef code_module_object(const CodeModule *m);
char *code_module_assembly(const CodeModule *m); // for dumps; free()

#endif
