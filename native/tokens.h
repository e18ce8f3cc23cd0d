// The tokeniser, and the numbers that tokens get.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "pages.h"
#include "unicode_table.h"

namespace goodfit {

// A text as Python holds it: code points of `kind` (1, 2 or 4) bytes; `ascii` where all are below 128.
struct Text {
  const void* data;
  int64_t length;
  int kind;
  bool ascii;
};

constexpr uint32_t kNone = 0xffffffff;

inline uint64_t mix(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xe7037ed1a0b428db);
  return uint64_t(product) ^ uint64_t(product >> 64);
}

// Eight bytes, the first one lowest.
inline uint64_t eight(const void* bytes) {
  uint64_t x;
  std::memcpy(&x, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  x = __builtin_bswap64(x);
#endif
  return x;
}

// A token in UTF-8. At least 16 bytes can be read.
struct Token {
  const char* data;
  size_t size;
  uint64_t start, next;  // the first 16 bytes, zeros after the end: all of most tokens

  Token(const char* data, size_t size, uint64_t start, uint64_t next)
      : data(data), size(size), start(start), next(next) {}
  Token(const char* data, size_t size) : data(data), size(size) {
    constexpr uint64_t kAll = ~uint64_t{0};
    start = eight(data) & (size < 8 ? ~(kAll << 8 * size) : kAll);
    next = eight(data + 8) & (size <= 8 ? 0 : size < 16 ? ~(kAll << 8 * (size - 8)) : kAll);
  }
  uint64_t hash() const {
    uint64_t h = mix(start, next);
    for (size_t i = 16; i < size; ++i) h = mix(h, static_cast<unsigned char>(data[i]));
    return h;
  }
};

enum CharacterClass { kOther, kWord, kMark, kSingle, kApostrophe, kDottedI };  // as in unicode.py

struct AsciiWords {
  char lower[128] = {};  // 0: no part of a word
  constexpr AsciiWords() {
    for (int c = 0; c < 128; ++c)
      if ((kEntry[0][c] & 7) == kWord) lower[c] = char(c + (kEntry[0][c] >> 3));
  }
};
constexpr AsciiWords kAscii;

// Cuts texts into tokens.
class Tokeniser {
 public:
  // Calls emit(data, size) for each token of a text. At least 16 bytes can be read; they stay until the next text.
  template <class Emit>
  void operator()(const Text& text, const Emit& emit) {
    const size_t most = size_t(text.length) * 4 + kBlock + kReadable;  // every character of four bytes
    if (size_ < most) buffer_.reset(new char[size_ = 2 * most]);       // left unwritten: mostly never touched
    if (text.ascii) ascii(static_cast<const uint8_t*>(text.data), text.length, emit);
    else if (text.kind == 1) run(static_cast<const uint8_t*>(text.data), text.length, emit);
    else if (text.kind == 2) run(static_cast<const uint16_t*>(text.data), text.length, emit);
    else run(static_cast<const uint32_t*>(text.data), text.length, emit);
  }

 private:
  static constexpr size_t kReadable = 16;  // after each token
  static constexpr int kBlock = 64;        // characters that are classified together, a bit each

  // Bit i is byte i, which is 0 or 1.
  static uint64_t bits(const uint8_t (&bytes)[kBlock]) {
    uint64_t all = 0;
    for (int i = 0; i < kBlock; i += 8) all |= (eight(bytes + i) * 0x0102040810204080 >> 56) << i;
    return all;
  }

  // What `run` does, for a text of ASCII alone.
  template <class Emit>
  void ascii(const uint8_t* text, int64_t length, const Emit& emit) {
    const size_t blocks = size_t(length + kBlock - 1) / kBlock;
    words_.assign(blocks + 1, 0), apostrophes_.resize(blocks);
    char* lower = buffer_.get();
    for (size_t b = 0; b < blocks; ++b) {
      uint8_t in[kBlock] = {}, word[kBlock], apostrophe[kBlock];
      std::memcpy(in, text + b * kBlock, std::min<size_t>(kBlock, size_t(length) - b * kBlock));
      for (int i = 0; i < kBlock; ++i) {
        const uint8_t capital = uint8_t(in[i] - 'A') < 26, c = uint8_t(in[i] | capital << 5);
        lower[b * kBlock + size_t(i)] = char(c);
        word[i] = uint8_t(uint8_t(c - 'a') < 26) | uint8_t(uint8_t(c - '0') < 10) | uint8_t(c == '_');
        apostrophe[i] = c == '\'';
      }
      words_[b] = bits(word), apostrophes_[b] = bits(apostrophe);
    }
    uint64_t last = 0, inside = 0;  // of the block before, as a bit: ends in a character of a word, in a word
    int64_t start = 0;
    for (size_t b = 0; b < blocks; ++b) {
      const uint64_t w = words_[b], left = w << 1 | last, right = w >> 1 | words_[b + 1] << 63;
      const uint64_t in = w | (apostrophes_[b] & left & right);
      for (uint64_t edges = in ^ (in << 1 | inside); edges; edges &= edges - 1) {
        const int64_t at = int64_t(b) * kBlock + __builtin_ctzll(edges);
        if (in >> (at % kBlock) & 1) start = at;
        else emit(lower + start, size_t(at - start));
      }
      last = w >> 63, inside = in >> 63;
    }
    if (inside) emit(lower + start, size_t(length - start));
  }

  static char* put(char* to, uint32_t c) {
    if (c < 0x80) {
      *to++ = char(c);
    } else if (c < 0x800) {
      *to++ = char(0xc0 | c >> 6);
      *to++ = char(0x80 | (c & 0x3f));
    } else {
      if (c < 0x10000) {
        *to++ = char(0xe0 | c >> 12);
      } else {
        *to++ = char(0xf0 | c >> 18);
        *to++ = char(0x80 | (c >> 12 & 0x3f));
      }
      *to++ = char(0x80 | (c >> 6 & 0x3f));
      *to++ = char(0x80 | (c & 0x3f));
    }
    return to;
  }

  template <class Char, class Emit>
  void run(const Char* text, int64_t length, const Emit& emit) {
    char *begin = buffer_.get(), *to = begin;
    bool apostrophe = false;  // one stands after the word in the buffer, and belongs to it if more follows
    const auto end = [&] {
      apostrophe = false;
      if (to == begin) return;
      emit(begin, size_t(to - begin));
      begin = to;
    };
    for (int64_t i = 0; i < length; ++i) {
      uint32_t code = text[i];
      if (to != begin && !apostrophe)
        while (code < 0x80 && kAscii.lower[code]) {  // within a word, mostly
          *to++ = kAscii.lower[code];
          if (++i == length) return end();
          code = text[i];
        }
      const int entry = kEntry[kPage[code >> 8]][code & 0xff];
      const uint32_t lower = uint32_t(int(code) + (entry >> 3));
      switch (entry & 7) {
        case kDottedI:
        case kWord:
          if (apostrophe) *to++ = '\'', apostrophe = false;
          to = (entry & 7) == kWord ? put(to, lower) : put(put(to, 'i'), 0x307);
          break;
        case kMark:
          if (apostrophe) end();
          else if (to != begin) to = put(to, lower);
          break;
        case kApostrophe:
          if (apostrophe) end();
          else apostrophe = to != begin;
          break;
        case kSingle:
          end();
          to = put(to, lower);
          end();
          break;
        default:
          end();
      }
    }
    end();
  }

  std::unique_ptr<char[]> buffer_;
  size_t size_ = 0;
  std::vector<uint64_t> words_, apostrophes_;  // a bit a character
};

// An open hash table from tokens to numbers.
class TokenTable {
 public:
  uint32_t find(const Token& token, uint64_t hash) const {
    for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.id == kNone) return kNone;
      if (slot.start == token.start && slot.next == token.next && slot.size == token.size &&
          (token.size <= 16 || std::memcmp(slot.data + 16, token.data + 16, token.size - 16) == 0))
        return slot.id;
    }
  }
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }
  // `token.data` must stay where it is if it is longer than 16 bytes.
  void insert(const Token& token, uint64_t hash, uint32_t id) {
    if (++used_ * 2 > mask_) grow();
    place(hash) = {token.start, token.next, token.data, uint32_t(token.size), id};
  }

 private:
  struct Slot {
    uint64_t start = 0, next = 0;
    const char* data = nullptr;
    uint32_t size = 0, id = kNone;
  };
  Slot& place(uint64_t hash) {
    size_t i = hash & mask_;
    while (slots_[i].id != kNone) i = (i + 1) & mask_;
    return slots_[i];
  }
  void grow() {
    std::vector<Slot, HugePages<Slot>> old(2 * slots_.size());
    old.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old)
      if (slot.id != kNone) place(Token(slot.data, slot.size, slot.start, slot.next).hash()) = slot;
  }
  std::vector<Slot, HugePages<Slot>> slots_ = std::vector<Slot, HugePages<Slot>>(1024);
  size_t mask_ = 1023, used_ = 0;
};

