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
};

struct Products {
  int lanes;  // floats of a vector
  // Adds to c, or sets it. The columns of b must be filled up to whole vectors.
  void (*multiply)(const Product&, int64_t rows, int64_t columns, const float* a, const float* b, float* c, bool add);
  void (*pool)(const Pool&, const float* x, float* out);
  // to[j][i] = from[i][j] for the rows i and columns j of `from`; rows of `to` are `to_row` apart.
  void (*transpose)(int64_t rows, int64_t columns, const float* from, float* to, ptrdiff_t to_row);
  // The first of equal values gets the gradient.
  void (*pool_gradient)(const Pool&, const float* x, const float* grad, float* out);
};

const Products& products();

}  // namespace goodfit
