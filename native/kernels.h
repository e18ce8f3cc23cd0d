// The inner loops, compiled once per instruction set; `kernels()` gives the best that this CPU has.
#pragma once

#include <cstddef>
#include <cstdint>

namespace goodfit {

// Keras's optimizers; the numbers are those of train/kernels.py. kGradient only writes the gradient.
enum Rule : int64_t { kGradient, kSgd, kMomentum, kRmsprop, kAdam, kNadam, kRules };

// Per-column numbers of a rule, rows of an array (kCoefficients, columns) that train/kernels.py fills.
enum Coefficient { kRate, kL1, kL2, kDecay, kActive, kNadamM, kNadamG, kNadamV, kCoefficients };

// The features of entries: in 16 bits where these can number them all, else in 32; the other is null.
struct Features {
  const uint16_t* narrow;
  const int32_t* wide;

  template <class F>
  void with(const F& f) const {
    if (narrow) f(narrow);
    else f(wide);
  }
};

// Rows of a batch: row r has entries [begin[r], end[r]) of `features` and `values` (null: all ones).
struct RowBatch {
  const int32_t* begin;
  const int32_t* end;
  Features features;
  const float* values;
};

// The same batch by features: feature j has entries [begin[j], begin[j + 1]) of `rows` and `values`.
struct ColumnBatch {
  const int32_t* begin;
  const int32_t* rows;
  const float* values;
};

// Columns of a matrix of weights that are worked on together: feature j starts at data + j * stride.
struct Tile {
  float* data;
  ptrdiff_t stride;
};

// Asks for memory that will be wanted here and there: one after another its lines come several times as fast.
inline void fetch(const float* data, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(data + i, 0, 2);
}

struct Kernels {
  const char* name;
  // out[r * out_stride + c] = sum over the entries of row r in [first, last).
  void (*product)(const RowBatch&, int64_t first, int64_t last, const float* weights, ptrdiff_t stride, float* out,
                  ptrdiff_t out_stride);
  // One optimizer step of the features [first, last); grad is (batch, width) without gaps, coefficients
  // (kCoefficients, width); `general` says whether penalties, decay or frozen columns occur in this tile.
  void (*update[kRules])(const ColumnBatch&, int64_t first, int64_t last, const float* grad, Tile weights, Tile slot0,
                         Tile slot1, const float* coefficients, bool general);
  // One optimizer step of `rows` rows of `width` numbers without gaps; coefficients and `general` as above.
  void (*apply[kRules])(int64_t rows, const float* gradient, float* weights, float* slot0, float* slot1,
                        const float* coefficients, bool general);
};

constexpr int kWidths[] = {32, 16, 8, 4, 1};
constexpr int kWidthCount = 5;

// The kernels for tiles of kWidths[i] columns are at index i.
const Kernels* kernels();

}  // namespace goodfit
