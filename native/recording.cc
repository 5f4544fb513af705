#include "recording.h"

#include <algorithm>

namespace transfusion {
namespace {

template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string key_of(const Work& work) {
  std::string key(work.name);
  for (const auto& [argument, view] : work.tensors) {
    append(key, argument);
    append(key, view.dtype);
    append(key, view.rank);
    for (int axis = 0; axis < view.rank; ++axis) append(key, view.shape[axis]);
  }
  return key;
}

}  // namespace

double Intervals::pairs() const {
  const auto* start = static_cast<const i32*>(key_start.data.get());
  const auto* end = static_cast<const i32*>(key_end.data.get());
  double pairs = 0;
  for (size_t query = 0; query < std::min(key_start.bytes, key_end.bytes) / sizeof(i32); ++query)
    pairs += std::max(0, end[query] - start[query]);
  return pairs;
}

void Work::add(int argument, const TensorView& view, bool read, bool written) {
  tensors.push_back({argument, view});
  if (read) bytes_read += view.bytes();
  if (written) bytes_written += view.bytes();
}

std::string Work::text() const {
  std::string text(name);
  for (const auto& [argument, view] : tensors) {
    text += &view == &tensors.front().view ? " " : ", ";
    text += std::string(dtype_name(view.dtype)) + " [";
    for (int axis = 0; axis < view.rank; ++axis)
      text += (axis > 0 ? ", " : "") + std::to_string(view.shape[axis]);
    text += "]";
  }
  return text;
}

Recording::Entry& Recording::entry_of(const Work& work) {
  const auto [found, added] = places_.try_emplace(key_of(work), entries_.size());
  if (added) entries_.push_back({.name = work.name, .tensors = work.tensors});
  return entries_[found->second];
}

void Recording::add(const Work& work, Clock::time_point start, Clock::time_point end) {
  if (start < begin_) return;
  Entry& entry = entry_of(work);
  ++entry.calls;
  entry.time += end - start;
  entry.bytes_read += work.bytes_read;
  entry.bytes_written += work.bytes_written;
  entry.flops += work.intervals.key_start.data ? work.flops * work.intervals.pairs() : work.flops;
  if (spans_.size() < span_limit_)
    spans_.push_back({static_cast<size_t>(&entry - entries_.data()), start, end});
  else
    ++spans_left_out_;
}

void Recording::add_idle(Clock::time_point start, Clock::time_point end) {
  start = std::max(start, begin_);
  if (start < end) idle_ += end - start;
}

}  // namespace transfusion
