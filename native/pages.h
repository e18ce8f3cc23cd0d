// Memory for large tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace goodfit {

constexpr size_t kHugePage = size_t{1} << 21;

// Asks for huge pages where they are worth it: fewer of them have to be made, and looking far and wide rarely misses
// the TLB. A wish: nothing depends on it.
inline void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  const auto start = (reinterpret_cast<uintptr_t>(memory) + kHugePage - 1) & ~(kHugePage - 1);
  const auto end = (reinterpret_cast<uintptr_t>(memory) + bytes) & ~(kHugePage - 1);
  if (start < end) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#endif
}

// An allocator with huge pages.
template <class T>
struct HugePages {
  using value_type = T;
  HugePages() = default;
  template <class U>
  HugePages(const HugePages<U>&) {}

  T* allocate(size_t n) {
    const size_t bytes = n * sizeof(T), rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    const bool large = bytes >= 2 * kHugePage;
    void* memory = large ? std::aligned_alloc(kHugePage, rounded) : std::malloc(bytes);
    if (!memory) throw std::bad_alloc();
    if (large) prefer_huge_pages(memory, rounded);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { std::free(memory); }
  template <class U>
  bool operator==(const HugePages<U>&) const {
    return true;
  }
};

}  // namespace goodfit
