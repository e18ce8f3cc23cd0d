// XLA custom calls: the sparse first layer, and plain networks whole.
#pragma once

#include "kernels.h"
#include "xla/ffi/api/ffi.h"

namespace goodfit {

// The features of entries, uint16 or int32.
inline bool are_features(const xla::ffi::AnyBuffer& entries) {
  return entries.element_type() == xla::ffi::U16 || entries.element_type() == xla::ffi::S32;
}
inline Features features_of(const xla::ffi::AnyBuffer& entries) {
  if (entries.element_type() == xla::ffi::U16) return {static_cast<const uint16_t*>(entries.untyped_data()), nullptr};
  return {nullptr, static_cast<const int32_t*>(entries.untyped_data())};
}

XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_product);
XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_gradient);
XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_update);
XLA_FFI_DECLARE_HANDLER_SYMBOL(plain_train);
XLA_FFI_DECLARE_HANDLER_SYMBOL(plain_evaluate);

}  // namespace goodfit
