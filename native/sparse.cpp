// The sparse first layer as XLA custom calls: see goodfit.train.kernels for what they compute.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "in_place.h"
#include "kernels.h"
#include "parallel.h"
#include "sparse.h"

namespace ffi = xla::ffi;

namespace goodfit {
namespace {

using Floats = ffi::Buffer<ffi::F32>;
using Ints = ffi::Buffer<ffi::S32>;

// Packed weights, (tiles, features, width), cut into pieces of columns that a kernel works on together.
struct Cut {
  struct Piece {
    int64_t column;     // the first
    int kernel;         // index into kWidths
    ptrdiff_t offset;   // of the first column of feature 0
  };
  std::vector<Piece> pieces;
  ptrdiff_t stride = 0;
  int64_t features = 0, columns = 0;

  template <class Dimensions>
  explicit Cut(const Dimensions& d) : stride(d[2]), features(d[1]), columns(d[0] * d[2]) {
    for (int64_t tile = 0; tile < d[0]; ++tile)
      for (int64_t c = 0; c < d[2]; c += kWidths[pieces.back().kernel]) {
        int kernel = 0;
        while (c + kWidths[kernel] > d[2]) ++kernel;
        pieces.push_back({tile * d[2] + c, kernel, tile * d[1] * d[2] + c});
      }
  }
};

// A (lanes, batch, units) array.
struct Rows {
  int64_t lanes, batch, units;

  template <class Dimensions>
  explicit Rows(const Dimensions& d) : lanes(d[0]), batch(d[1]), units(d[2]) {}

  // Where a column of row 0 lies.
  ptrdiff_t at(int64_t column) const { return column / units * batch * units + column % units; }
};

struct Input {
  const int32_t *indptr, *rows;
  Features features;
  const float* values;
  int64_t count, batch;

  Input(const Ints& indptr, const ffi::AnyBuffer& indices, const Floats& values, const Ints& rows)
      : indptr(indptr.typed_data()), rows(rows.typed_data()), features(features_of(indices)),
        values(values.element_count() ? values.typed_data() : nullptr), count(int64_t(indptr.element_count()) - 1),
        batch(int64_t(rows.element_count())) {}

