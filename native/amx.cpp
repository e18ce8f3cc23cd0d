// Dense products by Intel's AMX, whose tiles multiply bfloat16 and add up in float32.
//
// A float32 is the sum of three bfloat16, each the nearest to what the ones before leave: a = high + middle + low,
// exactly. Of the nine products of the parts of two numbers the six largest are taken; what is left out is at most about
// 2^-24 of their product, where float32 arithmetic rounds too (Henry, Tang and Heinecke 2019, arXiv:1904.06376).
// Infinities become NaN, and parts below the smallest normal number 0. No function of the standard library is called
// here: see kernels.inc.
#include "amx.h"

#include <immintrin.h>

namespace goodfit {

namespace {

constexpr int64_t kItems = 16, kStep = 32;  // of a tile: its items, and their terms
constexpr int64_t kTile = 1024, kParts = 3;  // bytes of a tile; high, middle and low

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t tiles(int64_t n, int64_t size) { return (n + size - 1) / size; }

inline void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int k = 0; k < 2; ++k) {
      r[i + 2 * k] = _mm512_unpacklo_epi64(t[i + k], t[i + k + 2]);
      r[i + 2 * k + 1] = _mm512_unpackhi_epi64(t[i + k], t[i + k + 2]);
    }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

inline __mmask16 first(int64_t n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : __mmask16((1u << n) - 1); }

// Sixteen numbers at an address, those of the mask; 0 elsewhere.
inline __m512 numbers(const Operand& o, ptrdiff_t at, __mmask16 there) {
  if (o.positive)
    there = _mm512_mask_cmp_ps_mask(there, _mm512_maskz_loadu_ps(there, o.positive + at), _mm512_setzero_ps(),
                                    _CMP_GT_OQ);
  return _mm512_maskz_loadu_ps(there, o.from + at);
}

// The nearest number of 16 bits, in the upper half; x becomes what it leaves.
inline __m512i nearest(__m512& x) {
  const __m512i bits = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  // What would round up to infinity, and what is no number, is cut.
  const __mmask16 rounds = _mm512_cmplt_epu32_mask(_mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)),
                                                   _mm512_set1_epi32(0x7f7f8000));
  const __m512i up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
  const __m512i upper = _mm512_and_si512(_mm512_mask_add_epi32(bits, rounds, bits, up),
                                         _mm512_set1_epi32(int(0xffff0000)));
  x = _mm512_sub_ps(x, _mm512_castsi512_ps(upper));
  return upper;
}

// Two of these in a word.
inline __m512i take(__m512& even, __m512& odd) {
  const __m512i e = nearest(even);
  return _mm512_or_si512(nearest(odd), _mm512_srli_epi32(e, 16));
}

// The three parts of a tile of items and terms, each a square of words of the terms t and t + 16: a row an item
// (`ByItem`, as the left factor needs it) or a row a pair of terms.
template <bool ByItem, bool Near>
void pack_tile(const Operand& o, int64_t items, int64_t terms, char* to) {
  __m512i parts[kParts][16];
  for (int i = 0; i < 16; ++i) {
    __m512 even, odd;
    if (Near) {  // terms side by side: a row an item
      const bool there = i < items;
      even = numbers(o, i * o.item, first(there ? terms : 0));
      odd = numbers(o, i * o.item + 16, first(there ? terms - 16 : 0));
    } else {
      even = numbers(o, i * o.term, first(i < terms ? items : 0));
      odd = numbers(o, (i + 16) * o.term, first(i + 16 < terms ? items : 0));
    }
    for (int p = 0; p < kParts; ++p) parts[p][i] = take(even, odd);
  }
  for (int p = 0; p < kParts; ++p) {
    if (ByItem != Near) transpose(parts[p]);
    for (int i = 0; i < 16; ++i) _mm512_store_si512(to + p * kTile + i * 64, parts[p][i]);
  }
}

template <bool ByItem>
void pack(const Operand& o, int64_t items, int64_t terms, char* to) {
  for (int64_t i = 0; i < items; i += kItems)
    for (int64_t t = 0; t < terms; t += kStep, to += kParts * kTile) {
      const Operand here = o.at(i * o.item + t * o.term);
      if (o.term == 1)
        pack_tile<ByItem, true>(here, items - i, terms - t, to);
      else
        pack_tile<ByItem, false>(here, items - i, terms - t, to);
    }
}

