// LSTM and GRU layers of lanes as XLA custom calls: what they compute is in goodfit.models.recurrent. The rows of a batch
// do not need each other: a thread takes a few of them through all steps.
#include <algorithm>
#include <cstring>

#include "layers.h"
#include "parallel.h"
#include "products.h"

namespace ffi = xla::ffi;

namespace goodfit {

namespace {

constexpr int64_t kRows = 24;  // that go through the steps together

// x (lanes, n, steps, gates * units), kernel (lanes, units, gates * units), states (lanes, n, steps, units), saved
// (lanes, n, steps, 4 * units), first states (lanes, n, units), mask (lanes or 1, n, steps) or nothing.
struct Shape {
  int64_t lanes, n, steps, units, gates, wide;
  ptrdiff_t mask_lane;

  template <class D>
  Shape(const D& x, const D& kernel, const D& mask, bool gru)
      : lanes(x[0]), n(x[1]), steps(x[2]), units(kernel[1]), gates(gru ? 3 : 4), wide(whole(gates * units)),
        mask_lane(mask.size() == 3 && mask[0] > 1 ? n * steps : 0) {}

  template <class D>
  static bool fits(const D& x, const D& kernel, const D& mask, bool gru) {
    if (x.size() != 4 || kernel.size() != 3 || kernel[0] != x[0] || kernel[1] < 1 || x[2] < 1) return false;
    if (x[3] != kernel[2] || x[3] != (gru ? 3 : 4) * kernel[1]) return false;
    return mask.size() != 3 || ((mask[0] == 1 || mask[0] == x[0]) && mask[1] == x[1] && mask[2] == x[2]);
  }

