#include "kernels.h"
#include "plain.h"
#include "simd.h"

#include <cstdlib>
#include <cstring>

namespace goodfit {

namespace baseline { extern const Kernels table[kWidthCount]; extern const PlainKernels plain; }
#ifdef GOODFIT_X86
namespace avx2 { extern const Kernels table[kWidthCount]; extern const PlainKernels plain; }
namespace avx512 { extern const Kernels table[kWidthCount]; extern const PlainKernels plain; }
#endif

static Simd choose() {
#ifdef GOODFIT_X86
  const char* most = std::getenv("GOODFIT_SIMD");  // for tests
  const auto allowed = [&](const char* name) { return !most || std::strcmp(most, name) == 0; };
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (allowed("avx512") && avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
    return Simd::kAvx512;
  if ((allowed("avx512") || allowed("avx2")) && avx2) return Simd::kAvx2;
#endif
  return Simd::kBaseline;
}

Simd best_simd() {
  static const Simd chosen = choose();
  return chosen;
}

const Kernels* kernels() {
#ifdef GOODFIT_X86
  if (best_simd() == Simd::kAvx512) return avx512::table;
  if (best_simd() == Simd::kAvx2) return avx2::table;
#endif
  return baseline::table;
}

const PlainKernels* plain_kernels() {
#ifdef GOODFIT_X86
  if (best_simd() == Simd::kAvx512) return &avx512::plain;
  if (best_simd() == Simd::kAvx2) return &avx2::plain;
#endif
  return &baseline::plain;
}

}  // namespace goodfit