// A square of Rows x Columns tiles, added to c; `a` and `b` lie `a_next` and `b_next` bytes from tile to tile.
template <int Rows, int Columns>
void square(int64_t steps, const char* a, ptrdiff_t a_next, const char* b, ptrdiff_t b_next, float* c, ptrdiff_t c_row,
            bool add) {
  asm volatile("" ::: "memory");  // GCC does not see what tiles read
  float* const second = c + kItems * c_row;
  const ptrdiff_t row = c_row * ptrdiff_t(sizeof(float));
  if (add) {
    _tile_loadd(0, c, row);
    if (Columns > 1) _tile_loadd(1, c + kItems, row);
    if (Rows > 1) _tile_loadd(2, second, row);
    if (Rows > 1 && Columns > 1) _tile_loadd(3, second + kItems, row);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const auto left = [&](int part) __attribute__((always_inline)) {
    _tile_loadd(4, a + part * kTile, 64);
    if (Rows > 1) _tile_loadd(5, a + a_next + part * kTile, 64);
  };
  const auto right = [&](int part) __attribute__((always_inline)) {
    _tile_loadd(6, b + part * kTile, 64);
    if (Columns > 1) _tile_loadd(7, b + b_next + part * kTile, 64);
  };
  const auto products = [&]() __attribute__((always_inline)) {
    _tile_dpbf16ps(0, 4, 6);
    if (Columns > 1) _tile_dpbf16ps(1, 4, 7);
    if (Rows > 1) _tile_dpbf16ps(2, 5, 6);
    if (Rows > 1 && Columns > 1) _tile_dpbf16ps(3, 5, 7);
  };
  for (int64_t s = 0; s < steps; ++s, a += kParts * kTile, b += kParts * kTile) {
    left(0), right(2), products();
    right(1), products();
    left(1), products();
    right(0), products();
    left(2), products();
    left(0), products();
  }
  _tile_stored(0, c, row);
  if (Columns > 1) _tile_stored(1, c + kItems, row);
  if (Rows > 1) _tile_stored(2, second, row);
  if (Rows > 1 && Columns > 1) _tile_stored(3, second + kItems, row);
}

struct alignas(64) Configuration {
  uint8_t palette = 1, start = 0, none[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The tiles are this thread's for as long as it lives.
struct Configured {
  Configured() {
    const Configuration c;
    asm volatile("" : : "r"(&c) : "memory");  // GCC 12 takes but 8 of its bytes for read
    _tile_loadconfig(&c);
  }
  ~Configured() { _tile_release(); }
  Configured(const Configured&) = delete;
};

// Copies a block, adds a bias, if any, and takes ReLU, if wanted.
void finished(int64_t rows, int64_t columns, const float* from, ptrdiff_t from_row, float* to, ptrdiff_t to_row,
              const float* bias, bool rectify) {
  for (int64_t r = 0; r < rows; ++r, from += from_row, to += to_row)
    for (int64_t c = 0; c < columns; c += 16) {
      const __mmask16 there = first(columns - c);
      __m512 v = _mm512_maskz_loadu_ps(there, from + c);
      if (bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(there, bias + c));
      // A NaN stays one: it is the second.
      if (rectify) v = _mm512_max_ps(_mm512_setzero_ps(), v);
      _mm512_mask_storeu_ps(to + c, there, v);
    }
}

inline char* aligned(char* p) { return p + (64 - reinterpret_cast<uintptr_t>(p) % 64) % 64; }

void multiply(int64_t rows, int64_t columns, int64_t terms, const Operand& a, const Operand& b, float* c,
              ptrdiff_t c_row, const float* bias, bool rectify, char* room) {
  const Configured tile_registers;
  constexpr int64_t kBlock = kParts * kTile * (kMatrixTerms / kStep);  // bytes of 16 items
  char* const pack_a = aligned(room);
  char* const pack_b = pack_a + kMatrixRows / kItems * kBlock;
  alignas(64) float edge[kMatrixRows * 2 * kItems] = {};
  for (int64_t j = 0; j < columns; j += kMatrixColumns) {
    const int64_t width = least(kMatrixColumns, columns - j);
    for (int64_t t = 0; t < terms; t += kMatrixTerms) {
      const int64_t depth = least(kMatrixTerms, terms - t), steps = tiles(depth, kStep);
      const bool add = t > 0, last = t + kMatrixTerms >= terms;
      const ptrdiff_t next = steps * kParts * kTile;
      pack<false>(b.at(j * b.item + t * b.term), width, depth, pack_b);
      for (int64_t r = 0; r < rows; r += kMatrixRows) {
        const int64_t height = least(kMatrixRows, rows - r);
        pack<true>(a.at(r * a.item + t * a.term), height, depth, pack_a);
        for (int64_t k = 0; k < width; k += 2 * kItems) {
          const int64_t part = least(2 * kItems, width - k);
          const char* const right = pack_b + k / kItems * next;
          float* const to = c + r * c_row + j + k;
          const bool high = height > kItems, broad = part > kItems;
          const bool fits = height == (high ? 2 : 1) * kItems && part == (broad ? 2 : 1) * kItems;
          if (!fits && add) finished(height, part, to, c_row, edge, 2 * kItems, nullptr, false);
          const auto kernel = high ? (broad ? square<2, 2> : square<2, 1>) : (broad ? square<1, 2> : square<1, 1>);
          kernel(steps, pack_a, next, right, next, fits ? to : edge, fits ? c_row : 2 * kItems, add);
          if (!fits || (last && (bias || rectify)))
            finished(height, part, fits ? to : edge, fits ? c_row : 2 * kItems, to, c_row,
                     last && bias ? bias + j + k : nullptr, last && rectify);
        }
      }
    }
  }
}

}  // namespace

const MatrixProduct amx_product = multiply;

}  // namespace goodfit
