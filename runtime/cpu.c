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

// Linux gives no tile registers to a process that has not asked. By hand: libraries of models have no C library.
static bool system_gives_tiles(void) {
  enum { ARCH_PRCTL = 158, ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"((long)ARCH_PRCTL), "D"((long)ARCH_REQ_XCOMP_PERM), "S"((long)XTILEDATA) : "rcx", "r11", "memory");
  return result == 0;
}

bool hgm_cpu_use_amx(void) {
  enum { BF16 = 1 << 22, TILE = 1 << 24, SAVED = 3 << 17 }; // leaf 7 edx; XCR0
  uint32_t a, b, c, d;
  if (hgm_cpu_level() < HGM_CPU_V4 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (BF16 | TILE)) != (BF16 | TILE)) return false;
  return (saved_registers() & SAVED) == SAVED && system_gives_tiles();
}

#else
HgmCpu hgm_cpu_level(void) { return HGM_CPU_AARCH64; }
bool hgm_cpu_use_amx(void) { return false; }
#endif

const char *hgm_cpu_level_name(HgmCpu level) {
  static const char *const names[] = {
      [HGM_CPU_ANY] = "x86-64", [HGM_CPU_V3] = "x86-64-v3", [HGM_CPU_V4] = "x86-64-v4", [HGM_CPU_AMX] = "sapphirerapids", [HGM_CPU_AARCH64] = "aarch64"};
  return level < sizeof names / sizeof *names && names[level] != NULL ? names[level] : "unknown";
}
