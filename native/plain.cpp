// Plain networks as XLA custom calls: an epoch of training, a pass of evaluation, one lane a thread. See
// goodfit.train.plain for what they compute, and plain.h for how.
#include "plain.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "in_place.h"
#include "parallel.h"
#include "sparse.h"

namespace ffi = xla::ffi;

namespace goodfit {
namespace {

using Floats = ffi::Buffer<ffi::F32>;
using Ints = ffi::Buffer<ffi::S32>;
using Bytes = ffi::Buffer<ffi::U8>;
using Words = ffi::Buffer<ffi::U32>;

ffi::Error wrong(const char* what) { return ffi::Error::InvalidArgument(std::string("goodfit kernels: ") + what); }

// Memory that this thread keeps for the next lane, handed out piece by piece and zeroed.
class Arena {
 public:
  void start() { block_ = used_ = 0; }

  template <class T>
  T* take(int64_t n) {
    const size_t lines = (size_t(n) * sizeof(T) + sizeof(Line) - 1) / sizeof(Line);
    while (block_ < blocks_.size() && used_ + lines > blocks_[block_].size()) ++block_, used_ = 0;
    if (block_ == blocks_.size()) blocks_.emplace_back(std::max(lines, kLines));
    Line* const at = blocks_[block_].data() + used_;
    used_ += lines;
    std::memset(at, 0, lines * sizeof(Line));
    return reinterpret_cast<T*>(at);
  }

 private:
  struct alignas(64) Line {
    char bytes[64];
  };
  static constexpr size_t kLines = (size_t{1} << 20) / sizeof(Line);  // of a block at least
  std::vector<std::vector<Line>> blocks_;
  size_t block_ = 0, used_ = 0;
};
thread_local Arena arena;

// A network as goodfit.train.plain describes it: for each layer its operation, inputs, units and what else it has, and
// two numbers. Weights come in the order of the layers, and so do moving statistics.
struct Description {
  struct Part {
    Operation operation;
    int64_t in, units, extra;
    float numbers[2];
  };
  std::vector<Part> parts;

  Description(ffi::Span<const int32_t> layers, ffi::Span<const float> numbers) {
    for (size_t i = 0; 4 * i + 3 < layers.size() && 2 * i + 1 < numbers.size(); ++i)
      parts.push_back({Operation(layers[4 * i]), layers[4 * i + 1], layers[4 * i + 2], layers[4 * i + 3],
                       {numbers[2 * i], numbers[2 * i + 1]}});
  }

  size_t weights() const {
    size_t n = 0;
    for (const Part& p : parts)
      n += p.operation == kDense ? 1 + (p.extra & 1) : p.operation == kNormalization ? (p.extra & 1) + (p.extra >> 1) : 0;
    return n;
  }
  size_t statistics() const {
    return 2 * std::count_if(parts.begin(), parts.end(), [](const Part& p) { return p.operation == kNormalization; });
  }
  int64_t widest() const {
    int64_t n = 0;
    for (const Part& p : parts) n = std::max(n, padded(p.units));
    return n;
  }
};

// Arrays of all lanes: weights, their slots, moving statistics.
struct Arrays {
  std::vector<float*> weights, slot0, slot1, statistics;
  int64_t tiles = 0, width = 0;  // of the packed first kernel
  const float *l1 = nullptr, *l2 = nullptr, *rates = nullptr;  // (lanes, weights), (lanes, weights), (lanes, dropouts)
  int64_t dropouts = 0;
};

// One lane's network in this thread's memory: rows of padded columns, but for a first kernel of sparse rows that needs
// no padding, which stays where it is.
class Lane {
 public:
  Lane(const Description& d, const Arrays& a, int64_t lane, bool sparse, int64_t features, int64_t batch, bool training)
      : arrays_(a), lane_(lane) {
    arena.start();
    layers_.resize(d.parts.size());
    weights_.reserve(d.weights() + size_t(a.tiles));
    size_t w = 0, s = 0;
    int64_t largest = 0;
    float* last = nullptr;
    for (size_t i = 0; i < d.parts.size(); ++i) {
      const auto& part = d.parts[i];
      Layer& layer = layers_[i];
      layer = {part.operation, part.in, part.units, nullptr, nullptr, nullptr, nullptr,
               part.numbers[0], part.numbers[1], 0, 0, last, last, nullptr};
      if (part.operation == kDense) {
        if (i == 0 && !sparse) layer.input = arena.take<float>(batch * part.in);
        if (i == 0 && sparse) tile(w++, features);
        else layer.weights = borrow(w++, part.in, part.units);
        if (part.extra & 1) layer.bias = borrow(w++, 1, part.units);
        layer.output = arena.take<float>(batch * padded(part.units));
        largest = std::max(largest, padded(part.in) * part.units);
      } else if (part.operation == kNormalization) {
        if (part.extra & 1) layer.weights = borrow(w++, 1, part.units);
        if (part.extra & 2) layer.bias = borrow(w++, 1, part.units);
        layer.mean = borrow_statistic(s++, part.units);
        layer.variance = borrow_statistic(s++, part.units);
        layer.output = arena.take<float>(batch * padded(part.units));
        layer.saved = arena.take<float>(2 * padded(part.units));
      } else if (part.operation == kDropout && training) {
        layer.key = int32_t(part.extra);
        layer.rate = a.rates[lane * a.dropouts + part.extra];
        layer.saved = arena.take<float>(batch * padded(part.units));
      }
      last = layer.output;
    }
    network = {layers_.data(), int64_t(layers_.size()), first_, nullptr, nullptr, nullptr,
               arena.take<int32_t>(2 * batch)};
    network.transposed = arena.take<float>(largest);
    if (training) {
      network.gradient = arena.take<float>(batch * d.widest());
      network.other = arena.take<float>(batch * d.widest());
    }
  }

