#include "ngrams.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <string>
#include <thread>
#include <utility>

namespace goodfit {
namespace {

uint64_t hash(const Gram& g) { return mix(mix(g[0], g[1]), g[2]); }
bool same(const Gram& a, const Gram& b) { return a[0] == b[0] && a[1] == b[1] && a[2] == b[2]; }  // no call as == is

int threads_for(size_t texts) {
  return int(std::clamp<size_t>(texts / 64, 1, std::max(1u, std::thread::hardware_concurrency())));
}

// Runs work(thread, part) for each part, whichever thread is free, this one included; where the system has no more
// threads to give, on those there are. What work throws ends it for all threads and is thrown here.
template <class Work>
void share(int threads, size_t parts, const Work& work) {
  if (threads <= 1) {
    for (size_t part = 0; part < parts; ++part) work(0, part);
    return;
  }
  std::atomic<size_t> next{0};
  std::vector<std::exception_ptr> failed(static_cast<size_t>(threads));
  const auto run = [&](int thread) {
    try {
      for (size_t part; (part = next.fetch_add(1)) < parts;) work(thread, part);
    } catch (...) {
      failed[size_t(thread)] = std::current_exception();
      next = parts;
    }
  };
  std::vector<std::thread> others;
  try {
    for (int i = 1; i < threads; ++i) others.emplace_back(run, i);
  } catch (...) {  // one thread less
  }
  run(0);
  for (auto& t : others) t.join();
  for (const auto& f : failed)
    if (f) std::rethrow_exception(f);
}

template <class T>
void sort(int threads, std::vector<T>& items) {
  const auto piece = [&](int i) { return items.begin() + ptrdiff_t(items.size() * i / threads); };
  share(threads, threads, [&](int, size_t i) { std::sort(piece(int(i)), piece(int(i) + 1)); });
  for (int i = 1; i < threads; ++i) std::inplace_merge(items.begin(), piece(i), piece(i + 1));
}

// Sorts by numbers up to `largest`, a digit of `bits` at a time; equal ones stay in their order. Each thread counts and
// places a piece of them.
template <int bits, class Items, class Number>
void sort_by(const Number& number, uint32_t largest, Items& items, Items& other, int threads = 1) {
  constexpr uint32_t kDigits = 1 << bits;
  using Places = std::array<uint32_t, kDigits>;  // of the next number with a digit
  other.resize(items.size());
  Places first;
  std::vector<Places> others(size_t(threads - 1));
  const auto places = [&](size_t piece) -> Places& { return piece ? others[piece - 1] : first; };
  for (int shift = 0; shift < 32 && largest >> shift; shift += bits) {
    const auto each = [&](size_t piece, const auto& f) {
      const auto begin = items.begin(), end = begin + ptrdiff_t(items.size() * (piece + 1) / size_t(threads));
      for (auto x = begin + ptrdiff_t(items.size() * piece / size_t(threads)); x != end; ++x)
        f(*x, places(piece)[number(*x) >> shift & (kDigits - 1)]);
    };
    share(threads, size_t(threads), [&](int, size_t piece) {
      places(piece).fill(0);
      each(piece, [](const auto&, uint32_t& count) { ++count; });
    });
    uint32_t at = 0;
    for (uint32_t digit = 0; digit < kDigits; ++digit)
      for (int piece = 0; piece < threads; ++piece) at += std::exchange(places(size_t(piece))[digit], at);
    share(threads, size_t(threads), [&](int, size_t piece) {
      each(piece, [&](const auto& x, uint32_t& place) { other[place++] = x; });
    });
    items.swap(other);
  }
}

// How often something stands in all texts, and in how many. Texts must come one after the other.
struct Tally {
  uint32_t count = 0, texts = 0, last = kNone;
  void add(uint32_t text) {
    ++count;
    texts += last != text;
    last = text;
  }
};

// An n-gram in a text; `number` is where the shard's number of it is wanted, if anywhere.
struct Entry {
  Gram gram;
  uint32_t text;
  uint32_t* number;
};

// Tallies of n-grams, numbered as they come: an open hash table.
class Shard {
 public:
  struct Slot {
    Gram gram = {kNone, kNone, kNone};
    Tally tally;
    uint32_t number = kNone;
  };
  void add(const std::vector<Entry>& entries) {
    constexpr size_t kAhead = 16;  // for the memory to come
    for (size_t i = 0; i < entries.size(); ++i) {
      if (used_ * 3 >= slots_.size() * 2) grow();
      if (i + kAhead < entries.size())
        __builtin_prefetch(&slots_[hash(entries[i + kAhead].gram) & (slots_.size() - 1)]);
      Slot& slot = place(entries[i].gram);
      if (slot.tally.count == 0) {
        slot.gram = entries[i].gram;
        slot.number = uint32_t(used_++);
      }
      slot.tally.add(entries[i].text);
      if (entries[i].number) *entries[i].number = slot.number;
    }
  }
  const std::vector<Slot>& slots() const { return slots_; }
  size_t used() const { return used_; }

