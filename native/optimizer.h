// XLA custom call of the optimizer.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace goodfit {

XLA_FFI_DECLARE_HANDLER_SYMBOL(optimizer_step);

}  // namespace goodfit
