// The tokeniser, and the numbers that tokens get.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ngrams.h"
#include "unicode_table.h"

namespace goodfit {

constexpr uint32_t kNone = 0xffffffff;

inline uint64_t mix(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xe7037ed1a0b428db);
  return uint64_t(product) ^ uint64_t(product >> 64);
}

inline uint64_t hash(std::string_view s) {
  uint64_t h = s.size();
  const char* p = s.data();
  size_t n = s.size();
  for (; n > 8; p += 8, n -= 8) {
    uint64_t x;
    std::memcpy(&x, p, 8);
    h = mix(h, x);
  }
  uint64_t x = 0;
  std::memcpy(&x, p, n);
  return mix(h, x);
}

// Calls emit(std::string_view) for each token, in UTF-8. `buffer` is working memory.
template <class Char, class Emit>
void tokenise(const Char* text, int64_t length, std::string& buffer, const Emit& emit) {
  enum Class { kOther, kWord, kMark, kSingle, kApostrophe, kDottedI };  // as in unicode.py
  bool apostrophe = false;  // one stands after the word in the buffer, and belongs to it if more follows
  const auto put = [&](uint32_t c) {
    if (c < 0x80) {
      buffer.push_back(char(c));
    } else if (c < 0x800) {
      buffer.push_back(char(0xc0 | c >> 6));
      buffer.push_back(char(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
      buffer.push_back(char(0xe0 | c >> 12));
      buffer.push_back(char(0x80 | (c >> 6 & 0x3f)));
      buffer.push_back(char(0x80 | (c & 0x3f)));
    } else {
      buffer.push_back(char(0xf0 | c >> 18));
      buffer.push_back(char(0x80 | (c >> 12 & 0x3f)));
      buffer.push_back(char(0x80 | (c >> 6 & 0x3f)));
      buffer.push_back(char(0x80 | (c & 0x3f)));
    }
  };
  const auto end = [&] {
    if (!buffer.empty()) emit(std::string_view(buffer));
    buffer.clear();
    apostrophe = false;
  };
  buffer.clear();
  for (int64_t i = 0; i < length; ++i) {
    const uint32_t code = text[i];
    const int entry = kEntry[kPage[code >> 8]][code & 0xff];
    const uint32_t lower = uint32_t(int(code) + (entry >> 3));
    switch (entry & 7) {
      case kWord:
      case kDottedI:
        if (apostrophe) buffer.push_back('\'');
        apostrophe = false;
        if ((entry & 7) == kWord) put(lower);
        else put('i'), put(0x307);
        break;
      case kMark:
        if (apostrophe) end();
        else if (!buffer.empty()) put(lower);
        break;
      case kApostrophe:
        if (apostrophe) end();
        else apostrophe = !buffer.empty();
        break;
      case kSingle:
        end();
        put(lower);
        end();
        break;
      default:
        end();
    }
  }
  end();
}

template <class Emit>
void tokenise(const Text& text, std::string& buffer, const Emit& emit) {
  if (text.kind == 1) tokenise(static_cast<const uint8_t*>(text.data), text.length, buffer, emit);
  else if (text.kind == 2) tokenise(static_cast<const uint16_t*>(text.data), text.length, buffer, emit);
  else tokenise(static_cast<const uint32_t*>(text.data), text.length, buffer, emit);
}

// An open hash table from tokens, stored elsewhere, to numbers.
class TokenTable {
 public:
  uint32_t find(std::string_view token, uint64_t h) const {
    for (size_t i = h & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.id == kNone) return kNone;
      if (slot.hash == uint32_t(h >> 32) && slot.token == token) return slot.id;
    }
  }
  void insert(std::string_view token, uint64_t h, uint32_t id) {
    if (++used_ * 2 > mask_) grow();
    size_t i = h & mask_;
    while (slots_[i].id != kNone) i = (i + 1) & mask_;
    slots_[i] = {token, uint32_t(h >> 32), id};
  }

 private:
  struct Slot {
    std::string_view token;
    uint32_t hash = 0, id = kNone;
  };
  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old)
      if (slot.id != kNone) {
        size_t i = goodfit::hash(slot.token) & mask_;
        while (slots_[i].id != kNone) i = (i + 1) & mask_;
        slots_[i] = slot;
      }
  }
  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  size_t mask_ = 1023, used_ = 0;
};

// Every token once, numbered as they come (from several threads: in any order).
class Tokens {
 public:
  uint32_t add(std::string_view token, uint64_t h, std::string_view* stored) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t id = table_.find(token, h);
    if (id == kNone) {
      id = uint32_t(names_.size());
      table_.insert(names_.emplace_back(token), h, id);
    }
    *stored = names_[id];
    return id;
  }
  uint32_t find(std::string_view token, uint64_t h) const { return table_.find(token, h); }
  const std::deque<std::string>& names() const { return names_; }

 private:
  std::mutex mutex_;
  TokenTable table_;
  std::deque<std::string> names_;  // a deque leaves its strings where they are
};

// A thread's view of `Tokens`, which rarely needs the lock.
class TokenCache {
 public:
  explicit TokenCache(Tokens& all) : all_(all) {}
  uint32_t id(std::string_view token) {
    const uint64_t h = hash(token);
    uint32_t id = table_.find(token, h);
    if (id == kNone) {
      std::string_view stored;
      id = all_.add(token, h, &stored);
      table_.insert(stored, h, id);
    }
    return id;
  }

 private:
  Tokens& all_;
  TokenTable table_;
};

}  // namespace goodfit