 private:
  Slot& place(const Gram& gram) {
    const size_t mask = slots_.size() - 1;
    for (size_t i = hash(gram) & mask;; i = (i + 1) & mask)
      if (slots_[i].tally.count == 0 || same(slots_[i].gram, gram)) return slots_[i];
  }
  void grow() {
    std::vector<Slot> old(std::max<size_t>(64, 2 * slots_.size()));
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.tally.count) place(slot.gram) = slot;
  }
  std::vector<Slot> slots_;
  size_t used_ = 0;
};

constexpr int kShards = 256;
uint32_t shard_of(const Gram& gram) { return uint32_t(hash(gram) >> 56); }

// What a thread finds in a block of texts.
struct Found {
  TokenReader tokens;
  std::vector<Tally> words;           // by token number
  std::vector<Entry> grams[kShards];  // of two tokens and more

  explicit Found(Tokens& all) : tokens(all) {}

  // Reads texts from the number `first`; into `part`, too, if there is one.
  void read(const Text* texts, size_t size, uint32_t first, const NgramOptions& options, Reading::Part* part) {
    for (uint32_t text = first; text < first + size; ++text) {
      const std::vector<uint32_t>& ids = tokens(texts[text - first]);
      if (options.low == 1)
        for (uint32_t id : ids) {
          if (id >= words.size()) words.resize(std::max<size_t>(id + 1, 2 * words.size()));
          words[id].add(text);
        }
      uint32_t* number = nullptr;
      if (part) {
        part->sizes.push_back(uint32_t(ids.size()));
        part->ids.insert(part->ids.end(), ids.begin(), ids.end());
        number = part->numbers.emplace_back(new uint32_t[options.grams(ids.size()) + 1]).get();
      }
      for (int n = std::max(2, options.low); n <= options.high; ++n)
        for (size_t i = 0; i + n <= ids.size(); ++i) {
          const Gram gram = {ids[i], ids[i + 1], n == 3 ? ids[i + 2] : kNone};
          grams[shard_of(gram)].push_back({gram, text, number});
          if (number) ++number;
        }
    }
  }
};

// A candidate for the vocabulary; tokens are numbered in code point order, from 1, and 0 stands for none, so that
// these numbers compare as the n-grams' texts do (a blank is below every character of a token).
struct Candidate {
  uint32_t count = 0;
  Gram ranks;
  uint32_t shard, number;  // of its token where it is but one
  bool operator<(const Candidate& other) const {
    return count != other.count ? count > other.count : ranks < other.ranks;
  }
};

using Candidates = std::vector<Candidate, HugePages<Candidate>>;

// The place of each token in code point order, from 1, and the tokens in that order.
std::vector<uint32_t> ranks(int threads, const Tokens& tokens, std::vector<uint32_t>* order) {
  struct Name {
    uint64_t start;  // the first bytes, so that most comparisons look no further
    uint32_t id;
    const Tokens* tokens;
    bool operator<(const Name& other) const {
      return start != other.start ? start < other.start : tokens->name(id) < tokens->name(other.id);
    }
  };
  std::vector<Name> names;
  for (uint32_t id = 0; id < tokens.size(); ++id)
    names.push_back({__builtin_bswap64(tokens.token(id).start), id, &tokens});
  sort(threads, names);
  std::vector<uint32_t> rank(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    order->push_back(names[i].id);
    rank[names[i].id] = uint32_t(i) + 1;
  }
  return rank;
}

}  // namespace

