// XLA custom calls of layers on dense arrays.
#pragma once

#include <algorithm>
#include <string>

#include "xla/ffi/api/ffi.h"

namespace goodfit {

using Floats = xla::ffi::Buffer<xla::ffi::F32>;
using Bytes = xla::ffi::Buffer<xla::ffi::S8>;

inline xla::ffi::Error unfit(const char* kernel) {
  return xla::ffi::Error::InvalidArgument(std::string("goodfit ") + kernel + ": shapes do not fit");
}

// Whether a gradient's result, and where its maxima were taken from, have its shape, as far as they are needed.
inline bool matches(const Floats& grad, const Floats& y, const Bytes& winners, bool rectify, bool pooled) {
  const size_t n = grad.element_count();
  return (!rectify || y.element_count() == n) && (!pooled || winners.element_count() == n);
}

// Whether each of some arrays with lanes in front has them all, or one for all.
template <class D>
bool laned(const D& x, const D& kernel, const D& y) {
  const int64_t lanes = std::max({x[0], kernel[0], y[0]});
  const auto fits = [&](const D& d) { return d[0] == 1 || d[0] == lanes; };
  return fits(x) && fits(kernel) && fits(y);
}

XLA_FFI_DECLARE_HANDLER_SYMBOL(convolution);
XLA_FFI_DECLARE_HANDLER_SYMBOL(convolution_input);
XLA_FFI_DECLARE_HANDLER_SYMBOL(convolution_kernel);
XLA_FFI_DECLARE_HANDLER_SYMBOL(winograd);
XLA_FFI_DECLARE_HANDLER_SYMBOL(winograd_gradients);
XLA_FFI_DECLARE_HANDLER_SYMBOL(recurrent);
XLA_FFI_DECLARE_HANDLER_SYMBOL(recurrent_gradients);
XLA_FFI_DECLARE_HANDLER_SYMBOL(max_pool);
XLA_FFI_DECLARE_HANDLER_SYMBOL(max_pool_gradient);

}  // namespace goodfit
