// Convolution and pooling of lanes as XLA custom calls: see goodfit.models.products for what they compute.
#include "layers.h"

#include <algorithm>
#include <cstring>

#include "amx.h"
#include "parallel.h"
#include "products.h"
#include "simd.h"

namespace ffi = xla::ffi;

namespace goodfit {

namespace products_baseline { extern const Products table; }
#ifdef GOODFIT_X86
namespace products_avx2 { extern const Products table; }
namespace products_avx512 { extern const Products table; }
#endif

const Products& products() {
#ifdef GOODFIT_X86
  if (best_simd() >= Simd::kAvx512) return products_avx512::table;
  if (best_simd() >= Simd::kAvx2) return products_avx2::table;
#endif
  return products_baseline::table;
}

MatrixProduct matrix_product() {
#ifdef GOODFIT_AMX
  static const MatrixProduct chosen = best_simd() == Simd::kAmx ? amx_product : nullptr;
  return chosen;
#else
  return nullptr;
#endif
}

namespace {

constexpr int64_t kFewest = 32, kWork = 1 << 18;  // of a product that pays its way through matrix registers

// Shapes of a convolution without padding: x (lanes or 1, n, height, width, in), kernel (lanes or 1, down, across, in,
// out), y (lanes, n, rows, columns, out), or half of it each way where it is the maximum of windows of 2x2 pixels.
struct Shape {
  int64_t lanes, n, height, width, in, down, across, out, rows, columns, stride_down, stride_across;
  ptrdiff_t x_lane, kernel_lane, y_lane;  // 0 where lanes share it
  ptrdiff_t x_image, y_image;
  bool pooled;

  template <class D>
  Shape(const D& x, const D& kernel, const D& y, int64_t stride_down, int64_t stride_across, bool pooled)
      : lanes(std::max({x[0], kernel[0], y[0]})), n(x[1]), height(x[2]), width(x[3]), in(x[4]), down(kernel[1]),
        across(kernel[2]), out(kernel[4]), rows(y[2] * (pooled ? 2 : 1)), columns(y[3] * (pooled ? 2 : 1)),
        stride_down(stride_down), stride_across(stride_across), x_image(height * width * in),
        y_image(y[2] * y[3] * out), pooled(pooled) {
    x_lane = x[0] > 1 ? n * x_image : 0;
    kernel_lane = kernel[0] > 1 ? down * across * in * out : 0;
    y_lane = y[0] > 1 ? n * y_image : 0;
  }

  template <class D>
  static bool fits(const D& x, const D& kernel, const D& y, int64_t stride_down, int64_t stride_across, bool pooled) {
    if (x.size() != 5 || kernel.size() != 5 || y.size() != 5 || stride_down < 1 || stride_across < 1) return false;
    if (!laned(x, kernel, y)) return false;
    const int64_t rows = y[2] * (pooled ? 2 : 1), columns = y[3] * (pooled ? 2 : 1);
    return x[1] == y[1] && x[4] == kernel[3] && kernel[4] == y[4] && y[2] > 0 && y[3] > 0 &&
           (rows - 1) * stride_down + kernel[1] <= x[2] && (columns - 1) * stride_across + kernel[2] <= x[3];
  }

  // Whether this is a product of the pixels of all images, in a row, with one matrix; and then whether matrix registers
  // are faster at it.
  bool single() const {
    return down * across == 1 && stride_down == 1 && stride_across == 1 && !pooled && rows == height && columns == width;
  }
  int64_t pixels() const { return n * rows * columns; }
  bool matrix(int64_t high, int64_t broad, int64_t terms) const {
    return single() && matrix_product() && std::min({high, broad, terms}) >= kFewest && high * broad * terms >= kWork;
  }

