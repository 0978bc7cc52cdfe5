// The compiler in a process of its own: this program once more, which is sent functions and answers with packed programs. So a process
// that trains never has LLVM's pages and heap; the other one goes when it has had nothing to do for a while. Both ends are the same executable:
// structs go between them as they lie in memory. docs/compile-time.md says when it begins and ends.
//
//   CompilerProcess *c = compiler_process_create("/proc/self/exe");  compiler_process_ask(c, fn, &options, 2, 1, &compiled);  compiler_process_destroy(c);
#ifndef HGM_DRIVER_COMPILER_PROCESS_H
#define HGM_DRIVER_COMPILER_PROCESS_H

#include "compiler/driver/compiling.h"

#define COMPILER_VERB "compiler" // of the command line that starts it; nobody else's

typedef struct CompilerProcess CompilerProcess;

typedef enum {
  COMPILER_DONE,
  COMPILER_ABSENT, // it cannot be started
  COMPILER_STOPPED,
  COMPILER_DIED
} CompilerAnswer;

CompilerProcess *compiler_process_create(const char *program); // starts nothing yet; NULL: out of memory
void compiler_process_begin(CompilerProcess *compiler);        // it will be asked soon
// From any thread, as compile_function there with a pool of so many threads. Programs asked for with the same number share a shelf; 0: none.
// Honours options->stop and options->scheduled (of whose tables only the sizes are sent).
CompilerAnswer compiler_process_ask(CompilerProcess *compiler, const IrFn *fn, const CodegenOptions *options, int threads, unsigned shelf, Compiled *compiled);
// How it ended, where it did so by itself: "signal 9", "exit code 3".
void compiler_process_death(CompilerProcess *compiler, char *text, size_t size);
void compiler_process_destroy(CompilerProcess *compiler); // nobody may be waiting for an answer; NULL: nothing

int compiler_serve(void); // the other end, until the one that asks is gone: an exit code

#endif
