// Tokens and n-grams of texts; goodfit.encode.ngrams says what they are.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tokens.h"

namespace goodfit {

struct NgramOptions {
  int low, high;           // tokens of the shortest and the longest n-gram, at most kLongest
  int64_t max_features;    // below 0: all
  double min_df, max_df;   // texts that an n-gram stands in
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

// Adds the n-grams to keep, by falling count, ties in code point order.
void choose(const NextTexts& next, const NgramOptions& options, Vocabulary& out);

// Adds an n-gram by its text: tokens with a blank between them.
void add(std::string_view gram, Vocabulary& out);

// Counts of known n-grams in consecutive texts.
struct Counts {
  std::vector<int32_t> per_text, columns;
  std::vector<float> values;
};
std::vector<Counts> count(const std::vector<Text>& texts, const Vocabulary& vocabulary, const NgramOptions& options);

}  // namespace goodfit
