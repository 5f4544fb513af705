// Memory of the device that outlives a command: what a kernel made of tensors that have not been written
// since need not be made again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/memory.h"
#include "kernel_types.h"

namespace transfusion::cuda {

// Touched by the stream's thread alone. Its memory comes and goes in the order of the stream, so that what is
// kept now may lie where work that was given before still reads.
class KeptMemory {
 public:
  explicit KeptMemory(WorkMemory& memory) : memory_(memory) {}

  // Sets `data` to what `make` wrote to it when it last was called for this key, or to at least `bytes` that
  // it is called for now. Valid until the command ends, if no more than kEntries keys are asked for in it.
  // Throws as WorkMemory.
  Status get(std::string key, size_t bytes, void*& data, const std::function<Status(void*)>& make);

  // Between commands.
  void clear();

 private:
  static constexpr size_t kEntries = 32;

  struct Entry {
    std::string key;
    void* data = nullptr;
    size_t capacity = 0;
  };

  // The one that was asked for longest ago, with room and without a key, as the last.
  Entry& renew(size_t bytes);
  void free(Entry& entry);

  WorkMemory& memory_;
  std::vector<Entry> entries_;  // the latest one last
};

}  // namespace transfusion::cuda