size_t NgramOptions::grams(size_t tokens) const {
  size_t all = 0;
  for (int n = std::max(2, low); n <= high; ++n) all += tokens >= size_t(n) ? tokens - size_t(n) + 1 : 0;
  return all;
}

void choose(const NextTexts& next, const NgramOptions& options, Vocabulary& out, Reading* reading) {
  constexpr int64_t kBlock = int64_t{1} << 24;  // characters that are read before n-grams are tallied: bounds memory
  constexpr size_t kPart = 64;                  // texts that a thread takes at a time
  int threads = 1;
  std::deque<Found> found;
  std::vector<Shard> shards(kShards);
  std::vector<Text> texts;
  uint32_t before = 0;  // texts read
  while (next(texts)) {
    threads = std::max(threads, threads_for(texts.size()));
    while (int(found.size()) < threads) found.emplace_back(out.tokens);
    for (size_t first = 0, last; first < texts.size(); first = last) {
      int64_t length = 0;
      for (last = first; last < texts.size() && length < kBlock;) length += texts[last++].length;
      const size_t parts = (last - first + kPart - 1) / kPart, known = reading ? reading->parts.size() : 0;
      if (reading) reading->parts.resize(known + parts);
      share(threads, parts, [&](int thread, size_t part) {
        const size_t from = first + part * kPart, to = std::min(last, from + kPart);
        Reading::Part* into = reading ? &reading->parts[known + part] : nullptr;
        found[thread].read(&texts[from], to - from, before + uint32_t(from), options, into);
      });
      share(threads, options.high > 1 ? kShards : 0, [&](int, size_t shard) {
        for (Found& f : found) {
          shards[shard].add(f.grams[shard]);
          f.grams[shard].clear();
        }
      });
    }
    before += uint32_t(texts.size());
  }

  std::vector<uint32_t> order;
  const std::vector<uint32_t> rank = ranks(threads, out.tokens, &order);
  size_t candidates = out.tokens.size();
  for (const Shard& shard : shards) candidates += shard.used();
  Candidates chosen;
  chosen.reserve(candidates);
  const auto consider = [&](const Gram& gram, const Tally& tally, uint32_t shard, uint32_t number) {
    if (tally.count == 0 || tally.texts < options.min_df || tally.texts > options.max_df) return;
    Candidate c{tally.count, {}, shard, number};
    for (int i = 0; i < kLongest; ++i) c.ranks[i] = gram[i] == kNone ? 0 : rank[gram[i]];
    chosen.push_back(c);
  };
  if (options.low == 1)
    for (uint32_t id = 0; id < out.tokens.size(); ++id) {
      Tally all;
      for (const Found& f : found)
        if (id < f.words.size()) all.count += f.words[id].count, all.texts += f.words[id].texts;
      consider({id, kNone, kNone}, all, kShards, id);
    }
  if (reading) reading->columns.assign(kShards + 1, {});
  for (uint32_t i = 0; i < kShards; ++i) {
    for (const auto& slot : shards[i].slots()) consider(slot.gram, slot.tally, i, slot.number);
    if (reading) reading->columns[i].assign(shards[i].used(), -1);
    shards[i] = Shard();
  }
  if (reading) reading->columns[kShards].assign(out.tokens.size(), -1);
  if (options.max_features >= 0 && chosen.size() > size_t(options.max_features)) {
    std::nth_element(chosen.begin(), chosen.begin() + options.max_features, chosen.end());
    chosen.resize(options.max_features);
  }
  uint32_t most = 0;
  for (const Candidate& c : chosen) most = std::max(most, c.count);
  Candidates other;
  for (int i = options.high; i-- > 0;)
    sort_by<9>([i](const Candidate& c) { return c.ranks[i]; }, uint32_t(order.size()), chosen, other, threads);
  sort_by<10>([most](const Candidate& c) { return most - c.count; }, most, chosen, other, threads);
  out.grams.resize(chosen.size());
  share(threads, size_t(threads), [&](int, size_t piece) {
    const size_t last = chosen.size() * (piece + 1) / size_t(threads);
    for (size_t k = chosen.size() * piece / size_t(threads); k < last; ++k) {
      const Candidate& c = chosen[k];
      if (reading) reading->columns[c.shard][c.number] = int32_t(k);
      for (int i = 0; i < kLongest; ++i) out.grams[k][i] = c.ranks[i] ? order[c.ranks[i] - 1] : kNone;
    }
  });
}

