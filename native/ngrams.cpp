#include "ngrams.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "tokens.h"

namespace goodfit {
namespace {

using Gram = std::array<uint32_t, kLongest>;  // token numbers; kNone after the last

uint64_t hash(const Gram& g) { return mix(mix(g[0], g[1]), g[2]); }

int threads_for(size_t texts) {
  return int(std::clamp<size_t>(texts / 64, 1, std::max(1u, std::thread::hardware_concurrency())));
}

// Runs work(thread) on each of some threads, this one included.
template <class Work>
void on_threads(int threads, const Work& work) {
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (auto& t : others) t.join();
}

// Runs work(thread, part) for each part, whichever thread is free.
template <class Work>
void share(int threads, size_t parts, const Work& work) {
  std::atomic<size_t> next{0};
  on_threads(threads, [&](int thread) {
    for (size_t part; (part = next.fetch_add(1)) < parts;) work(thread, part);
  });
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

// Tallies of n-grams: an open hash table.
class Shard {
 public:
  struct Slot {
    Gram gram = {kNone, kNone, kNone};
    Tally tally;
  };
  void add(const Gram& gram, uint32_t text) {
    if (used_ * 3 >= slots_.size() * 2) grow();
    Slot& slot = place(gram);
    if (slot.tally.count == 0) {
      slot.gram = gram;
      ++used_;
    }
    slot.tally.add(text);
  }
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  Slot& place(const Gram& gram) {
    const size_t mask = slots_.size() - 1;
    for (size_t i = hash(gram) & mask;; i = (i + 1) & mask)
      if (slots_[i].tally.count == 0 || slots_[i].gram == gram) return slots_[i];
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
  struct Entry {
    Gram gram;
    uint32_t text;
  };
  TokenCache cache;
  std::vector<Tally> words;                       // by token number
  std::vector<Entry> grams[kShards];              // of two tokens and more
  std::vector<uint32_t> ids;                      // of one text
  std::string buffer;

  explicit Found(Tokens& tokens) : cache(tokens) {}

  void read(const Text& text, uint32_t number, const NgramOptions& options) {
    ids.clear();
    tokenise(text, buffer, [&](std::string_view token) { ids.push_back(cache.id(token)); });
    if (options.low == 1)
      for (uint32_t id : ids) {
        if (id >= words.size()) words.resize(std::max<size_t>(id + 1, 2 * words.size()));
        words[id].add(number);
      }
    for (int n = std::max(2, options.low); n <= options.high; ++n)
      for (size_t i = 0; i + n <= ids.size(); ++i) {
        const Gram gram = {ids[i], ids[i + 1], n == 3 ? ids[i + 2] : kNone};
        grams[shard_of(gram)].push_back({gram, number});
      }
  }
};

// A candidate for the vocabulary; tokens are numbered in code point order, from 1, and 0 stands for none, so that
// these numbers compare as the n-grams' texts do (a blank is below every character of a token).
struct Candidate {
  uint32_t count;
  Gram ranks;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count > other.count : ranks < other.ranks;
  }
};

}  // namespace

std::vector<std::string> choose(const std::vector<Text>& texts, const NgramOptions& options) {
  const int threads = threads_for(texts.size());
  Tokens tokens;
  std::deque<Found> found;
  for (int i = 0; i < threads; ++i) found.emplace_back(tokens);
  std::vector<Shard> shards(kShards);
  constexpr int64_t kBlock = int64_t{1} << 24;  // characters that are read before n-grams are tallied: bounds memory
  constexpr size_t kPart = 64;                  // texts that a thread takes at a time
  for (size_t first = 0, last; first < texts.size(); first = last) {
    int64_t length = 0;
    for (last = first; last < texts.size() && length < kBlock;) length += texts[last++].length;
    share(threads, (last - first + kPart - 1) / kPart, [&](int thread, size_t part) {
      for (size_t i = first + part * kPart; i < std::min(last, first + (part + 1) * kPart); ++i)
        found[thread].read(texts[i], uint32_t(i), options);
    });
    share(threads, options.high > 1 ? kShards : 0, [&](int, size_t shard) {
      for (Found& f : found) {
        for (const auto& entry : f.grams[shard]) shards[shard].add(entry.gram, entry.text);
        f.grams[shard].clear();
      }
    });
  }

  const auto& names = tokens.names();
  std::vector<uint32_t> order(names.size()), rank(names.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = uint32_t(i);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return names[a] < names[b]; });
  for (size_t i = 0; i < order.size(); ++i) rank[order[i]] = uint32_t(i) + 1;

