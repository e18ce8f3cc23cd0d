// XLA custom calls of the sparse first layer.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace goodfit {

XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_product);
XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_gradient);
XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_update);

}  // namespace goodfit