  size_t rows() const { return lanes * n; }
  const int8_t* kept(const Bytes& mask, int64_t lane, int64_t row, int64_t t) const {
    return mask.dimensions().size() == 3 ? mask.typed_data() + lane * mask_lane + row * steps + t : nullptr;
  }
  Cell cell(int64_t rows, bool first) const {
    return {rows, units, steps * gates * units, steps * 4 * units, steps * units, first ? units : steps * units, steps};
  }
};

ffi::Error forward(ffi::ThreadPool pool, Floats x, Floats kernel, Floats bias, Floats first_h, Floats first_c,
                   Bytes mask, ffi::Result<Floats> h, ffi::Result<Floats> c, ffi::Result<Floats> saved, bool gru) {
  if (!Shape::fits(x.dimensions(), kernel.dimensions(), mask.dimensions(), gru)) return unfit("recurrent");
  const Shape s(x.dimensions(), kernel.dimensions(), mask.dimensions(), gru);
  const size_t state = s.rows() * s.steps * s.units, first = s.rows() * s.units;
  if (h->element_count() != state || (!gru && c->element_count() != state) || saved->element_count() != 4 * state ||
      first_h.element_count() != first || (!gru && first_c.element_count() != first) ||
      (gru && int64_t(bias.element_count()) != s.lanes * s.gates * s.units))
    return unfit("recurrent");
  const int64_t wide = s.gates * s.units;
  Product p;
  p.terms = s.units, p.a_term = 1, p.b_term = s.wide, p.c_row = wide;
  split(pool, s.lanes, s.n, [&](int64_t lane, int64_t begin, int64_t end) {
    float* const u = scratch<float>(0, (s.units + 1) * s.wide + kRows * wide);
    float *const own = u + s.units * s.wide, *const product = own + s.wide;
    products().copy(s.units, wide, kernel.typed_data() + lane * s.units * wide, nullptr, u, s.wide, nullptr);
    if (gru) products().copy(1, wide, bias.typed_data() + lane * wide, nullptr, own, s.wide, nullptr);
    for (int64_t row = begin; row < end; row += kRows) {
      const int64_t rows = std::min(kRows, end - row), at = lane * s.n + row;
      for (int64_t t = 0; t < s.steps; ++t) {
        const ptrdiff_t now = (at * s.steps + t) * s.units, before = t ? now - s.units : at * s.units;
        const float* const h_before = (t ? h->typed_data() : first_h.typed_data()) + before;
        const Cell cell = s.cell(rows, t == 0);
        Product here = p;
        here.a_row = cell.before_row;
        products().multiply(here, rows, wide, h_before, u, product, {false, false, gru ? own : nullptr});
        const float* const in = x.typed_data() + now * s.gates;
        const int8_t* const kept = s.kept(mask, lane, row, t);
        if (gru)
          products().gru_step(cell, in, product, h_before, kept, saved->typed_data() + 4 * now, h->typed_data() + now);
        else
          products().lstm_step(cell, in, product, h_before, (t ? c->typed_data() : first_c.typed_data()) + before,
                               kept, saved->typed_data() + 4 * now, h->typed_data() + now, c->typed_data() + now);
      }
    }
  });
  return ffi::Error::Success();
}

ffi::Error gradients(ffi::ThreadPool pool, Floats grad_h, Floats grad_c, Floats h, Floats c, Floats saved,
                     Floats kernel, Floats first_h, Floats first_c, Bytes mask, ffi::Result<Floats> to_x,
                     ffi::Result<Floats> to_inner, ffi::Result<Floats> to_h, ffi::Result<Floats> to_c, bool gru) {
  if (!Shape::fits(to_x->dimensions(), kernel.dimensions(), mask.dimensions(), gru)) return unfit("recurrent");
  const Shape s(to_x->dimensions(), kernel.dimensions(), mask.dimensions(), gru);
  const size_t state = s.rows() * s.steps * s.units, first = s.rows() * s.units;
  if (grad_h.element_count() != state || h.element_count() != state || saved.element_count() != 4 * state ||
      first_h.element_count() != first || to_h->element_count() != first)
    return unfit("recurrent");
  if (gru ? to_inner->element_count() != to_x->element_count()
          : c.element_count() != state || grad_c.element_count() != first || first_c.element_count() != first ||
                to_c->element_count() != first)
    return unfit("recurrent");
  const int64_t wide = s.gates * s.units, units = whole(s.units);
  Product p;
  p.terms = wide, p.a_row = s.steps * wide, p.a_term = 1, p.b_term = units, p.c_row = s.units;
  split(pool, s.lanes, s.n, [&](int64_t lane, int64_t begin, int64_t end) {
    float* const u = scratch<float>(0, wide * units);
    if (units != s.units) std::memset(u, 0, wide * units * sizeof(float));
    products().transpose(s.units, wide, kernel.typed_data() + lane * s.units * wide, u, units);
    for (int64_t row = begin; row < end; row += kRows) {
      const int64_t rows = std::min(kRows, end - row), at = lane * s.n + row;
      float* const next_h = to_h->typed_data() + at * s.units;
      float* const next_c = gru ? nullptr : to_c->typed_data() + at * s.units;
      std::memset(next_h, 0, rows * s.units * sizeof(float));
      if (!gru) std::memcpy(next_c, grad_c.typed_data() + at * s.units, rows * s.units * sizeof(float));
      for (int64_t t = s.steps - 1; t >= 0; --t) {
        const ptrdiff_t now = (at * s.steps + t) * s.units, before = t ? now - s.units : at * s.units;
        const Cell cell = s.cell(rows, t == 0);
        float* const dx = to_x->typed_data() + now * s.gates;
        const float* di = dx;
        const int8_t* const kept = s.kept(mask, lane, row, t);
        if (gru) {
          float* const inner = to_inner->typed_data() + now * s.gates;
          products().gru_step_gradient(cell, saved.typed_data() + 4 * now,
                                       (t ? h.typed_data() : first_h.typed_data()) + before, grad_h.typed_data() + now,
                                       kept, next_h, dx, inner);
          di = inner;
        } else {
          products().lstm_step_gradient(cell, saved.typed_data() + 4 * now, c.typed_data() + now,
                                        (t ? c.typed_data() : first_c.typed_data()) + before, grad_h.typed_data() + now,
                                        kept, next_h, next_c, dx);
        }
        products().multiply(p, rows, s.units, di, u, next_h, {true, false, nullptr});
      }
    }
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(recurrent, forward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Bytes>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>()
                                  .Attr<bool>("gru"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(recurrent_gradients, gradients,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Bytes>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>()
                                  .Attr<bool>("gru"));

}  // namespace goodfit
