#include "compiler/codegen/target.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"

// ---- target

// Once for the process: LLVM's target registry and options are its own globals, and an option may be given only once.
// Exempt from the rule against mutable globals.
static pthread_once_t llvm_started = PTHREAD_ONCE_INIT;

static void start_llvm(void) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  // Scheduling after the registers are given out gains nothing, and neither does the reduction of loops, a fifth of the compile time:
  // the loops that count carry the pointers with which they read (gemm.c).
  static const char *const arguments[] = {"hgmc", "-post-RA-scheduler=0", "-disable-lsr"};
  LLVMParseCommandLineOptions(sizeof arguments / sizeof *arguments, arguments, "");
}

// Processors of LLVM 19 with 512-bit vectors, for a target named without its features.
static bool cpu_has_512(const char *cpu) {
  static const char *const names[] = {"skylake-avx512", "cascadelake",   "cooperlake",      "cannonlake", "icelake-client",
                                      "icelake-server", "tigerlake",     "rocketlake",      "znver4",     "sapphirerapids",
                                      "emeraldrapids",  "graniterapids", "graniterapids-d", "znver5",     "x86-64-v4"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(cpu, names[i])) return true;
  return false;
}

static bool has_feature(const char *features, const char *name) {
  size_t n = strlen(name);
  for (const char *p = features; (p = strstr(p, name)); p += n)
    if ((p == features || p[-1] == ',') && (p[n] == 0 || p[n] == ',')) return true;
  return false;
}

static char *copy(const char *text) {
  char *c = malloc(strlen(text) + 1);
  if (!c) ir_fail("out of memory");
  return strcpy(c, text);
}

void code_target_name(const char *cpu, const char *features, char **cpu_name, char **feature_list) {
  char *host_cpu = LLVMGetHostCPUName(), *host_features = LLVMGetHostCPUFeatures();
  *cpu_name = copy(cpu ? cpu : host_cpu);
  *feature_list = copy(features ? features : cpu ? "" : host_features);
  LLVMDisposeMessage(host_cpu);
  LLVMDisposeMessage(host_features);
}

CodeTarget *code_target_create(const char *cpu, const char *features, Effort effort, HgmError *error) {
  pthread_once(&llvm_started, start_llvm);
  CodeTarget *t = calloc(1, sizeof *t);
  if (!t) ir_fail("out of memory");
  code_target_name(cpu, features, &t->cpu, &t->features);
  bool listed = *t->features != 0; // a bare processor name is trusted to bring AVX2 and FMA
  if (listed && !cpu && !(has_feature(t->features, "+avx2") && has_feature(t->features, "+fma"))) {
    hgm_fail(error, 2, "this processor (%s) has no AVX2 and FMA; compiled models need both", t->cpu);
    code_target_destroy(t);
    return NULL;
  }
  bool wide = (cpu_has_512(t->cpu) || has_feature(t->features, "+avx512f")) && !has_feature(t->features, "-avx512f");
  t->vector_bits = wide ? 512 : 256;
  t->effort = effort;
  bool arm = strcmp(t->cpu, "aarch64") == 0;
  t->triple = copy(arm ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu");
  LLVMTargetRef target;
  char *message = NULL;
  if (LLVMGetTargetFromTriple(t->triple, &target, &message)) ir_fail("LLVM has no target %s: %s", t->triple, message);
  LLVMCodeGenOptLevel level = effort == QUICKLY ? LLVMCodeGenLevelNone : LLVMCodeGenLevelDefault;
  if (arm) strcpy(t->cpu, "generic"); // LLVM's word for it
  t->machine = LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, level, LLVMRelocPIC, LLVMCodeModelSmall);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(t->machine);
  char *text = LLVMCopyStringRepOfTargetData(layout);
  t->layout = copy(text);
  LLVMDisposeMessage(text);
  LLVMDisposeTargetData(layout);
  return t;
}

void code_target_destroy(CodeTarget *t) {
  if (!t) return;
  if (t->machine) LLVMDisposeTargetMachine(t->machine);
  free(t->cpu);
  free(t->features);
  free(t->triple);
  free(t->layout);
  free(t);
}

// ---- module

CodeModule *code_module_create(const CodeTarget *target, const char *name) {
  CodeModule *m = calloc(1, sizeof *m);
  if (!m) ir_fail("out of memory");
  LLVMContextRef c = LLVMContextCreate();
  *m = (CodeModule){.target = target, .context = c};
  m->module = LLVMModuleCreateWithNameInContext(name, c);
  LLVMSetTarget(m->module, target->triple);
  LLVMSetDataLayout(m->module, target->layout);
  m->builder = LLVMCreateBuilderInContext(c);
  m->none = LLVMVoidTypeInContext(c);
  m->i1 = LLVMInt1TypeInContext(c);
  m->i32 = LLVMInt32TypeInContext(c);
  m->i64 = LLVMInt64TypeInContext(c);
  m->f32 = LLVMFloatTypeInContext(c);
  m->f64 = LLVMDoubleTypeInContext(c);
  m->pointer = LLVMPointerTypeInContext(c, 0);
  code_module_lanes(m, CODE_LANES);
  return m;
}

