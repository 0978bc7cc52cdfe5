// Kinds of processor that programs are compiled for: the levels of the x86-64 psABI.
#ifndef HGM_CPU_H
#define HGM_CPU_H

typedef enum {
  HGM_CPU_ANY, // less than the next: runs no compiled program
  HGM_CPU_V3,  // x86-64-v3: AVX2, FMA
  HGM_CPU_V4,  // x86-64-v4: AVX-512 F, BW, CD, DQ, VL
} HgmCpu;

HgmCpu hgm_cpu_level(void); // the highest that the processor and the system here can run
const char *hgm_cpu_level_name(HgmCpu level);

#endif