  // Writes what was trained back.
  void give_back() const {
    for (const Loan& loan : loans_)
      for (int64_t r = 0; r < loan.rows; ++r)
        std::memcpy(loan.owner + r * loan.units, loan.copy + r * loan.stride, size_t(loan.units) * sizeof(float));
  }

  PlainNetwork network;

 private:
  struct Loan {
    float *owner, *copy;
    int64_t rows, units, stride;
  };

  float* copied(float* owner, int64_t rows, int64_t units, int64_t stride) {
    float* copy = arena.take<float>(rows * stride);
    for (int64_t r = 0; r < rows; ++r) std::memcpy(copy + r * stride, owner + r * units, size_t(units) * sizeof(float));
    loans_.push_back({owner, copy, rows, units, stride});
    return copy;
  }

  Weights* keep(size_t w, int64_t rows, int64_t units, float* data, float* slot0, float* slot1) {
    const auto factor = [&](const float* of) { return of ? of[lane_ * int64_t(arrays_.weights.size()) + int64_t(w)] : 0; };
    weights_.push_back({data, slot0, slot1, rows, units, factor(arrays_.l1), factor(arrays_.l2)});
    return &weights_.back();
  }

  Weights* borrow(size_t w, int64_t rows, int64_t units) {
    float* data[3] = {};
    for (int i = 0; i < 3; ++i) {
      const auto& all = i == 0 ? arrays_.weights : i == 1 ? arrays_.slot0 : arrays_.slot1;
      if (w < all.size()) data[i] = copied(all[w] + lane_ * rows * units, rows, units, padded(units));
    }
    return keep(w, rows, units, data[0], data[1], data[2]);
  }

  float* borrow_statistic(size_t s, int64_t units) {
    return copied(arrays_.statistics[s] + lane_ * units, 1, units, padded(units));
  }

  // The packed kernel of sparse rows; a width that no inner loop has is filled up.
  void tile(size_t w, int64_t features) {
    const int64_t units = arrays_.width, width = units <= 4 ? 4 : units <= 8 ? 8 : units <= 16 ? 16 : 32;
    for (int64_t t = 0; t < arrays_.tiles; ++t) {
      float* data[3] = {};
      for (int i = 0; i < 3; ++i) {
        const auto& all = i == 0 ? arrays_.weights : i == 1 ? arrays_.slot0 : arrays_.slot1;
        if (w >= all.size()) continue;
        float* owner = all[w] + (lane_ * arrays_.tiles + t) * features * units;
        data[i] = width == units ? owner : copied(owner, features, units, width);
        fetch(data[i], features * width);
      }
      Weights* first = keep(w, features, width, data[0], data[1], data[2]);
      if (t == 0) first_ = {first, arrays_.tiles, width};
    }
  }

