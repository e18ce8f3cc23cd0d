// Tokens and n-grams of texts; goodfit.encode.ngrams says what they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace goodfit {

// A text as Python holds it: code points of `kind` (1, 2 or 4) bytes.
struct Text {
  const void* data;
  int64_t length;
  int kind;
};

struct NgramOptions {
  int low, high;              // tokens of the shortest and the longest n-gram, at most kLongest
  int64_t max_features;       // below 0: all
  double min_df, max_df;      // texts that an n-gram stands in
};

constexpr int kLongest = 3;

// The n-grams to keep, by falling count, ties in code point order.
std::vector<std::string> choose(const std::vector<Text>& texts, const NgramOptions& options);

// Counts of known n-grams, a part per some rows, in order.
struct Counts {
  std::vector<int32_t> per_row, columns;
  std::vector<float> values;
};
std::vector<Counts> count(const std::vector<Text>& texts, const std::vector<std::string_view>& vocabulary,
                          const NgramOptions& options);

}  // namespace goodfit
