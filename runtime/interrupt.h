// Ctrl-C, SIGTERM and SIGXCPU ask whoever works step by step to come to a good end: a training saves, a writer leaves no half of a file.
// A second one ends the process at once. Only programs call this, no library.
#ifndef HGM_INTERRUPT_H
#define HGM_INTERRUPT_H

#include <stdbool.h>

void hgm_interrupt_watch(void); // install the handlers
bool hgm_interrupt_requested(void);
int hgm_interrupt_exit_code(void); // 128 + the signal

#endif
