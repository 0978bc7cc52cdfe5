// Ctrl-C, SIGTERM and SIGXCPU ask the training loop to finish its step and save; a second one ends the process at once.
#ifndef HGM_DRIVER_INTERRUPT_H
#define HGM_DRIVER_INTERRUPT_H

#include <stdbool.h>

void interrupt_watch(void); // install the handlers (once, from a verb that can save)
bool interrupt_requested(void);
int interrupt_exit_code(void); // 128 + the signal

#endif