  const Arrays& arrays_;
  const int64_t lane_;
  std::vector<Layer> layers_;
  std::vector<Weights> weights_;  // never grows past its reserve: the layers point into it
  std::vector<Loan> loans_;
  PackedWeights first_{};
};

// The batches of some steps by features and by rows; see SortedBatch.
class Sorted {
 public:
  std::vector<SortedBatch> batches;

  void make(ffi::ThreadPool& pool, const PlainData& d, const int32_t* order, int64_t steps, int64_t batch) {
    const RowBatch& x = d.sparse;
    const auto size = [&](int32_t row) { return row >= 0 && row < d.rows ? x.end[row] - x.begin[row] : 0; };
    std::vector<int64_t> at(size_t(steps) + 1, 0);
    begins_.resize(size_t(steps * (batch + 1)));
    for (int64_t s = 0; s < steps; ++s) {
      int32_t* const begin = begins_.data() + s * (batch + 1);
      begin[0] = 0;
      for (int64_t r = 0; r < batch; ++r) begin[r + 1] = begin[r] + size(order[s * batch + r]);
      at[s + 1] = at[s] + begin[batch];
    }
    const size_t entries = size_t(at[steps]), valued = x.values ? entries : 0;
    features_.resize(size_t(steps * d.features)), lengths_.resize(features_.size());
    rows_.resize(entries), values_.resize(valued), values_by_row_.resize(valued);
    batches.resize(size_t(steps));
    x.features.with([&](const auto* from) {
      auto& entries_by_row = copies(from);
      entries_by_row.resize(entries);
      parallel(pool, steps, [&](int64_t s) {
        const int32_t *rows = order + s * batch, *begin = begins_.data() + s * (batch + 1);
        auto* to = entries_by_row.data() + at[s];
        float* values = valued ? values_by_row_.data() + at[s] : nullptr;
        for (int64_t r = 0; r < batch; ++r) {
          if (begin[r] == begin[r + 1]) continue;
          std::copy(from + x.begin[rows[r]], from + x.end[rows[r]], to + begin[r]);
          if (values) std::copy(x.values + x.begin[rows[r]], x.values + x.end[rows[r]], values + begin[r]);
        }
        batches[s] = sort(to, {begin, begin + 1, numbered(to), values}, d.features, batch,
                          features_.data() + s * d.features, lengths_.data() + s * d.features, rows_.data() + at[s],
                          valued ? values_.data() + at[s] : nullptr);
      });
    });
  }

 private:
  static Features numbered(const uint16_t* features) { return {features, nullptr}; }
  static Features numbered(const int32_t* features) { return {nullptr, features}; }
  std::vector<uint16_t>& copies(const uint16_t*) { return narrow_; }
  std::vector<int32_t>& copies(const int32_t*) { return wide_; }

  // The batch x, whose entries have these features, with what it is sorted into.
  template <class Feature>
  static SortedBatch sort(const Feature* entries, const RowBatch& x, int64_t count, int64_t batch, int32_t* features,
                          int32_t* lengths, uint16_t* rows, float* values) {
    SortedBatch out{features, {}, lengths, rows, values, x};
    thread_local std::vector<int32_t> next;
    next.assign(size_t(count), 0);
    constexpr int many = SortedBatch::kKinds - 1;
    for (int32_t k = 0; k < x.end[batch - 1]; ++k) ++next[entries[k]];
    for (int64_t f = 0; f < count; ++f) ++out.counts[std::min(next[f], many)];
    int32_t place[SortedBatch::kKinds] = {};  // of the next feature of each kind
    for (int kind = 1; kind <= many; ++kind) place[kind] = place[kind - 1] + out.counts[kind - 1];
    const int32_t first_of_many = place[many];
    for (int64_t f = 0; f < count; ++f) {
      const int kind = std::min(next[f], many);
      if (kind == many) lengths[place[kind] - first_of_many] = next[f];
      features[place[kind]++] = int32_t(f);
    }
    int32_t at = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int32_t n = next[features[i]];
      next[features[i]] = at;
      at += n;
    }
    for (int64_t r = 0; r < batch; ++r)
      for (int32_t k = x.begin[r]; k < x.end[r]; ++k) {
        const int32_t to = next[entries[k]]++;
        rows[to] = uint16_t(r);
        if (values) values[to] = x.values[k];
      }
    return out;
  }