// Every token once, numbered as they come (from several threads: in any order).
class Tokens {
 public:
  // The number of a token, and its copy that stays.
  uint32_t add(const Token& token, uint64_t hash, const char** kept) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t id = table_.find(token, hash);
    if (id == kNone) {
      id = uint32_t(names_.size());
      names_.emplace_back(copied(token), token.size);
      table_.insert(Token(names_.back().data(), token.size), hash, id);
    }
    *kept = names_[id].data();
    return id;
  }
  size_t size() const { return names_.size(); }
  Token token(uint32_t id) const { return {names_[id].data(), names_[id].size()}; }
  std::string_view name(uint32_t id) const { return names_[id]; }

 private:
  // A copy, in a chunk that stays where it is; a Token can be read beyond its end.
  const char* copied(const Token& token) {
    constexpr size_t kChunk = 1 << 16, kReadable = 16;
    const size_t size = token.size + kReadable;
    if (left_ < size) {
      left_ = std::max(kChunk, size);
      chunks_.emplace_back(new char[left_]());
      free_ = chunks_.back().get();
    }
    std::memcpy(free_, token.data, token.size);
    const char* copy = free_;
    free_ += token.size, left_ -= token.size;
    return copy;
  }
  std::mutex mutex_;
  TokenTable table_;
  std::vector<std::string_view> names_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* free_ = nullptr;
  size_t left_ = 0;
};

