// What a profile keeps of the commands that end while it is open: for each kernel and the shapes that it was
// called with, calls, time and work; single calls as well, where a trace is wanted.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "device.h"

namespace transfusion {

// Which keys each query sees: key_start[q] .. key_end[q]. Copied to the host by the device, in stream order.
struct Intervals {
  HostBuffer key_start, key_end;  // i32; absent where a kernel has none

  double pairs() const;
};

// A command as it describes itself before it is launched.
struct Work {
  struct Tensor {
    int argument;  // of the kernel, from 0; those of a list share one
    TensorView view;
  };

  const char* name = nullptr;   // stays null where nothing is done that a profile should count
  std::vector<Tensor> tensors;  // those that are present
  u64 bytes_read = 0, bytes_written = 0;
  double flops = 0;     // 0: not counted for this kernel
  Intervals intervals;  // where there are some, `flops` are those of one pair

  void add(int argument, const TensorView& view, bool read, bool written);
  // "add f32 [4, 8], f32 [4, 8], f32 [8]"
  std::string text() const;
};

// The stream fills it under its lock; it may be read once it was stopped.
class Recording {
 public:
  struct Entry {
    const char* name;
    std::vector<Work::Tensor> tensors;
    u64 calls = 0;
    Clock::duration time{};
    u64 bytes_read = 0, bytes_written = 0;
    double flops = 0;
  };
  struct Span {
    size_t entry;
    Clock::time_point start, end;
  };

  // Keeps the first `span_limit` calls one by one.
  explicit Recording(size_t span_limit) : span_limit_(span_limit) {}

  void add(const Work& work, Clock::time_point start, Clock::time_point end);
  // The queue was empty; what lies before the recording does not count.
  void add_idle(Clock::time_point start, Clock::time_point end);
  void stop(Clock::time_point now) { end_ = now; }

  Clock::time_point begin() const { return begin_; }
  Clock::duration length() const { return end_ - begin_; }
  Clock::duration idle() const { return idle_; }
  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Span>& spans() const { return spans_; }
  // Calls beyond the limit.
  u64 spans_left_out() const { return spans_left_out_; }

 private:
  Entry& entry_of(const Work& work);

  const Clock::time_point begin_ = Clock::now();
  Clock::time_point end_ = begin_;
  Clock::duration idle_{};
  std::unordered_map<std::string, size_t> places_;  // of entries, by the bytes of name and tensors
  std::vector<Entry> entries_;
  size_t span_limit_;
  std::vector<Span> spans_;
  u64 spans_left_out_ = 0;
};

}  // namespace transfusion
