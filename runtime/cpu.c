#include "runtime/cpu.h"

#include <stddef.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

// Which registers the system saves for a process: bits of XCR0.
static uint64_t saved_registers(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

HgmCpu hgm_cpu_level(void) {
  enum { FMA = 1 << 12, MOVBE = 1 << 22, OSXSAVE = 1 << 27, F16C = 1 << 29, LZCNT = 1 << 5 };                                 // leaf 1 ecx, 0x80000001 ecx
  enum { BMI1 = 1 << 3, AVX2 = 1 << 5, BMI2 = 1 << 8, F = 1 << 16, DQ = 1 << 17, CD = 1 << 28, BW = 1 << 30 };                // leaf 7 ebx
  const uint32_t v3 = FMA | MOVBE | OSXSAVE | F16C, v3_more = BMI1 | AVX2 | BMI2, v4 = (uint32_t)F | DQ | CD | BW | 1u << 31; // bit 31: VL
  uint32_t a, b, c, d, more, extended;
  if (!__get_cpuid_count(7, 0, &a, &more, &c, &d) || !__get_cpuid(0x80000001, &a, &b, &extended, &d) || !__get_cpuid(1, &a, &b, &c, &d)) return HGM_CPU_ANY;
  bool is_v3 = (c & v3) == v3 && (more & v3_more) == v3_more && (extended & LZCNT) != 0 && (saved_registers() & 0x06) == 0x06;
  if (!is_v3) return HGM_CPU_ANY;
  return (more & v4) == v4 && (saved_registers() & 0xe6) == 0xe6 ? HGM_CPU_V4 : HGM_CPU_V3;
}

#else
HgmCpu hgm_cpu_level(void) { return HGM_CPU_AARCH64; }
#endif

const char *hgm_cpu_level_name(HgmCpu level) {
  static const char *const names[] = {[HGM_CPU_ANY] = "x86-64", [HGM_CPU_V3] = "x86-64-v3", [HGM_CPU_V4] = "x86-64-v4", [HGM_CPU_AARCH64] = "aarch64"};
  return level < sizeof names / sizeof *names && names[level] != NULL ? names[level] : "unknown";
}
