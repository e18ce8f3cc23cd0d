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

// Tiles of an image for a 3x3 convolution of stride 1, see winograd.cpp: where their 16 values are.
struct Tiles {
  int64_t rows, columns, channels;  // of the image
  int64_t across;                   // tiles in a line
  ptrdiff_t wide, plane;            // floats from tile to tile, and from each of the 16 values to the next
};

// A few rows of a recurrent layer at one step: see recurrent.cpp. Floats from row to row.
struct Cell {
  int64_t rows, units;
  ptrdiff_t x_row, saved_row, state_row, before_row, mask_row;
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
  // The maximum of windows of 2x2 pixels of two lines, which of the four is the first that has it, and ReLU.
  void (*pool_lines)(int64_t windows, int64_t channels, const float* upper, const float* lower, bool rectify, float* y,
                     int8_t* winners);
  // The gradients of such lines, their pixels `row` floats apart: 0 but where the winners are, and there too where
  // `positive` (if any) is not above 0. The windows' gradients are added to `sums`, if any.
  void (*unpool_lines)(int64_t windows, int64_t channels, const float* grad, const float* positive,
                       const int8_t* winners, float* upper, float* lower, ptrdiff_t row, float* sums);
  // Of line i of an image's tiles, with A, B and G of F(2x2, 3x3): values = B' x B; y = A' values A, plus a bias, if
  // any, and then ReLU (`rectify`); values = A grad A', with 0 for grad where `positive` (if any) is not above 0, and
  // grad added to `sums`; x += B values B'.
  void (*tiles_of_input)(const Tiles&, int64_t i, const float* x, float* values);
  // Where there are `winners`, y, grad and `positive` are those of windows of 2x2 pixels, as above.
  void (*output_of_tiles)(const Tiles&, int64_t i, const float* values, const float* bias, bool rectify, float* y,
                          int8_t* winners);
  void (*tiles_of_gradient)(const Tiles&, int64_t i, const float* grad, const float* positive, const int8_t* winners,
                            float* values, float* sums);
  void (*input_gradient_of_tiles)(const Tiles&, int64_t i, const float* values, float* x);
  // Of a kernel (3, 3, rows, columns): values (16, rows, wide) = G kernel G'; kernel = G' values G of the sum of
  // `parts` such values.
  void (*values_of_kernel)(int64_t rows, int64_t columns, const float* kernel, float* values, ptrdiff_t wide);
  void (*kernel_gradient_of_values)(int64_t rows, int64_t columns, const float* values, ptrdiff_t wide, int64_t parts,
                                    ptrdiff_t part, float* kernel);
  // A step of an LSTM: x and the product of the state before with the recurrent kernel hold what goes into the gates
  // (input, forget, value, output), whose values are `saved`. Where the mask (if any) is 0 the states stay.
  void (*lstm_step)(const Cell&, const float* x, const float* product, const float* h_before, const float* c_before,
                    const int8_t* mask, float* saved, float* h, float* c);
  // Its gradient, from `grad` of h and what the next step gave: next_h and next_c become those of the states before but
  // for x times the recurrent kernel, which is to be added.
  void (*lstm_step_gradient)(const Cell&, const float* saved, const float* c, const float* c_before, const float* grad,
                             const int8_t* mask, float* next_h, float* next_c, float* x);
  // The same for a GRU that resets after its product (update, reset, value); the product's last part is saved too.
  void (*gru_step)(const Cell&, const float* x, const float* product, const float* h_before, const int8_t* mask,
                   float* saved, float* h);
  void (*gru_step_gradient)(const Cell&, const float* saved, const float* h_before, const float* grad,
                            const int8_t* mask, float* next_h, float* x, float* inner);
  // Fills `out` with `count` < 2**32 numbers of jax.random.uniform in [low, high), of a Threefry key.
  void (*uniform)(uint32_t key0, uint32_t key1, float low, float high, int64_t count, float* out);
};

const Products& products();

// Floats of the whole vectors that hold n.
inline int64_t whole(int64_t n) { return (n + products().lanes - 1) / products().lanes * products().lanes; }

}  // namespace goodfit