void add(std::string_view text, Vocabulary& out) {
  Gram gram = {kNone, kNone, kNone};
  const auto n = 1 + std::count(text.begin(), text.end(), ' ');
  for (int i = 0; i < n && n <= kLongest; ++i) {
    std::string token(text.substr(0, text.find(' ')));
    text.remove_prefix(std::min(text.size(), token.size() + 1));
    token.resize(token.size() + 16);
    const Token padded(token.data(), token.size() - 16);
    const char* kept;
    gram[i] = out.tokens.add(padded, padded.hash(), &kept);
  }
  out.grams.push_back(gram);
}

size_t Lookup::first(const Gram& gram) const { return hash(gram) & (slots_.size() - 1); }

size_t Lookup::place(const Gram& gram) const {
  size_t i = first(gram);
  while (slots_[i].column >= 0 && !same(slots_[i].gram, gram)) i = (i + 1) & (slots_.size() - 1);
  return i;
}

Lookup::Lookup(const Vocabulary& vocabulary, int low, int high)
    : low(low), high(high), columns_(vocabulary.grams.size()) {
  size_t size = 64;
  while (2 * size < 3 * columns_) size *= 2;
  slots_.resize(size);
  std::vector<uint32_t> renumbered(vocabulary.tokens.size(), kNone);
  constexpr size_t kAhead = 32;
  std::array<Slot, kAhead> waiting;  // for the memory they go to
  const auto enter = [&](const Slot& slot) {
    if (slot.column >= 0) slots_[place(slot.gram)] = slot;
  };
  size_t entered = 0;
  for (size_t column = 0; column < columns_; ++column) {
    Gram gram = vocabulary.grams[column];
    const int n = int(std::find(gram.begin(), gram.end(), kNone) - gram.begin());
    if (n < low || n > high) continue;
    for (int i = 0; i < n; ++i) {
      uint32_t& id = renumbered[gram[i]];
      if (id == kNone) {
        const Token token = vocabulary.tokens.token(gram[i]);
        tokens_.insert(token, token.hash(), id = uint32_t(words_.size()));
        words_.push_back(-1);
      }
      gram[i] = id;
    }
    if (n == 1) {
      words_[gram[0]] = int32_t(column);
    } else {
      Slot& place = waiting[entered++ % kAhead];
      enter(place);
      place = {gram, int32_t(column)};
      prefetch(gram);
    }
  }
  for (const Slot& slot : waiting) enter(slot);
}

namespace {

// Counts text after text in memory that is used again.
class Counter {
 public:
  // Counts a text whose columns, of at most so many n-grams, `fill` gives one by one, below 0 for none.
  template <class Fill>
  void add(size_t grams, uint32_t columns, const Fill& fill) {
    columns_.resize(grams + 1);
    int32_t* end = columns_.data();
    fill([&](int32_t column) { *end = column, end += column >= 0; });
    columns_.resize(size_t(end - columns_.data()));
    sort_by<8>([](int32_t column) { return uint32_t(column); }, columns, columns_, other_);
    const size_t before = found_.columns.size();
    for (size_t i = 0, next; i < columns_.size(); i = next) {
      for (next = i + 1; next < columns_.size() && columns_[next] == columns_[i];) ++next;
      found_.columns.push_back(columns_[i]);
      found_.values.push_back(float(next - i));
    }
    found_.per_text.push_back(int32_t(found_.columns.size() - before));
  }

