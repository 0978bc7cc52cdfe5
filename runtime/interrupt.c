#include "runtime/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

// A signal handler has no other way to speak: the one mutable file-scope variable of the program.
static volatile sig_atomic_t caught;

static void handle(int number) {
  if (caught != 0) _exit(128 + number);
  caught = number;
}

void hgm_interrupt_watch(void) {
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGXCPU, &action, NULL);
}

bool hgm_interrupt_requested(void) { return caught != 0; }

int hgm_interrupt_exit_code(void) { return 128 + (caught != 0 ? (int)caught : SIGTERM); } // another process of the run was told
