// Tasks on XLA's own threads, and memory of theirs.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace goodfit {

// Runs work(task) for each task of [0, tasks), in any order, and returns when all are done. The caller works too, so
// that this ends even if the pool never gets to its share. What a task throws is thrown here: it would end the process
// if it left a thread of the pool.
template <class Work>
void parallel(xla::ffi::ThreadPool& pool, int64_t tasks, const Work& work) {
  struct State {
    std::atomic<int64_t> next{0};
    std::mutex mutex;
    std::condition_variable all_done;
    int64_t done = 0;
    std::exception_ptr failed;
  };
  auto state = std::make_shared<State>();  // outlives this call in helpers that start late
  auto help = [state, tasks, &work] {
    int64_t finished = 0;
    std::exception_ptr failed;
    for (int64_t task; (task = state->next.fetch_add(1)) < tasks; ++finished) {
      try {
        if (!failed) work(task);
      } catch (...) {
        failed = std::current_exception();
      }
    }
    if (finished == 0) return;
    std::lock_guard<std::mutex> lock(state->mutex);
    if (failed) state->failed = failed;
    if ((state->done += finished) == tasks) state->all_done.notify_one();
  };
  const int64_t helpers = std::min<int64_t>(pool.num_threads(), tasks) - 1;
  for (int64_t i = 0; i < helpers; ++i) pool.Schedule([help] { help(); });
  help();
  std::unique_lock<std::mutex> lock(state->mutex);
  state->all_done.wait(lock, [&] { return state->done == tasks; });
  if (state->failed) std::rethrow_exception(state->failed);
}

// Runs work(lane, first, last) over parts of the units of each lane: a few parts for each thread in all.
template <class Work>
void split(xla::ffi::ThreadPool& pool, int64_t lanes, int64_t units, const Work& work) {
  if (lanes == 0 || units == 0) return;
  const int64_t wanted = lanes >= 4 * pool.num_threads() ? 1 : 4 * pool.num_threads() / lanes;
  const int64_t parts = std::clamp<int64_t>(wanted, 1, units);
  const auto task = [&](int64_t t) {
    const int64_t part = t % parts;
    work(t / parts, units * part / parts, units * (part + 1) / parts);
  };
  parallel(pool, lanes * parts, task);
}

// Memory of this thread that is kept for the next call; of each type there are four.
template <class T>
T* scratch(int which, size_t n) {
  thread_local std::vector<T> kept[4];
  if (kept[which].size() < n) kept[which].resize(n);
  return kept[which].data();
}

}  // namespace goodfit