// A thread's view of `Tokens`, which rarely needs the lock; or, closed, of tokens that get no company.
class TokenReader {
 public:
  explicit TokenReader(Tokens& all) : all_(&all) {}
  explicit TokenReader(const TokenTable& known) : known_(&known) {}

  // The numbers of a text's tokens; kNone where closed and not known. Valid until the next text.
  const std::vector<uint32_t>& operator()(const Text& text) {
    const TokenTable& table = known_ ? *known_ : own_;
    found_.clear(), ids_.clear();
    tokenise_(text, [&](const char* data, size_t size) { table.prefetch(found_.emplace_back(data, size).hash); });
    for (const auto& [token, hash] : found_) {
      uint32_t id = table.find(token, hash);
      if (id == kNone && all_) {
        const char* kept;
        id = all_->add(token, hash, &kept);
        own_.insert(Token(kept, token.size, token.start, token.next), hash, id);
      }
      ids_.push_back(id);
    }
    return ids_;
  }

 private:
  struct Found {
    Token token;
    uint64_t hash;
    Found(const char* data, size_t size) : token(data, size), hash(token.hash()) {}
  };
  Tokens* all_ = nullptr;
  const TokenTable* known_ = nullptr;
  TokenTable own_;
  Tokeniser tokenise_;
  std::vector<Found> found_;
  std::vector<uint32_t> ids_;
};

}  // namespace goodfit