  // What was found since it was last asked.
  Counts take() {
    const Counts copy = found_;
    found_.per_text.clear(), found_.columns.clear(), found_.values.clear();
    return copy;
  }

 private:
  std::vector<int32_t> columns_, other_;
  Counts found_;
};

}  // namespace

std::vector<Counts> count(const std::vector<Text>& texts, const Lookup& lookup) {
  constexpr size_t kPart = 256;
  struct Worker {
    TokenReader tokens;
    Counter counter;
    std::vector<Gram> grams;
    explicit Worker(const Lookup& lookup) : tokens(lookup.tokens()) {}
  };
  const int threads = threads_for(texts.size());
  std::deque<Worker> workers;
  for (int i = 0; i < threads; ++i) workers.emplace_back(lookup);
  std::vector<Counts> parts((texts.size() + kPart - 1) / kPart);
  share(threads, parts.size(), [&](int thread, size_t part) {
    auto& [tokens, counter, grams] = workers[thread];
    for (size_t i = part * kPart; i < std::min(texts.size(), (part + 1) * kPart); ++i) {
      const std::vector<uint32_t>& ids = tokens(texts[i]);
      grams.clear();
      for (int n = std::max(2, lookup.low); n <= lookup.high; ++n)
        for (size_t k = 0; k + n <= ids.size(); ++k) {
          const Gram gram = {ids[k], ids[k + 1], n == 3 ? ids[k + 2] : kNone};
          if (gram[0] == kNone || gram[1] == kNone || (n == 3 && gram[2] == kNone)) continue;
          lookup.prefetch(gram);
          grams.push_back(gram);
        }
      counter.add(ids.size() + grams.size(), uint32_t(lookup.columns()), [&](const auto& add) {
        if (lookup.low == 1)
          for (uint32_t id : ids) add(id == kNone ? -1 : lookup.word(id));
        for (const Gram& gram : grams) add(lookup.gram(gram));
      });
    }
    parts[part] = counter.take();
  });
  return parts;
}

std::vector<Counts> count(const Reading& reading, const Vocabulary& vocabulary, const NgramOptions& options) {
  const int threads = threads_for(64 * reading.parts.size());
  std::vector<Counter> counters(static_cast<size_t>(threads));
  std::vector<Counts> parts(reading.parts.size());
  const std::vector<int32_t>& words = reading.columns[kShards];
  share(threads, parts.size(), [&](int thread, size_t i) {
    const Reading::Part& part = reading.parts[i];
    const uint32_t* ids = part.ids.data();
    for (size_t text = 0; text < part.sizes.size(); ids += part.sizes[text++]) {
      const size_t size = part.sizes[text];
      const uint32_t* number = part.numbers[text].get();
      counters[thread].add(size + options.grams(size), uint32_t(vocabulary.grams.size()), [&](const auto& add) {
        if (options.low == 1)
          for (size_t k = 0; k < size; ++k) add(words[ids[k]]);
        for (int n = std::max(2, options.low); n <= options.high; ++n)
          for (size_t k = 0; k + n <= size; ++k)
            add(reading.columns[shard_of({ids[k], ids[k + 1], n == 3 ? ids[k + 2] : kNone})][*number++]);
      });
    }
    parts[i] = counters[thread].take();
  });
  return parts;
}

void join(const std::vector<Counts>& parts, int32_t* indptr, int32_t* indices, float* values) {
  std::vector<size_t> starts = {0};  // of each part's counts
  *indptr = 0;
  for (const Counts& part : parts) {
    for (int32_t n : part.per_text) indptr[1] = *indptr + n, ++indptr;
    starts.push_back(starts.back() + part.columns.size());
  }
  share(threads_for(64 * parts.size()), parts.size(), [&](int, size_t i) {
    std::copy(parts[i].columns.begin(), parts[i].columns.end(), indices + starts[i]);
    std::copy(parts[i].values.begin(), parts[i].values.end(), values + starts[i]);
  });
}

}  // namespace goodfit