void code_module_lanes(CodeModule *m, unsigned lanes) {
  m->lanes = lanes;
  m->v16i1 = LLVMVectorType(m->i1, lanes);
  m->v16i32 = LLVMVectorType(m->i32, lanes);
  m->v16i64 = LLVMVectorType(m->i64, lanes);
  m->v16f32 = LLVMVectorType(m->f32, lanes);
  m->v16f64 = LLVMVectorType(m->f64, lanes);
}

void code_module_destroy(CodeModule *m) {
  if (!m) return;
  LLVMDisposeBuilder(m->builder);
  LLVMDisposeModule(m->module);
  LLVMContextDispose(m->context);
  free(m);
}

static void attribute(CodeModule *m, LLVMValueRef f, LLVMAttributeIndex at, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(f, at, LLVMCreateEnumAttribute(m->context, kind, 0));
}

static void text_attribute(CodeModule *m, LLVMValueRef f, const char *name, const char *value) {
  LLVMAttributeRef a = LLVMCreateStringAttribute(m->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

LLVMValueRef code_function(CodeModule *m, const char *name, LLVMTypeRef result, LLVMTypeRef *arguments, unsigned n, bool internal) {
  LLVMValueRef f = LLVMAddFunction(m->module, name, LLVMFunctionType(result, arguments, n, false));
  if (internal) LLVMSetLinkage(f, LLVMInternalLinkage);
  attribute(m, f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, "nounwind");
  text_attribute(m, f, "target-cpu", m->target->cpu);
  text_attribute(m, f, "target-features", m->target->features);
  text_attribute(m, f, "min-legal-vector-width", m->target->vector_bits == 512 ? "512" : "256");
  for (unsigned i = 0; i < n; i++)
    if (arguments[i] == m->pointer) {
      attribute(m, f, i + 1, "noalias");
      attribute(m, f, i + 1, "nocapture");
    }
  LLVMPositionBuilderAtEnd(m->builder, LLVMAppendBasicBlockInContext(m->context, f, "entry"));
  return f;
}

void code_features(CodeModule *m, const char *more) {
  const char *known = m->target->features;
  char *all = malloc(strlen(known) + strlen(more) + 2);
  if (!all) ir_fail("out of memory");
  sprintf(all, "%s%s%s", known, *known != 0 ? "," : "", more);
  text_attribute(m, LLVMGetBasicBlockParent(LLVMGetInsertBlock(m->builder)), "target-features", all);
  free(all);
}

LLVMValueRef code_kernel(CodeModule *m, const char *name, unsigned n, LLVMValueRef *pointers) {
  LLVMTypeRef arguments[] = {m->pointer, m->pointer};
  LLVMValueRef f = code_function(m, name, m->none, arguments, 2, false);
  LLVMValueRef table = LLVMGetParam(f, 1);
  LLVMSetValueName2(LLVMGetParam(f, 0), "tile", 4);
  LLVMSetValueName2(table, "pointers", 8);
  for (unsigned i = 0; i < n; i++) {
    LLVMValueRef index = LLVMConstInt(m->i64, i, false);
    LLVMValueRef slot = LLVMBuildInBoundsGEP2(m->builder, m->pointer, table, &index, 1, "");
    pointers[i] = LLVMBuildLoad2(m->builder, m->pointer, slot, "");
  }
  return f;
}

void code_without_passes(CodeModule *m) {
  LLVMValueRef f = LLVMGetBasicBlockParent(LLVMGetInsertBlock(m->builder));
  attribute(m, f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, "noinline"); // LLVM wants both
  attribute(m, f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, "optnone");
}

// ---- out of a module

unsigned code_module_instructions(const CodeModule *m) {
  unsigned n = 0;
  for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f; f = LLVMGetNextFunction(f))
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
      for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) n++;
  return n;
}

char *code_module_text(const CodeModule *m) { return LLVMPrintModuleToString(m->module); }

static LLVMMemoryBufferRef emit(const CodeModule *m, LLVMCodeGenFileType kind) {
  char *message = NULL;
  if (LLVMVerifyModule(m->module, LLVMReturnStatusAction, &message)) ir_fail("invalid LLVM module: %s", message);
  LLVMDisposeMessage(message);
  message = NULL;
  LLVMMemoryBufferRef buffer = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(m->target->machine, m->module, kind, &message, &buffer)) ir_fail("LLVM cannot compile a module: %s", message);
  return buffer;
}

LLVMMemoryBufferRef code_module_object(const CodeModule *m) { return emit(m, LLVMObjectFile); }

char *code_module_assembly(const CodeModule *m) {
  LLVMMemoryBufferRef buffer = emit(m, LLVMAssemblyFile);
  size_t n = LLVMGetBufferSize(buffer);
  char *text = malloc(n + 1);
  if (!text) ir_fail("out of memory");
  memcpy(text, LLVMGetBufferStart(buffer), n);
  text[n] = 0;
  LLVMDisposeMemoryBuffer(buffer);
  return text;
}
