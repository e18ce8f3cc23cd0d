// XLA custom calls of layers on dense arrays.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace goodfit {

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
