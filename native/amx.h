// Larger dense products on a CPU with matrix registers.
#pragma once

#include "products.h"

namespace goodfit {

// Items (rows of a, columns of b) by terms of a product: floats from item to item and from term to term, one of which
// is 1. It counts as 0 where `positive` (if any, with the same strides) is not above 0.
struct Operand {
  const float *from, *positive;
  ptrdiff_t item, term;

  Operand at(ptrdiff_t offset) const { return {from + offset, positive ? positive + offset : nullptr, item, term}; }
};

// c[r][j] = sum over t < terms of a[r, t] * b[j, t], plus bias[j] (if any), and then ReLU; to float32's rounding, but
// infinities become NaN, and what is below 1e-33 loses digits. `room` holds `matrix_room(columns)` bytes.
using MatrixProduct = void (*)(int64_t rows, int64_t columns, int64_t terms, const Operand& a, const Operand& b,
                               float* c, ptrdiff_t c_row, const float* bias, bool rectify, char* room);

extern const MatrixProduct amx_product;

// Null where the CPU, the system or GOODFIT_SIMD does not have it.
MatrixProduct matrix_product();

constexpr int64_t kMatrixRows = 32;                          // that are worked on together
constexpr int64_t kMatrixTerms = 128, kMatrixColumns = 1024;  // that are packed together: they stay in the caches

inline size_t matrix_room(int64_t columns) {
  const int64_t most = columns < kMatrixColumns ? columns : kMatrixColumns;
  return size_t((kMatrixRows + (most + 15) / 16 * 16) * kMatrixTerms * 6 + 64);
}

}  // namespace goodfit
