#include "runtime/cpu.h"

HgmCpu hgm_cpu_level(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return HGM_CPU_V4;
  return __builtin_cpu_supports("x86-64-v3") ? HGM_CPU_V3 : HGM_CPU_ANY;
}

const char *hgm_cpu_level_name(HgmCpu level) { return level == HGM_CPU_V4 ? "x86-64-v4" : level == HGM_CPU_V3 ? "x86-64-v3" : "x86-64"; }
