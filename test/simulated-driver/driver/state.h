// All that the driver holds: devices with their contexts, and what handles stand for. One lock guards it;
// kernels and copies run without that lock, on the thread of their device.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <unordered_map>
#include <vector>

#include "driver/addresses.h"
#include "driver/device_memory.h"
#include "driver/refusal.h"
#include "driver/settings.h"

namespace simulated {

using Time = std::chrono::steady_clock;
using Lock = std::unique_lock<std::mutex>;

struct Context;
struct Device;

// What a handle points to. Handles of a context end with it.
struct Handle {
  explicit Handle(Context* context) : context(context) {}
  virtual ~Handle() = default;
  Context* context;
};

// Work of a stream. All but `run` is called under the lock.
struct Operation {
  const char* call;           // the entry point that gave it
  std::function<void()> run;  // throws Fault
  std::function<void()> completed;
  std::function<bool()> ready;
  uint64_t serial = 0;  // over all streams
};

struct Stream : Handle {
  Stream(Context* context, unsigned flags, int priority)
      : Handle(context), flags(flags), priority(priority) {}
  bool blocking() const { return !(flags & CU_STREAM_NON_BLOCKING); }
  bool idle() const { return queue.empty(); }

  const unsigned flags;
  const int priority;
  std::deque<Operation> queue;  // the first one may be running
  uint64_t given = 0, done = 0;
  Time::time_point held_until;  // starts nothing before
};

// One cuEventRecord.
struct Record {
  bool done = false;
  Time::time_point time;
};

struct Event : Handle {
  Event(Context* context, unsigned flags) : Handle(context), flags(flags) {}
  const unsigned flags;
  std::shared_ptr<Record> record;
};

struct Pool : Handle {
  explicit Pool(Device* device) : Handle(nullptr), device(device) {}
  // What lies in it without use, beyond `keep`, goes back to the device.
  void trim(size_t keep);

  Device* const device;
  uint64_t threshold = 0;
  uint64_t used = 0, used_high = 0, reserved = 0, reserved_high = 0;
  std::map<CUmemPool_attribute, int> reuse;  // accepted and kept
};

// The primary context of a device, the only one.
struct Context {
  explicit Context(Device& device) : device(device) {}
  Device& device;
  int retained = 0;
  unsigned flags = 0;
  CUresult error = CUDA_SUCCESS;  // sticky: of a kernel that failed
  std::shared_ptr<Stream> legacy;
  std::vector<std::shared_ptr<Stream>> streams;  // with those that are destroyed and have work
};

struct Device {
  explicit Device(int ordinal);
  // Gives work to a stream; under the lock.
  void give(Stream& stream, Operation operation);
  size_t free_memory() const;

  const int ordinal;
  const int compute;  // capability
  Context context{*this};
  Pool default_pool{this};
  Pool* pool = &default_pool;
  std::vector<Pool*> pools{&default_pool};
  size_t allocated = 0;  // bytes outside of pools
  DeviceMemory memory;

  // engine.cc
  void work();
  std::shared_ptr<Stream> choose(Time::time_point now, Time::time_point& wake);
  void run(Stream& stream, Lock& lock);
  void fail(const char* call, CUresult code, const std::string& what);
  bool started = false, running = false;
  std::condition_variable given;
  std::mt19937 random;
};

struct Driver {
  Driver();
  std::mutex mutex;
  std::condition_variable done;  // something was completed
  int process = 0;               // which called cuInit; 0: none yet
  bool ending = false;           // the process is
  uint64_t next_serial = 1;
  std::vector<std::unique_ptr<Device>> devices;
  std::unordered_map<const void*, std::shared_ptr<Handle>> handles;
  Addresses addresses;
};

// Never destroyed: threads of ours outlive main().
Driver& driver();

// The result for the caller; the driver keeps it until drop().
template <class T>
T* keep(std::shared_ptr<T> object) {
  T* const pointer = object.get();
  driver().handles.emplace(static_cast<Handle*>(pointer), std::move(object));
  return pointer;
}

// `kind`: "stream", for messages.
template <class T, class ApiHandle>
std::shared_ptr<T> get(ApiHandle handle, const char* kind) {
  const auto& handles = driver().handles;
  const auto found = handles.find(reinterpret_cast<const void*>(handle));
  auto object = found == handles.end() ? nullptr : std::dynamic_pointer_cast<T>(found->second);
  if (!object)
    refuse(CUDA_ERROR_INVALID_HANDLE, "%p is no %s, or one that was destroyed",
           reinterpret_cast<const void*>(handle), kind);
  return object;
}

template <class ApiHandle>
ApiHandle to_api(Handle* handle) {
  return reinterpret_cast<ApiHandle>(handle);
}

inline void drop(Handle* handle) { driver().handles.erase(handle); }

// Null is the legacy stream. Refuses what belongs to another context.
std::shared_ptr<Stream> stream_of(Context& context, CUstream stream);
// Waits until all that was given to the stream is done.
void finish(Stream& stream, Lock& lock);
void finish(Context& context, Lock& lock);

}  // namespace simulated