  std::vector<int32_t> features_, lengths_, begins_, wide_;
  std::vector<uint16_t> rows_, narrow_;
  std::vector<float> values_, values_by_row_;
};

PlainData data_of(const Ints& indptr, const ffi::AnyBuffer& indices, const Floats& values, const Ints& labels,
                  int64_t features, int64_t classes) {
  const bool sparse = indptr.element_count() > 0;
  const float* numbers = values.element_count() ? values.typed_data() : nullptr;
  return {sparse ? RowBatch{indptr.typed_data(), indptr.typed_data() + 1, features_of(indices), numbers} : RowBatch{},
          sparse ? nullptr : numbers, labels.typed_data(), int64_t(labels.element_count()), features, classes};
}

// Sorts the arrays that follow the fixed arguments, each as `get` has it, into weights, slots and statistics.
template <class Get>
bool sort_arrays(const Description& d, int slots, bool sparse, int64_t lanes, ffi::RemainingArgs& given, const Get& get,
                 Arrays* a) {
  const size_t n = d.weights();
  if (lanes == 0 || n == 0 || given.size() != n * size_t(1 + slots) + d.statistics()) return false;
  if (sparse) {
    const auto first = given.get<Floats>(0);
    if (!first || first->dimensions().size() != 3) return false;
    a->tiles = first->dimensions()[0] / lanes, a->width = first->dimensions()[2];
    if (a->width < 1 || a->width > kWidths[0]) return false;  // no inner loop is wider
  }
  for (size_t i = 0; i < given.size(); ++i) {
    float* data = get(i);
    if (!data) return false;
    (i < n ? a->weights : i < n * size_t(1 + slots) ? (i < 2 * n ? a->slot0 : a->slot1) : a->statistics).push_back(data);
  }
  return true;
}

ffi::Error train(ffi::ThreadPool pool, Ints indptr, ffi::AnyBuffer indices, Floats values, Ints labels, Ints order,
                 Bytes member, Bytes active, Words keys, Floats coefficients, Floats penalties, Floats rates, Floats smoothing,
                 ffi::RemainingArgs old, ffi::Result<Floats> sums, ffi::Result<Ints> moved, ffi::RemainingRets out,
                 ffi::Span<const int32_t> layers, ffi::Span<const float> numbers, int64_t rule, int64_t features) {
  const Description description(layers, numbers);
  const int64_t lanes = member.dimensions()[0], rows = member.dimensions()[1];
  const int64_t steps = order.dimensions()[0], batch = order.dimensions()[1];
  const bool sparse = indptr.element_count() > 0;
  if (rule <= kGradient || rule >= kNadam || old.size() != out.size() || description.parts.empty() ||
      batch > UINT16_MAX + 1 || !are_features(indices) || int64_t(labels.element_count()) != rows)
    return wrong("no such plain network");
  const auto shared = [&](size_t i) { return in_place(old, i, out, i); };
  Arrays arrays;
  const int slots = rule == kAdam ? 2 : rule == kSgd ? 0 : 1;
  if (!sort_arrays(description, slots, sparse, lanes, old, shared, &arrays)) return wrong("shapes do not fit");
  const int64_t weights = int64_t(arrays.weights.size());
  arrays.l1 = penalties.typed_data(), arrays.l2 = penalties.typed_data() + lanes * weights;
  arrays.rates = rates.typed_data(), arrays.dropouts = rates.dimensions()[1];
  const PlainData data = data_of(indptr, indices, values, labels, features, description.parts.back().units);

  std::vector<PlainSums> found(size_t(lanes), PlainSums{});
  Sorted sorted;
  constexpr int64_t kEntries = int64_t{1} << 23;  // of the batches that are sorted at once
  const int64_t entries = sparse ? int64_t(indices.element_count()) / std::max<int64_t>(rows, 1) * batch + features : 1;
  const int64_t window = sparse ? std::clamp<int64_t>(kEntries / std::max<int64_t>(entries, 1), 1, steps) : steps;
  for (int64_t from = 0; from < steps; from += window) {
    const int64_t here = std::min(window, steps - from);
    if (sparse) sorted.make(pool, data, order.typed_data() + from * batch, here, batch);
    parallel(pool, lanes, [&](int64_t l) {
      if (!active.typed_data()[l]) return;
      Lane lane(description, arrays, l, sparse, features, batch, true);
      const PlainSteps s{here, batch, order.typed_data() + from * batch, sparse ? sorted.batches.data() : nullptr,
                         member.typed_data() + l * rows,
                         keys.typed_data() + (l * steps + from) * arrays.dropouts, arrays.dropouts,
                         coefficients.typed_data() + l * steps * kStepCoefficients, smoothing.typed_data()[l]};
      plain_kernels()->train[rule](data, s, lane.network, &found[l]);
      lane.give_back();
    });
  }
  for (int64_t l = 0; l < lanes; ++l) {
    float* to = sums->typed_data() + 3 * l;
    to[0] = float(found[l].loss), to[1] = float(found[l].right), to[2] = float(found[l].rows);
    moved->typed_data()[l] = int32_t(found[l].steps);
  }
  return ffi::Error::Success();
}

ffi::Error evaluate(ffi::ThreadPool pool, Ints indptr, ffi::AnyBuffer indices, Floats values, Ints labels,
                    Ints chosen, Bytes member, ffi::RemainingArgs given, ffi::Result<Floats> sums, ffi::Span<const int32_t> layers,
                    ffi::Span<const float> numbers, int64_t features) {
  const Description description(layers, numbers);
  const int64_t lanes = member.dimensions()[0], rows = member.dimensions()[1];
  const bool sparse = indptr.element_count() > 0;
  if (description.parts.empty() || !are_features(indices) || int64_t(labels.element_count()) != rows)
    return wrong("no such plain network");
  Arrays arrays;
  const auto array = [&](size_t i) -> float* {
    auto found = given.get<Floats>(i);
    return found ? const_cast<float*>(found->typed_data()) : nullptr;  // read only
  };
  if (!sort_arrays(description, 0, sparse, lanes, given, array, &arrays)) return wrong("shapes do not fit");
  const PlainData data = data_of(indptr, indices, values, labels, features, description.parts.back().units);
  constexpr int64_t kBlock = 256;
  const int64_t blocks = (int64_t(chosen.element_count()) + kBlock - 1) / kBlock;
  const int64_t parts = std::clamp<int64_t>(blocks / 8, 1, 8);  // the same for any number of threads
  // Of a lane, whose weights each of them brings into its thread's cache: as many as share the work evenly.
  const int64_t tasks = std::clamp<int64_t>(32 * pool.num_threads() / lanes, 1, parts);
  std::vector<PlainSums> found(size_t(lanes * parts * 2), PlainSums{});
  parallel(pool, lanes * tasks, [&](int64_t task) {
    const int64_t l = task / tasks, mine = task % tasks;
    Lane lane(description, arrays, l, sparse, features, kBlock, false);
    for (int64_t part = parts * mine / tasks; part < parts * (mine + 1) / tasks; ++part)
      for (int64_t b = blocks * part / parts; b < blocks * (part + 1) / parts; ++b) {
        const int64_t count = std::min<int64_t>(kBlock, int64_t(chosen.element_count()) - b * kBlock);
        plain_kernels()->evaluate(data, chosen.typed_data() + b * kBlock, count, member.typed_data() + l * rows,
                                  lane.network, &found[2 * (l * parts + part)]);
      }
  });
  for (int64_t l = 0; l < lanes; ++l)
    for (int64_t role = 0; role < 2; ++role) {
      PlainSums all{};
      for (int64_t part = 0; part < parts; ++part) {
        const PlainSums& one = found[2 * (l * parts + part) + role];
        all.loss += one.loss, all.right += one.right, all.rows += one.rows;
      }
      float* to = sums->typed_data() + 3 * (2 * l + role);
      to[0] = float(all.loss), to[1] = float(all.right), to[2] = float(all.rows);
    }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(plain_train, train,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Ints>().Arg<ffi::AnyBuffer>().Arg<Floats>().Arg<Ints>()
                                  .Arg<Ints>().Arg<Bytes>().Arg<Bytes>().Arg<Words>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>()
                                  .RemainingArgs()
                                  .Ret<Floats>().Ret<Ints>()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int32_t>>("layers")
                                  .Attr<ffi::Span<const float>>("numbers")
                                  .Attr<int64_t>("rule")
                                  .Attr<int64_t>("features"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(plain_evaluate, evaluate,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Ints>().Arg<ffi::AnyBuffer>().Arg<Floats>().Arg<Ints>()
                                  .Arg<Ints>().Arg<Bytes>()
                                  .RemainingArgs()
                                  .Ret<Floats>()
                                  .Attr<ffi::Span<const int32_t>>("layers")
                                  .Attr<ffi::Span<const float>>("numbers")
                                  .Attr<int64_t>("features"));

}  // namespace goodfit