  // Where a pixel of the output is of x.
  ptrdiff_t source(int64_t row, int64_t column) const {
    return (row * stride_down * width + column * stride_across) * in;
  }
};

constexpr int64_t kChunk = 60;  // pixels of a line that are worked on together

// Lines of pixels, or of windows of 2x2 pixels, cut where they are long.
struct Lines {
  int64_t size, rows, columns, parts;  // pixels of a window each way; rows and columns of windows
  Lines(const Shape& s)
      : size(s.pooled ? 2 : 1), rows(s.rows / size), columns(s.columns / size),
        parts((s.columns + kChunk - 1) / kChunk) {}
  int64_t count(int64_t images) const { return images * rows * parts; }
  template <class F>
  void operator()(int64_t unit, const F& f) const {
    const int64_t part = unit % parts, line = unit / parts;
    const int64_t first = columns * part / parts;
    f(line / rows, line % rows, first, columns * (part + 1) / parts - first);
  }
};

// A product by matrix registers, its rows split among threads.
struct Factors {
  Operand a, b;
  float* c;
  const float* bias = nullptr;
  bool rectify = false;
};
template <class F>
void by_matrix(ffi::ThreadPool& pool, int64_t lanes, int64_t rows, int64_t columns, int64_t terms, const F& of_lane) {
  split(pool, lanes, (rows + kMatrixRows - 1) / kMatrixRows, [&](int64_t lane, int64_t first, int64_t last) {
    const int64_t begin = first * kMatrixRows, end = std::min(last * kMatrixRows, rows);
    const Factors f = of_lane(lane);
    matrix_product()(end - begin, columns, terms, f.a.at(begin * f.a.item), f.b, f.c + begin * columns, columns,
                     f.bias, f.rectify, scratch<char>(0, matrix_room(columns)));
  });
}

ffi::Error forward(ffi::ThreadPool pool, Floats x, Floats kernel, Floats bias, ffi::Result<Floats> y,
                   ffi::Result<Bytes> winners, int64_t stride_down, int64_t stride_across, bool rectify) {
  const bool pooled = winners->dimensions().size() == 5;
  if (!Shape::fits(x.dimensions(), kernel.dimensions(), y->dimensions(), stride_down, stride_across, pooled) ||
      (pooled && winners->element_count() != y->element_count()))
    return unfit("layers");
  const Shape s(x.dimensions(), kernel.dimensions(), y->dimensions(), stride_down, stride_across, pooled);
  const int64_t biases = bias.element_count();
  if (biases != 0 && biases != s.out && biases != s.lanes * s.out) return unfit("layers");
  if (s.matrix(s.pixels(), s.out, s.in)) {
    by_matrix(pool, s.lanes, s.pixels(), s.out, s.in, [&](int64_t lane) {
      const float* own = biases ? bias.typed_data() + (biases == s.out ? 0 : lane * s.out) : nullptr;
      return Factors{{x.typed_data() + lane * s.x_lane, nullptr, s.in, 1},
                     {kernel.typed_data() + lane * s.kernel_lane, nullptr, 1, s.out},
                     y->typed_data() + lane * s.y_lane, own, rectify};
    });
    return ffi::Error::Success();
  }
  const Lines lines(s);
  const int64_t wide = whole(s.out), terms = s.down * s.across * s.in;
  Product p;
  p.inner = s.down, p.terms = s.across * s.in;
  p.a_inner = s.width * s.in, p.a_row = s.stride_across * s.in, p.a_term = 1;
  p.b_inner = s.across * s.in * wide, p.b_term = wide;
  p.c_row = s.out;
  split(pool, s.lanes, lines.count(s.n), [&](int64_t lane, int64_t first, int64_t last) {
    float* room = scratch<float>(0, (terms + 1) * wide + 2 * kChunk * s.out);
    float *const upper = room + (terms + 1) * wide, *const lower = upper + kChunk * s.out;
    const float* b = kernel.typed_data() + lane * s.kernel_lane;
    if (wide != s.out) {
      products().copy(terms, s.out, b, nullptr, room, wide, nullptr);
      b = room;
    }
    Finish finish{false, rectify && !pooled, nullptr};
    if (biases) {
      const float* own = bias.typed_data() + (biases == s.out ? 0 : lane * s.out);
      products().copy(1, s.out, own, nullptr, room + terms * wide, wide, nullptr);
      finish.bias = room + terms * wide;
    }
    for (int64_t unit = first; unit < last; ++unit)
      lines(unit, [&](int64_t image, int64_t row, int64_t column, int64_t n) {
        const float* a = x.typed_data() + lane * s.x_lane + image * s.x_image;
        const ptrdiff_t at = lane * s.y_lane + image * s.y_image + (row * lines.columns + column) * s.out;
        float* c = y->typed_data() + at;
        if (pooled) {
          products().multiply(p, 2 * n, s.out, a + s.source(2 * row, 2 * column), b, upper, finish);
          products().multiply(p, 2 * n, s.out, a + s.source(2 * row + 1, 2 * column), b, lower, finish);
          products().pool_lines(n, s.out, upper, lower, rectify, c, winners->typed_data() + at);
        } else {
          products().multiply(p, n, s.out, a + s.source(row, column), b, c, finish);
        }
      });
  });
  return ffi::Error::Success();
}

ffi::Error input_gradient(ffi::ThreadPool pool, Floats grad, Floats y, Bytes winners, Floats kernel,
                          ffi::Result<Floats> x, int64_t stride_down, int64_t stride_across, bool rectify) {
  const bool pooled = winners.dimensions().size() == 5;
  if (!matches(grad, y, winners, rectify, pooled) ||
      !Shape::fits(x->dimensions(), kernel.dimensions(), grad.dimensions(), stride_down, stride_across, pooled))
    return unfit("layers");
  const Shape s(x->dimensions(), kernel.dimensions(), grad.dimensions(), stride_down, stride_across, pooled);
  if (s.matrix(s.pixels(), s.in, s.out)) {
    by_matrix(pool, s.lanes, s.pixels(), s.in, s.out, [&](int64_t lane) {
      const ptrdiff_t at = lane * s.y_lane;
      return Factors{{grad.typed_data() + at, rectify ? y.typed_data() + at : nullptr, s.out, 1},
                     {kernel.typed_data() + lane * s.kernel_lane, nullptr, s.out, 1},
                     x->typed_data() + lane * s.x_lane};
    });
    return ffi::Error::Success();
  }
  const int64_t wide = whole(s.in), taps = s.down * s.across;
  const bool single = s.single();
  Product p;
  p.terms = s.out, p.a_row = s.out, p.a_term = 1, p.b_term = wide, p.c_row = s.stride_across * s.in;
  const Lines lines(s);
  const int64_t step = single ? 1 : lines.count(1);  // lines of one image add to one another
  split(pool, s.lanes, lines.count(s.n) / step, [&](int64_t lane, int64_t first, int64_t last) {
    float* b = scratch<float>(0, taps * s.out * wide + 2 * kChunk * s.out);
    float* line = b + taps * s.out * wide;
    const float* k = kernel.typed_data() + lane * s.kernel_lane;
    if (wide != s.in) std::memset(b, 0, taps * s.out * wide * sizeof(float));
    for (int64_t t = 0; t < taps; ++t, k += s.in * s.out)
      products().transpose(s.in, s.out, k, b + t * s.out * wide, wide);
    float* lane_x = x->typed_data() + lane * s.x_lane;
    if (!single) std::memset(lane_x + first * s.x_image, 0, (last - first) * s.x_image * sizeof(float));
    for (int64_t unit = first * step; unit < last * step; ++unit)
      lines(unit, [&](int64_t image, int64_t row, int64_t column, int64_t n) {
        const ptrdiff_t at = lane * s.y_lane + image * s.y_image + (row * lines.columns + column) * s.out;
        const float *a = grad.typed_data() + at, *positive = rectify ? y.typed_data() + at : nullptr;
        if (pooled)
          products().unpool_lines(n, s.out, a, positive, winners.typed_data() + at, line, line + kChunk * s.out, s.out,
                                  nullptr);
        else if (rectify)
          products().copy(n, s.out, a, positive, line, s.out, nullptr);
        if (pooled || rectify) a = line;
        for (int64_t k = 0; k < lines.size; ++k, a += kChunk * s.out)
          for (int64_t i = 0; i < s.down; ++i)
            for (int64_t j = 0; j < s.across; ++j) {
              float* c = lane_x + image * s.x_image + s.source(row * lines.size + k, column * lines.size) +
                         (i * s.width + j) * s.in;
              products().multiply(p, n * lines.size, s.in, a, b + (i * s.across + j) * s.out * wide, c,
                                  {!single, false, nullptr});
            }
      });
  });
  return ffi::Error::Success();
}

ffi::Error kernel_gradient(ffi::ThreadPool pool, Floats x, Floats grad, Floats y, Bytes winners,
                           ffi::Result<Floats> kernel, ffi::Result<Floats> bias, int64_t stride_down,
                           int64_t stride_across, bool rectify) {
  const bool pooled = winners.dimensions().size() == 5;
  if (!matches(grad, y, winners, rectify, pooled) ||
      !Shape::fits(x.dimensions(), kernel->dimensions(), grad.dimensions(), stride_down, stride_across, pooled))
    return unfit("layers");
  const Shape s(x.dimensions(), kernel->dimensions(), grad.dimensions(), stride_down, stride_across, pooled);
  const bool biased = bias->element_count() > 0;
  if (biased && int64_t(bias->element_count()) != s.lanes * s.out) return unfit("layers");
  if (s.matrix(s.in, s.out, s.pixels())) {
    const auto gradient = [&](int64_t lane) {
      const ptrdiff_t at = lane * s.y_lane;
      return Operand{grad.typed_data() + at, rectify ? y.typed_data() + at : nullptr, 1, s.out};
    };
    by_matrix(pool, s.lanes, s.in, s.out, s.pixels(), [&](int64_t lane) {
      return Factors{{x.typed_data() + lane * s.x_lane, nullptr, 1, s.in}, gradient(lane),
                     kernel->typed_data() + lane * s.kernel_lane};
    });
    if (biased)
      split(pool, s.lanes, 1, [&](int64_t lane, int64_t, int64_t) {
        float *total = bias->typed_data() + lane * s.out, *room = scratch<float>(0, kMatrixRows * s.out);
        std::memset(total, 0, s.out * sizeof(float));
        for (int64_t r = 0; r < s.pixels(); r += kMatrixRows) {
          const Operand g = gradient(lane).at(r * s.out);
          products().copy(std::min(kMatrixRows, s.pixels() - r), s.out, g.from, g.positive, room, s.out, total);
        }
      });
    return ffi::Error::Success();
  }
  const int64_t wide = whole(s.out), pixels = s.rows * s.columns;
  Product all;
  all.inner = s.rows, all.terms = s.columns;
  all.a_outer = s.x_image, all.a_inner = s.stride_down * s.width * s.in;
  all.a_row = 1, all.a_term = s.stride_across * s.in;
  all.b_outer = pixels * wide, all.b_inner = s.columns * wide, all.b_term = wide;
  all.c_row = s.out;
  // As many images at once as leave their gradients in the cache.
  const int64_t block = std::max<int64_t>(1, (1 << 15) / (pixels * wide));
  const int64_t lines = s.across * s.in, pieces = (lines + 5) / 6;  // a few rows of the kernel, for one of `down`
  split(pool, s.lanes, s.down * pieces, [&](int64_t lane, int64_t first, int64_t last) {
    Product p = all;  // `outer` is this task's own
    float* out = kernel->typed_data() + lane * s.kernel_lane;
    float* room = scratch<float>(0, (std::min(block, s.n) * pixels + 1) * wide);
    float *sums = room + std::min(block, s.n) * pixels * wide, *total = nullptr;
    if (biased && first == 0) {
      total = bias->typed_data() + lane * s.out;
      std::memset(total, 0, s.out * sizeof(float));
    }
    if (s.n == 0) std::memset(out, 0, s.down * lines * s.out * sizeof(float));
    for (int64_t image = 0; image < s.n; image += block) {
      p.outer = std::min(block, s.n - image);
      const ptrdiff_t at = lane * s.y_lane + image * s.y_image;
      const float *a = x.typed_data() + lane * s.x_lane + image * s.x_image, *b = grad.typed_data() + at;
      const float* positive = rectify ? y.typed_data() + at : nullptr;
      if (total || rectify || pooled || wide != s.out) {
        std::memset(sums, 0, s.out * sizeof(float));
        if (pooled)
          for (int64_t r = 0; r < p.outer * s.rows / 2; ++r) {
            const ptrdiff_t line = r * s.columns / 2 * s.out;
            float* upper = room + 2 * r * s.columns * wide;
            products().unpool_lines(s.columns / 2, s.out, b + line, positive ? positive + line : nullptr,
                                    winners.typed_data() + at + line, upper, upper + s.columns * wide, wide,
                                    total ? sums : nullptr);
          }
        else
          products().copy(p.outer * pixels, s.out, b, positive, room, wide, total ? sums : nullptr);
        b = room;
        for (int64_t c = 0; total && c < s.out; ++c) total[c] += sums[c];
      }
      for (int64_t i = first / pieces; i * pieces < last; ++i) {
        const int64_t begin = lines * std::max(first - i * pieces, int64_t{0}) / pieces;
        const int64_t end = lines * std::min(last - i * pieces, pieces) / pieces;
        products().multiply(p, end - begin, s.out, a + i * s.width * s.in + begin, b, out + (i * lines + begin) * s.out,
                            {image > 0, false, nullptr});
      }
    }
  });
  return ffi::Error::Success();
}

bool pools(const Pool& p, int64_t n, size_t x, size_t y) {
  return p.down > 0 && p.across > 0 && x == size_t(n * p.height * p.width * p.channels) &&
         y == size_t(n * p.pooled());
}

ffi::Error pool(ffi::ThreadPool threads, Floats x, ffi::Result<Floats> y, int64_t down, int64_t across) {
  const auto d = x.dimensions();
  if (d.size() != 5) return unfit("layers");
  const int64_t images = d[0] * d[1];
  const Pool p{d[2], d[3], d[4], down, across};
  if (!pools(p, images, x.element_count(), y->element_count())) return unfit("layers");
  const int64_t x_image = p.height * p.width * p.channels, y_image = p.pooled();
  split(threads, 1, images, [&](int64_t, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      products().pool(p, x.typed_data() + i * x_image, y->typed_data() + i * y_image);
  });
  return ffi::Error::Success();
}

ffi::Error pool_gradient(ffi::ThreadPool threads, Floats x, Floats y, ffi::Result<Floats> out, int64_t down,
                         int64_t across) {
  const auto d = x.dimensions();
  if (d.size() != 5) return unfit("layers");
  const int64_t images = d[0] * d[1];
  const Pool p{d[2], d[3], d[4], down, across};
  if (!pools(p, images, x.element_count(), y.element_count())) return unfit("layers");
  const int64_t x_image = p.height * p.width * p.channels, y_image = p.pooled();
  split(threads, 1, images, [&](int64_t, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      products().pool_gradient(p, x.typed_data() + i * x_image, y.typed_data() + i * y_image,
                               out->typed_data() + i * x_image);
  });
  return ffi::Error::Success();
}

}  // namespace

#define SIZES Attr<int64_t>("down").Attr<int64_t>("across")
XLA_FFI_DEFINE_HANDLER_SYMBOL(convolution, forward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>()
                                  .Ret<Floats>().Ret<Bytes>()
                                  .SIZES.Attr<bool>("rectify"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(convolution_input, input_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Bytes>().Arg<Floats>()
                                  .Ret<Floats>()
                                  .SIZES.Attr<bool>("rectify"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(convolution_kernel, kernel_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Bytes>()
                                  .Ret<Floats>().Ret<Floats>()
                                  .SIZES.Attr<bool>("rectify"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(max_pool, pool,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Floats>().Ret<Floats>().SIZES);
XLA_FFI_DEFINE_HANDLER_SYMBOL(max_pool_gradient, pool_gradient,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Floats>().Arg<Floats>().Ret<Floats>().SIZES);

}  // namespace goodfit