  std::vector<Candidate> chosen;
  const auto consider = [&](const Gram& gram, uint32_t count, uint32_t in_texts) {
    if (count == 0 || in_texts < options.min_df || in_texts > options.max_df) return;
    Candidate c{count, {}};
    for (int i = 0; i < kLongest; ++i) c.ranks[i] = gram[i] == kNone ? 0 : rank[gram[i]];
    chosen.push_back(c);
  };
  if (options.low == 1)
    for (uint32_t id = 0; id < names.size(); ++id) {
      uint32_t count = 0, in_texts = 0;
      for (const Found& f : found)
        if (id < f.words.size()) count += f.words[id].count, in_texts += f.words[id].texts;
      consider({id, kNone, kNone}, count, in_texts);
    }
  for (Shard& shard : shards) {
    for (const auto& slot : shard.slots()) consider(slot.gram, slot.tally.count, slot.tally.texts);
    shard = Shard();
  }
  if (options.max_features >= 0 && chosen.size() > size_t(options.max_features)) {
    std::nth_element(chosen.begin(), chosen.begin() + options.max_features, chosen.end());
    chosen.resize(options.max_features);
  }
  std::sort(chosen.begin(), chosen.end());
  std::vector<std::string> vocabulary(chosen.size());
  for (size_t i = 0; i < chosen.size(); ++i)
    for (int k = 0; k < kLongest && chosen[i].ranks[k]; ++k) {
      if (k) vocabulary[i] += ' ';
      vocabulary[i] += names[order[chosen[i].ranks[k] - 1]];
    }
  return vocabulary;
}

namespace {

// A vocabulary to look n-grams up in.
class Lookup {
 public:
  explicit Lookup(const std::vector<std::string_view>& vocabulary, const NgramOptions& options) {
    size_t size = 64;
    while (size < 2 * vocabulary.size()) size *= 2;
    slots_.resize(size);
    for (size_t column = 0; column < vocabulary.size(); ++column) {
      std::string_view rest = vocabulary[column];
      const int n = 1 + int(std::count(rest.begin(), rest.end(), ' '));
      if (n < options.low || n > options.high) continue;
      Gram gram = {kNone, kNone, kNone};
      for (int i = 0; i < n; ++i) {
        const std::string_view token = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(rest.size(), token.size() + 1));
        std::string_view stored;
        gram[i] = tokens_.add(token, goodfit::hash(token), &stored);
      }
      if (gram[0] >= words_.size()) words_.resize(tokens_.names().size() * 2, -1);
      if (n == 1) words_[gram[0]] = int32_t(column);
      else slots_[place(gram)] = {gram, int32_t(column)};
    }
    words_.resize(tokens_.names().size(), -1);
  }

  uint32_t token(std::string_view s) const { return tokens_.find(s, goodfit::hash(s)); }
  int32_t word(uint32_t token) const { return words_[token]; }
  size_t home(const Gram& gram) const { return hash(gram) & (slots_.size() - 1); }
  void prefetch(size_t home) const { __builtin_prefetch(&slots_[home]); }
  int32_t gram(const Gram& gram) const { return slots_[place(gram)].column; }

 private:
  struct Slot {
    Gram gram = {kNone, kNone, kNone};
    int32_t column = -1;
  };
  size_t place(const Gram& gram) const {
    const size_t mask = slots_.size() - 1;
    size_t i = hash(gram) & mask;
    while (slots_[i].column >= 0 && slots_[i].gram != gram) i = (i + 1) & mask;
    return i;
  }
  Tokens tokens_;
  std::vector<int32_t> words_;
  std::vector<Slot> slots_;
};

}  // namespace

std::vector<Counts> count(const std::vector<Text>& texts, const std::vector<std::string_view>& vocabulary,
                          const NgramOptions& options) {
  const Lookup lookup(vocabulary, options);
  constexpr size_t kPart = 256;
  std::vector<Counts> parts((texts.size() + kPart - 1) / kPart);
  share(threads_for(texts.size()), parts.size(), [&](int, size_t part) {
    Counts& out = parts[part];
    std::string buffer;
    std::vector<uint32_t> ids;
    std::vector<Gram> grams;
    std::vector<int32_t> columns;
    for (size_t i = part * kPart; i < std::min(texts.size(), (part + 1) * kPart); ++i) {
      ids.clear(), grams.clear(), columns.clear();
      tokenise(texts[i], buffer, [&](std::string_view token) { ids.push_back(lookup.token(token)); });
      if (options.low == 1)
        for (uint32_t id : ids)
          if (id != kNone && lookup.word(id) >= 0) columns.push_back(lookup.word(id));
      for (int n = std::max(2, options.low); n <= options.high; ++n)
        for (size_t k = 0; k + n <= ids.size(); ++k) {
          const Gram gram = {ids[k], ids[k + 1], n == 3 ? ids[k + 2] : kNone};
          if (gram[0] == kNone || gram[1] == kNone || (n == 3 && gram[2] == kNone)) continue;
          lookup.prefetch(lookup.home(gram));
          grams.push_back(gram);
        }
      for (const Gram& gram : grams)
        if (const int32_t column = lookup.gram(gram); column >= 0) columns.push_back(column);
      std::sort(columns.begin(), columns.end());
      const size_t before = out.columns.size();
      for (int32_t column : columns) {
        if (out.columns.size() > before && out.columns.back() == column) {
          ++out.values.back();
        } else {
          out.columns.push_back(column);
          out.values.push_back(1);
        }
      }
      out.per_row.push_back(int32_t(out.columns.size() - before));
    }
  });
  return parts;
}

}  // namespace goodfit
