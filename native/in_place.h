// Results of XLA custom calls that take the place of arguments.
#pragma once

#include <cstring>

#include "xla/ffi/api/ffi.h"

namespace goodfit {

// The result `to` that stands for the argument `from`; null where they do not fit each other. XLA lets both share their
// memory; where it did not, the argument is copied first.
inline float* in_place(xla::ffi::RemainingArgs& arguments, size_t from, xla::ffi::RemainingRets& results, size_t to) {
  using Floats = xla::ffi::Buffer<xla::ffi::F32>;
  auto old = arguments.get<Floats>(from);
  auto now = results.get<Floats>(to);
  if (!old || !now || old->element_count() != (*now)->element_count()) return nullptr;
  float* const data = (*now)->typed_data();
  if (data != old->typed_data()) std::memcpy(data, old->typed_data(), old->size_bytes());
  return data;
}

}  // namespace goodfit
