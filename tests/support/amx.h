// AMX on processors without it, for tests of code that uses it: the system's signal for an unknown instruction leads to one that is carried out here, as the
// Intel SDM describes it (tile registers, TDPBF16PS; numbers below the smallest normal one are zeros).
//
//   if (!hgm_cpu_use_amx()) amx_emulate();   run the code, compiled for x86-64-v3 with tiles;   amx_emulated() instructions were carried out
#ifndef HGM_TESTS_AMX_H
#define HGM_TESTS_AMX_H

void amx_emulate(void); // from here on, in the whole process
long amx_emulated(void);

#endif
