// The instruction sets that inner loops are compiled for.
#pragma once

namespace goodfit {

enum class Simd { kBaseline, kAvx2, kAvx512, kAmx };

// The best that this CPU has, or that GOODFIT_SIMD ("baseline", "avx2", "avx512", "amx") allows.
Simd best_simd();

}  // namespace goodfit
