// Tokens and n-grams of texts; goodfit.encode.ngrams says what they are.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "pages.h"
#include "tokens.h"

namespace goodfit {

struct NgramOptions {
  int low, high;           // tokens of the shortest and the longest n-gram, at most kLongest
  int64_t max_features;    // below 0: all
  double min_df, max_df;   // texts that an n-gram stands in

  size_t grams(size_t tokens) const;  // n-grams of two tokens and more of a text of so many tokens
};

constexpr int kLongest = 3;
using Gram = std::array<uint32_t, kLongest>;  // token numbers; kNone after the last

// N-grams in the order of their columns.
struct Vocabulary {
  Tokens tokens;
  std::vector<Gram> grams;
};

// Gives the next texts, which live until it is asked again; false when there are no more.
using NextTexts = std::function<bool(std::vector<Text>&)>;

// Texts that were read, as numbers that become columns: about four bytes for each n-gram.
struct Reading {
  struct Part {
    std::vector<uint32_t> sizes, ids;                  // tokens of each text, and these
    std::vector<std::unique_ptr<uint32_t[]>> numbers;  // of its n-grams of two tokens and more, by text
  };
  std::vector<Part> parts;
  std::vector<std::vector<int32_t>> columns;  // by shard and number; the last are single tokens; -1: none
};

// Adds the n-grams to keep, by falling count, ties in code point order; what it reads stays in `reading`, if there is
// one, so that it can be counted.
void choose(const NextTexts& next, const NgramOptions& options, Vocabulary& out, Reading* reading = nullptr);

// Adds an n-gram by its text: tokens with a blank between them.
void add(std::string_view gram, Vocabulary& out);

// A vocabulary to look the n-grams of texts up in.
class Lookup {
 public:
  Lookup(const Vocabulary& vocabulary, int low, int high);

  const int low, high;
  size_t columns() const { return columns_; }
  const TokenTable& tokens() const { return tokens_; }
  int32_t word(uint32_t token) const { return words_[token]; }  // its column, below 0: none
  int32_t gram(const Gram& gram) const { return slots_[place(gram)].column; }
  void prefetch(const Gram& gram) const { __builtin_prefetch(&slots_[first(gram)]); }

 private:
  struct Slot {
    Gram gram = {kNone, kNone, kNone};
    int32_t column = -1;
  };
  size_t first(const Gram& gram) const;
  size_t place(const Gram& gram) const;
  size_t columns_;
  TokenTable tokens_;
  std::vector<int32_t> words_;                  // columns by token number
  std::vector<Slot, HugePages<Slot>> slots_;    // of two tokens and more
};

// Counts of known n-grams in consecutive texts.
struct Counts {
  std::vector<int32_t> per_text, columns;
  std::vector<float> values;
};
std::vector<Counts> count(const std::vector<Text>& texts, const Lookup& lookup);
std::vector<Counts> count(const Reading& reading, const Vocabulary& vocabulary, const NgramOptions& options);

// Brings parts together as a CSR array: `indptr` of a number more than there are texts.
void join(const std::vector<Counts>& parts, int32_t* indptr, int32_t* indices, float* values);

}  // namespace goodfit
