// Dense products and pooling of small arrays; the inner loops are compiled once per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace goodfit {

// c[r][j] = sum over o < outer, i < inner, t < terms of a[o, i, r, t] * b[o, i, t, j]: where each of the indices leads.
struct Product {
  int64_t outer = 1, inner = 1, terms;
  ptrdiff_t a_outer = 0, a_inner = 0, a_row, a_term;
  ptrdiff_t b_outer = 0, b_inner = 0, b_term;
  ptrdiff_t c_row;
};

// A maximum over windows that lie side by side: (height, width, channels) to (height / down, width / across, channels).
struct Pool {
  int64_t height, width, channels, down, across;
  int64_t pooled() const { return (height / down) * (width / across) * channels; }
};

// What becomes of a product.
struct Finish {
  bool add = false, rectify = false;
  const float* bias = nullptr;
};

struct Products {
  int lanes;  // floats of a vector
  // Sets c, adds to it, or sets it to the product and a bias; and then to 0 where it is below (`rectify`). The columns
  // of b and of the bias must be filled up to whole vectors.
  void (*multiply)(const Product&, int64_t rows, int64_t columns, const float* a, const float* b, float* c, Finish);
  // Copies rows to rows that are filled up to `to_row`, with 0 where `positive` (if any) is not above 0; adds each
  // column to `sums`, if any.
  void (*copy)(int64_t rows, int64_t columns, const float* from, const float* positive, float* to, ptrdiff_t to_row,
               float* sums);
  void (*pool)(const Pool&, const float* x, float* out);
  // to[j][i] = from[i][j] for the rows i and columns j of `from`; rows of `to` are `to_row` apart.
  void (*transpose)(int64_t rows, int64_t columns, const float* from, float* to, ptrdiff_t to_row);
  // The first of equal values gets the gradient.
  void (*pool_gradient)(const Pool&, const float* x, const float* grad, float* out);
};

const Products& products();

}  // namespace goodfit
