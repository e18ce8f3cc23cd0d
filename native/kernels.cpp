#include "kernels.h"

#include <cstdlib>
#include <cstring>

namespace goodfit {

namespace baseline { extern const Kernels table[kWidthCount]; }
#ifdef GOODFIT_X86
namespace avx2 { extern const Kernels table[kWidthCount]; }
namespace avx512 { extern const Kernels table[kWidthCount]; }
#endif

static const Kernels* choose() {
#ifdef GOODFIT_X86
  const char* most = std::getenv("GOODFIT_SIMD");  // "baseline" or "avx2" hold back what the CPU has, for tests
  const auto allowed = [&](const char* name) { return !most || std::strcmp(most, name) == 0; };
  __builtin_cpu_init();
  if (allowed("avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
    return avx512::table;
  if ((allowed("avx512") || allowed("avx2")) && __builtin_cpu_supports("avx2")) return avx2::table;
#endif
  return baseline::table;
}

const Kernels* kernels() {
  static const Kernels* const chosen = choose();
  return chosen;
}

}  // namespace goodfit
