// What differs between processors: the kinds that programs are compiled for (the levels of the x86-64 psABI, and AArch64, whose
// vectors are part of its base), and the mode in which a thread computes.
#ifndef HGM_CPU_H
#define HGM_CPU_H

#include <stdbool.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

typedef enum {
  HGM_CPU_ANY,         // less than the next: runs no compiled program
  HGM_CPU_V3,          // x86-64-v3: AVX2, FMA
  HGM_CPU_V4,          // x86-64-v4: AVX-512 F, BW, CD, DQ, VL
  HGM_CPU_AMX,         // sapphirerapids: x86-64-v4 and matrix products of bf16
  HGM_CPU_AARCH64 = 8, // 64-bit ARM
} HgmCpu;

HgmCpu hgm_cpu_level(void); // the highest that the processor and the system here can run, but for AMX
// Whether code for AMX can run in this process: asks the system for the memory that its registers take in every thread which uses them. From then on
// the system demands larger stacks of signal handlers (sigaltstack), so it is for those who have such code.
bool hgm_cpu_use_amx(void);
const char *hgm_cpu_level_name(HgmCpu level);
// Whether code for one kind runs on another.
static inline bool hgm_cpu_runs(HgmCpu cpu, HgmCpu code) { return code != HGM_CPU_ANY && code <= cpu && (code == HGM_CPU_AARCH64) == (cpu == HGM_CPU_AARCH64); }

// What a thread does between two looks at what another will change.
static inline void hgm_cpu_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#else
  __asm__ volatile("yield" ::: "memory");
#endif
}

// The calling thread rounds to nearest, keeps denormal numbers and traps nothing; gives the mode before, for hgm_cpu_mode.
static inline unsigned hgm_cpu_exact_mode(void) {
#if defined(__x86_64__)
  unsigned before = _mm_getcsr();
  _mm_setcsr(0x1f80);
  return before;
#else
  unsigned long before;
  __asm__ volatile("mrs %0, fpcr\n\tmsr fpcr, xzr" : "=r"(before));
  return (unsigned)before;
#endif
}

static inline void hgm_cpu_mode(unsigned mode) {
#if defined(__x86_64__)
  _mm_setcsr(mode);
#else
  __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long)mode));
#endif
}

#endif
