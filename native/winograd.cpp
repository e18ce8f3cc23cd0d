// 3x3 convolutions of stride 1 with fewer multiplications: Winograd's F(2x2, 3x3) (Lavin and Gray 2015,
// arXiv:1509.09308).
//
// Two pixels each way of the output are made of four each way of the input, a tile. With B, G and A as in the paper,
// V = B' d B of a tile, U = G g G' of a kernel, M = V U for each of the 16 values apart, summed over the channels: 16
// multiplications instead of 36; y = A' M A. The gradients take the same ways back: dM = A dy A',
// dU = V' dM summed over tiles, dg = G' dU G, dV = dM U', dd = B dV B' added up where tiles overlap.
#include <algorithm>
#include <cstring>
#include <memory>

#include "layers.h"
#include "parallel.h"
#include "products.h"

namespace ffi = xla::ffi;

namespace goodfit {

namespace {

constexpr int64_t kValues = 16;  // of a tile
constexpr int64_t kBlock = 64;   // tiles that are worked on together, about: their values stay in the cache

// x (lanes or 1, n, height, width, in), kernel (lanes or 1, 3, 3, in, out), y (lanes or 1, n, height - 2, width - 2,
// out), or half of that each way where it is the maximum of windows of 2x2 pixels (`pooled`). Such windows are tiles.
struct Shape {
  int64_t lanes, n, in, out, wide_in, wide_out, down, lines;
  ptrdiff_t x_lane, kernel_lane, y_lane, x_image, y_image;  // 0 where lanes share it
  Tiles x_tiles, y_tiles;

  template <class D>
  Shape(const D& x, const D& kernel, const D& y, bool pooled)
      : lanes(std::max({x[0], kernel[0], y[0]})), n(x[1]), in(x[4]), out(y[4]), wide_in(whole(in)),
        wide_out(whole(out)), down(pooled ? y[2] : (y[2] + 1) / 2), x_image(x[2] * x[3] * in),
        y_image(y[2] * y[3] * out) {
    x_lane = x[0] > 1 ? n * x_image : 0;
    kernel_lane = kernel[0] > 1 ? 9 * in * out : 0;
    y_lane = y[0] > 1 ? n * y_image : 0;
    const int64_t across = pooled ? y[3] : (y[3] + 1) / 2;
    lines = std::max<int64_t>(1, kBlock / across);
    // Not a multiple of a page: the 16 values of a tile would fall on the same places of the cache.
    const auto plane = [&](int64_t wide) { return lines * across * wide + products().lanes; };
    x_tiles = {x[2], x[3], in, across, wide_in, plane(wide_in)};
    y_tiles = {x[2] - 2, x[3] - 2, out, across, wide_out, plane(wide_out)};
  }

  template <class D>
  static bool fits(const D& x, const D& kernel, const D& y, bool pooled) {
    if (x.size() != 5 || kernel.size() != 5 || y.size() != 5 || !laned(x, kernel, y)) return false;
    const int64_t size = pooled ? 2 : 1;
    return x[1] == y[1] && kernel[1] == 3 && kernel[2] == 3 && x[4] == kernel[3] && kernel[4] == y[4] && y[2] > 0 &&
           y[3] > 0 && (x[2] - 2) / size == y[2] && (x[3] - 2) / size == y[3];
  }

