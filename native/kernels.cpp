#include "kernels.h"
#include "plain.h"
#include "simd.h"

#include <cstdlib>
#include <cstring>
#ifdef GOODFIT_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace goodfit {

namespace baseline { extern const Kernels table[kWidthCount]; extern const PlainKernels plain; }
#ifdef GOODFIT_X86
namespace avx2 { extern const Kernels table[kWidthCount]; extern const PlainKernels plain; }
namespace avx512 { extern const Kernels table[kWidthCount]; extern const PlainKernels plain; }
#endif

#ifdef GOODFIT_AMX
// Whether there are tiles of bfloat16, and Linux lends this process their registers.
static bool lent_tiles() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false;
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM of XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
#endif

static Simd choose() {
#ifdef GOODFIT_X86
  const char* most = std::getenv("GOODFIT_SIMD");  // for tests
  const auto named = [&](const char* name) { return std::strcmp(most, name) == 0; };
  const Simd allowed = !most || named("amx") ? Simd::kAmx
                       : named("avx512")     ? Simd::kAvx512
                       : named("avx2")       ? Simd::kAvx2
                                             : Simd::kBaseline;
  __builtin_cpu_init();
  if (allowed < Simd::kAvx2 || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    return Simd::kBaseline;
  if (allowed < Simd::kAvx512 || !__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq"))
    return Simd::kAvx2;
#ifdef GOODFIT_AMX
  if (allowed == Simd::kAmx && lent_tiles()) return Simd::kAmx;
#endif
  return Simd::kAvx512;
#else
  return Simd::kBaseline;
#endif
}

Simd best_simd() {
  static const Simd chosen = choose();
  return chosen;
}

const Kernels* kernels() {
#ifdef GOODFIT_X86
  if (best_simd() >= Simd::kAvx512) return avx512::table;
  if (best_simd() >= Simd::kAvx2) return avx2::table;
#endif
  return baseline::table;
}

const PlainKernels* plain_kernels() {
#ifdef GOODFIT_X86
  if (best_simd() >= Simd::kAvx512) return &avx512::plain;
  if (best_simd() >= Simd::kAvx2) return &avx2::plain;
#endif
  return &baseline::plain;
}

}  // namespace goodfit