  // The entries of each row of the batch; a padding row has none.
  RowBatch chosen() const {
    int32_t* begin = scratch<int32_t>(0, 2 * batch);
    for (int64_t r = 0; r < batch; ++r) {
      const bool there = rows[r] >= 0 && rows[r] < count;
      begin[r] = there ? indptr[rows[r]] : 0;
      begin[batch + r] = there ? indptr[rows[r] + 1] : 0;
    }
    return {begin, begin + batch, features, values};
  }
};

int64_t entries_of(const RowBatch& x, int64_t batch) {
  int64_t entries = 0;
  for (int64_t r = 0; r < batch; ++r) entries += x.end[r] - x.begin[r];
  return entries;
}

// The batch by features: a counting sort, each of its parts over some rows, stable, so that any number of parts
// gives the same order.
ColumnBatch transpose(ffi::ThreadPool& pool, const RowBatch& x, int64_t batch, int64_t features) {
  const int64_t entries = entries_of(x, batch);
  const int64_t parts = std::max<int64_t>(1, std::min({pool.num_threads(), entries / 8192, int64_t{16}}));
  int32_t* counts = scratch<int32_t>(1, parts * features);
  int32_t* begin = scratch<int32_t>(2, features + 1);
  int32_t* rows = scratch<int32_t>(3, entries);
  float* values = x.values ? scratch<float>(0, entries) : nullptr;
  const auto first = [&](int64_t part) { return batch * part / parts; };
  parallel(pool, parts, [&](int64_t part) {
    int32_t* count = counts + part * features;
    std::memset(count, 0, features * sizeof(int32_t));
    x.features.with([&](const auto* feature) {
      for (int64_t r = first(part); r < first(part + 1); ++r)
        for (int32_t k = x.begin[r]; k < x.end[r]; ++k) ++count[feature[k]];
    });
  });
  int32_t at = 0;
  for (int64_t j = 0; j < features; ++j) {
    begin[j] = at;
    for (int64_t part = 0; part < parts; ++part) at += std::exchange(counts[part * features + j], at);
  }
  begin[features] = at;
  parallel(pool, parts, [&](int64_t part) {
    int32_t* next = counts + part * features;
    x.features.with([&](const auto* feature) {
      for (int64_t r = first(part); r < first(part + 1); ++r)
        for (int32_t k = x.begin[r]; k < x.end[r]; ++k) {
          const int32_t to = next[feature[k]]++;
          rows[to] = int32_t(r);
          if (values) values[to] = x.values[k];
        }
    });
  });
  return {begin, rows, values};
}

ffi::Error wrong(const char* what) { return ffi::Error::InvalidArgument(std::string("goodfit kernels: ") + what); }

ffi::Error product(ffi::ThreadPool pool, Ints indptr, ffi::AnyBuffer indices, Floats values, Ints rows, Floats weights,
                   ffi::Result<Floats> out) {
  const Input input(indptr, indices, values, rows);
  const Cut cut(weights.dimensions());
  const Rows place(out->dimensions());
  if (!are_features(indices) || place.batch != input.batch || place.lanes * place.units != cut.columns)
    return wrong("shapes do not fit");
  const RowBatch x = input.chosen();
  const int64_t tiles = int64_t(cut.pieces.size());
  if (tiles == 0 || input.batch == 0) return ffi::Error::Success();
  const int64_t parts = std::clamp<int64_t>(4 * pool.num_threads() / tiles, 1, (input.batch + 63) / 64);
  const bool many = entries_of(x, input.batch) >= parts * cut.features;  // a part wants nearly all weights of its tile
  parallel(pool, tiles * parts, [&](int64_t task) {
    const Cut::Piece piece = cut.pieces[task / parts];
    const int64_t part = task % parts;
    const int64_t first = input.batch * part / parts, last = input.batch * (part + 1) / parts;
    const float* w = weights.typed_data() + piece.offset;
    if (many) fetch(w, cut.features * cut.stride);
    const auto kernel = kernels()[piece.kernel].product;
    kernel(x, first, last, w, cut.stride, out->typed_data() + place.at(piece.column), place.units);
  });
  return ffi::Error::Success();
}

// Gradient and optimizer step; `out` holds the weights and slots in place (or the gradient alone).
ffi::Error step(ffi::ThreadPool& pool, const Input& input, const Floats& grad, const float* coefficients, int64_t rule,
                const Cut& cut, float* weights, float* slot0, float* slot1) {
  const Rows place(grad.dimensions());
  const int64_t columns = place.lanes * place.units;
  if (place.batch != input.batch || columns != cut.columns) return wrong("shapes do not fit");
  const int64_t tiles = int64_t(cut.pieces.size());
  if (tiles == 0 || cut.features == 0) return ffi::Error::Success();
  const RowBatch chosen = input.chosen();
  const ColumnBatch x = transpose(pool, chosen, input.batch, cut.features);
  const int64_t parts = std::clamp<int64_t>(4 * pool.num_threads() / tiles, 1, (cut.features + 255) / 256);
  // Parts of equal work: a feature costs about as much as three entries.
  const auto first = [&](int64_t part) {
    const int64_t all = x.begin[cut.features] + 3 * cut.features;
    int64_t low = 0, high = cut.features;
    while (low < high) {
      const int64_t mid = (low + high) / 2;
      if ((x.begin[mid] + 3 * mid) * parts < all * part) low = mid + 1;
      else high = mid;
    }
    return part == parts ? cut.features : low;
  };
  parallel(pool, tiles * parts, [&](int64_t task) {
    const Cut::Piece piece = cut.pieces[task / parts];
    const int64_t part = task % parts, width = kWidths[piece.kernel];
    float local[kCoefficients * 32] = {};
    bool general = false, active = rule == kGradient;
    if (coefficients) {
      for (int64_t c = 0; c < width; ++c) {
        for (int i = 0; i < kCoefficients; ++i) local[i * width + c] = coefficients[i * columns + piece.column + c];
        const auto is = [&](Coefficient i) { return local[i * width + c] != 0; };
        active |= is(kActive);
        general |= is(kL1) || is(kL2) || is(kDecay) || !is(kActive);
      }
    }
    if (!active) return;
    const float* g = grad.typed_data() + place.at(piece.column);
    if (place.units != width) {  // the kernels want the columns of a row without gaps
      float* block = scratch<float>(1, input.batch * width);
      for (int64_t r = 0; r < input.batch; ++r) std::memcpy(block + r * width, g + r * place.units, width * sizeof(float));
      g = block;
    }
    const auto tile = [&](float* data) { return Tile{data ? data + piece.offset : nullptr, data ? cut.stride : 0}; };
    kernels()[piece.kernel].update[rule](x, first(part), first(part + 1), g, tile(weights), tile(slot0), tile(slot1),
                                         local, general);
  });
  return ffi::Error::Success();
}

ffi::Error gradient(ffi::ThreadPool pool, Ints indptr, ffi::AnyBuffer indices, Floats values, Ints rows, Floats grad,
                    ffi::Result<Floats> out) {
  if (!are_features(indices)) return wrong("shapes do not fit");
  return step(pool, Input(indptr, indices, values, rows), grad, nullptr, kGradient, Cut(out->dimensions()),
              out->typed_data(), nullptr, nullptr);
}

ffi::Error update(ffi::ThreadPool pool, Ints indptr, ffi::AnyBuffer indices, Floats values, Ints rows, Floats grad,
                  Floats coefficients, ffi::RemainingArgs old, ffi::RemainingRets out, int64_t rule) {
  float* data[3] = {};
  if (rule <= kGradient || rule >= kRules || out.size() < 1 || out.size() > 3 || old.size() != out.size())
    return wrong("no such rule");
  for (size_t i = 0; i < out.size(); ++i)
    if (!are_features(indices) || !(data[i] = in_place(old, i, out, i))) return wrong("shapes do not fit");
  const Cut cut(out.get<Floats>(0).value()->dimensions());
  return step(pool, Input(indptr, indices, values, rows), grad, coefficients.typed_data(), rule, cut, data[0], data[1],
              data[2]);
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(sparse_product, product,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Ints>().Arg<ffi::AnyBuffer>().Arg<Floats>().Arg<Ints>()
                                  .Arg<Floats>()
                                  .Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(sparse_gradient, gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Ints>().Arg<ffi::AnyBuffer>().Arg<Floats>().Arg<Ints>()
                                  .Arg<Floats>()
                                  .Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(sparse_update, update,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Ints>().Arg<ffi::AnyBuffer>().Arg<Floats>().Arg<Ints>()
                                  .Arg<Floats>().Arg<Floats>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<int64_t>("rule"));

}  // namespace goodfit