  int64_t kernel_values() const { return kValues * in * wide_out; }
  // Calls f(image, line of tiles, line in the block) for the lines of a block, of all images one after the other.
  template <class F>
  int64_t block(int64_t first, int64_t last, const F& f) const {
    for (int64_t line = first; line < last; ++line) f(line / down, line % down, line - first);
    return (last - first) * x_tiles.across;
  }
};

ffi::Error forward(ffi::ThreadPool pool, Floats x, Floats kernel, Floats bias, ffi::Result<Floats> y,
                   ffi::Result<Bytes> winners, bool rectify) {
  const bool pooled = winners->dimensions().size() == 5;
  if (!Shape::fits(x.dimensions(), kernel.dimensions(), y->dimensions(), pooled) ||
      (pooled && winners->element_count() != y->element_count()))
    return unfit("winograd");
  const Shape s(x.dimensions(), kernel.dimensions(), y->dimensions(), pooled);
  const int64_t biases = bias.element_count();
  if (biases != 0 && biases != s.out && biases != s.lanes * s.out) return unfit("winograd");
  Product p;
  p.terms = s.in, p.a_row = s.wide_in, p.a_term = 1, p.b_term = s.wide_out, p.c_row = s.wide_out;
  split(pool, s.lanes, s.n, [&](int64_t lane, int64_t first, int64_t last) {
    float* const u = scratch<float>(0, s.kernel_values() + kValues * (s.x_tiles.plane + s.y_tiles.plane));
    float *const v = u + s.kernel_values(), *const m = v + kValues * s.x_tiles.plane;
    if (s.wide_out != s.out) std::memset(u, 0, s.kernel_values() * sizeof(float));
    products().values_of_kernel(s.in, s.out, kernel.typed_data() + lane * s.kernel_lane, u, s.wide_out);
    const float* const own = biases ? bias.typed_data() + (biases == s.out ? 0 : lane * s.out) : nullptr;
    const float* const from = x.typed_data() + lane * s.x_lane;
    float* const to = y->typed_data() + lane * s.y_lane;
    int8_t* const places = pooled ? winners->typed_data() + lane * s.y_lane : nullptr;
    for (int64_t at = first * s.down, end; at < last * s.down; at = end) {
      end = std::min(at + s.lines, last * s.down);
      const int64_t tiles = s.block(at, end, [&](int64_t image, int64_t line, int64_t here) {
        products().tiles_of_input(s.x_tiles, line, from + image * s.x_image, v + here * s.x_tiles.across * s.wide_in);
      });
      for (int64_t k = 0; k < kValues; ++k)
        products().multiply(p, tiles, s.wide_out, v + k * s.x_tiles.plane, u + k * s.in * s.wide_out,
                            m + k * s.y_tiles.plane, {});
      s.block(at, end, [&](int64_t image, int64_t line, int64_t here) {
        products().output_of_tiles(s.y_tiles, line, m + here * s.y_tiles.across * s.wide_out, own, rectify,
                                   to + image * s.y_image, places ? places + image * s.y_image : nullptr);
      });
    }
  });
  return ffi::Error::Success();
}

ffi::Error gradients(ffi::ThreadPool pool, Floats x, Floats kernel, Floats grad, Floats y, Bytes winners,
                     ffi::Result<Floats> to_x, ffi::Result<Floats> to_kernel, ffi::Result<Floats> to_bias,
                     bool rectify) {
  const bool pooled = winners.dimensions().size() == 5;
  if (!Shape::fits(x.dimensions(), kernel.dimensions(), grad.dimensions(), pooled) ||
      !matches(grad, y, winners, rectify, pooled))
    return unfit("winograd");
  const Shape s(x.dimensions(), kernel.dimensions(), grad.dimensions(), pooled);
  const int64_t biases = to_bias->element_count();
  if (int64_t(to_x->element_count()) != s.lanes * s.n * s.x_image ||
      int64_t(to_kernel->element_count()) != s.lanes * 9 * s.in * s.out || (biases != 0 && biases != s.lanes * s.out))
    return unfit("winograd");
  Product of_input;
  of_input.terms = s.out, of_input.a_row = s.wide_out, of_input.a_term = 1;
  of_input.b_term = s.wide_in, of_input.c_row = s.wide_in;
  // The images of a lane are split, and the sums of the parts added up, in the same way whatever the number of threads.
  const int64_t parts = std::clamp<int64_t>(16 / std::max<int64_t>(s.lanes, 1), 1, std::max<int64_t>(s.n, 1));
  const int64_t part_size = s.kernel_values() + s.wide_out;  // of the kernel, then of the bias
  const std::unique_ptr<float[]> sums(new float[s.lanes * parts * part_size]);
  const auto task = [&](int64_t t) {
    const int64_t lane = t / parts, first = s.n * (t % parts) / parts, last = s.n * (t % parts + 1) / parts;
    float *const du = sums.get() + t * part_size, *const sum = du + s.kernel_values();
    std::memset(du, 0, part_size * sizeof(float));
    const int64_t transposed = kValues * s.out * s.wide_in;
    const int64_t planes = kValues * s.x_tiles.plane;
    float* const u = scratch<float>(0, transposed + kValues * s.in * s.out + 2 * planes + kValues * s.y_tiles.plane);
    float *const straight = u + transposed, *const v = straight + kValues * s.in * s.out, *const dv = v + planes;
    float* const dm = dv + planes;
    products().values_of_kernel(s.in, s.out, kernel.typed_data() + lane * s.kernel_lane, straight, s.out);
    if (s.wide_in != s.in) std::memset(u, 0, transposed * sizeof(float));
    for (int64_t k = 0; k < kValues; ++k)
      products().transpose(s.in, s.out, straight + k * s.in * s.out, u + k * s.out * s.wide_in, s.wide_in);
    Product of_kernel;
    of_kernel.a_row = 1, of_kernel.a_term = s.wide_in, of_kernel.b_term = s.wide_out, of_kernel.c_row = s.wide_out;
    const float* const from = x.typed_data() + lane * s.x_lane;
    const float* const grads = grad.typed_data() + lane * s.y_lane;
    const float* const positive = rectify ? y.typed_data() + lane * s.y_lane : nullptr;
    const int8_t* const places = pooled ? winners.typed_data() + lane * s.y_lane : nullptr;
    float* const to = to_x->typed_data() + lane * s.n * s.x_image;
    std::memset(to + first * s.x_image, 0, (last - first) * s.x_image * sizeof(float));
    for (int64_t at = first * s.down, end; at < last * s.down; at = end) {
      end = std::min(at + s.lines, last * s.down);
      const int64_t tiles = s.block(at, end, [&](int64_t image, int64_t line, int64_t here) {
        products().tiles_of_input(s.x_tiles, line, from + image * s.x_image, v + here * s.x_tiles.across * s.wide_in);
        products().tiles_of_gradient(s.y_tiles, line, grads + image * s.y_image,
                                     positive ? positive + image * s.y_image : nullptr,
                                     places ? places + image * s.y_image : nullptr,
                                     dm + here * s.y_tiles.across * s.wide_out, sum);
      });
      of_kernel.terms = tiles;
      for (int64_t k = 0; k < kValues; ++k) {
        products().multiply(of_kernel, s.in, s.wide_out, v + k * s.x_tiles.plane, dm + k * s.y_tiles.plane,
                            du + k * s.in * s.wide_out, {true, false, nullptr});
        products().multiply(of_input, tiles, s.wide_in, dm + k * s.y_tiles.plane, u + k * s.out * s.wide_in,
                            dv + k * s.x_tiles.plane, {});
      }
      s.block(at, end, [&](int64_t image, int64_t line, int64_t here) {
        products().input_gradient_of_tiles(s.x_tiles, line, dv + here * s.x_tiles.across * s.wide_in,
                                           to + image * s.x_image);
      });
    }
  };
  parallel(pool, s.lanes * parts, task);
  parallel(pool, s.lanes, [&](int64_t lane) {
    const float* const first = sums.get() + lane * parts * part_size;
    products().kernel_gradient_of_values(s.in, s.out, first, s.wide_out, parts, part_size,
                                         to_kernel->typed_data() + lane * 9 * s.in * s.out);
    for (int64_t c = 0; biases && c < s.out; ++c) {
      float total = 0;
      for (int64_t part = 0; part < parts; ++part) total += first[part * part_size + s.kernel_values() + c];
      to_bias->typed_data()[lane * s.out + c] = total;
    }
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(winograd, forward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>()
                                  .Ret<Floats>().Ret<Bytes>()
                                  .Attr<bool>("rectify"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(winograd_gradients, gradients,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Bytes>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>()
                                  .Attr<bool>("rectify"));

}  // namespace goodfit
