// XLA custom calls: the sparse first layer, and plain networks whole.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace goodfit {

XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_product);
XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_gradient);
XLA_FFI_DECLARE_HANDLER_SYMBOL(sparse_update);
XLA_FFI_DECLARE_HANDLER_SYMBOL(plain_train);
XLA_FFI_DECLARE_HANDLER_SYMBOL(plain_evaluate);

}  // namespace goodfit
