// One optimizer step of all weights of all lanes as an XLA custom call: see goodfit.train.fused.
#include "optimizer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "in_place.h"
#include "kernels.h"
#include "parallel.h"

namespace ffi = xla::ffi;

namespace goodfit {
namespace {

using Floats = ffi::Buffer<ffi::F32>;

constexpr int at_width(int width) {
  for (int i = 0; i < kWidthCount; ++i)
    if (kWidths[i] == width) return i;
  return -1;
}
constexpr int kWide = at_width(16), kNarrow = at_width(1);
static_assert(kWide >= 0 && kNarrow >= 0);

// Coefficients are (kCoefficients, lanes), penalties (2, lanes, weights). `given` holds the gradients of the weights,
// the weights, and their slots, kind by kind; all have lanes first. The weights and slots come out.
ffi::Error step(ffi::ThreadPool pool, Floats coefficients, Floats penalties, ffi::RemainingArgs given,
                ffi::RemainingRets out, int64_t rule) {
  const auto wrong = [] { return ffi::Error::InvalidArgument("goodfit optimizer: arrays do not fit"); };
  const auto d = penalties.dimensions();
  if (rule <= kGradient || rule >= kRules || d.size() != 3 || d[0] != 2) return wrong();
  const size_t lanes = d[1], weights = d[2];
  if (lanes == 0 || weights == 0) return ffi::Error::Success();
  if (given.size() != out.size() + weights || out.size() % weights || out.size() > 3 * weights ||
      coefficients.element_count() != kCoefficients * lanes)
    return wrong();
  struct Weight {
    const float* gradient;
    float* data[3];
    size_t size;
  };
  std::vector<Weight> all(weights, Weight{});
  for (size_t i = 0; i < out.size(); ++i) {
    const auto gradient = given.get<Floats>(i % weights), from = given.get<Floats>(weights + i);
    if (!gradient || !from || gradient->element_count() != from->element_count()) return wrong();
    Weight& w = all[i % weights];
    w.gradient = gradient->typed_data(), w.size = from->element_count() / lanes;
    if (!(w.data[i / weights] = in_place(given, weights + i, out, i))) return wrong();
  }
  for (Weight& w : all)
    for (float*& data : w.data)
      if (!data) data = w.data[0];  // never looked at by a rule without such a slot
  const int64_t threads = pool.num_threads();
  const int64_t parts = int64_t(lanes) >= 4 * threads ? 1 : 4 * threads / int64_t(lanes);
  parallel(pool, int64_t(lanes) * parts, [&](int64_t task) {
    const size_t lane = task / parts, part = task % parts;
    float narrow[kCoefficients];
    for (int i = 0; i < kCoefficients; ++i) narrow[i] = coefficients.typed_data()[i * lanes + lane];
    if (narrow[kActive] == 0) return;
    for (size_t i = 0; i < weights; ++i) {
      const Weight& w = all[i];
      narrow[kL1] = penalties.typed_data()[lane * weights + i];
      narrow[kL2] = penalties.typed_data()[(lanes + lane) * weights + i];
      const bool general = narrow[kL1] != 0 || narrow[kL2] != 0 || narrow[kDecay] != 0;
      float wide[kCoefficients * 16];
      for (int j = 0; j < kCoefficients; ++j) std::fill_n(wide + j * 16, 16, narrow[j]);
      const size_t rows = w.size / 16, first = rows * part / parts, last = rows * (part + 1) / parts;
      const auto apply = [&](int kernel, size_t at, size_t n, const float* c) {
        at += lane * w.size;
        kernels()[kernel].apply[rule](int64_t(n), w.gradient + at, w.data[0] + at, w.data[1] + at, w.data[2] + at, c,
                                      general);
      };
      apply(kWide, first * 16, last - first, wide);
      if (part + 1 == size_t(parts)) apply(kNarrow, rows * 16, w.size % 16, narrow);
    }
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(optimizer_step, step,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>().Arg<Floats>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<int64_t>("rule"));

}  // namespace goodfit
