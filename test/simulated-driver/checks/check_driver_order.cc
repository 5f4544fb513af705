// When the driver does what it was given: in the order of a stream, late, in any order over streams; and how
// the failure of a kernel ends a context.
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "driver_kernels.h"
#include "driver_library.h"

using namespace simulated;

namespace {

constexpr int kTrials = 200;

// A stream stands still until it is opened.
struct Gate {
  std::atomic<bool> open = false;
  static void wait(void* gate) {
    while (!static_cast<Gate*>(gate)->open) std::this_thread::yield();
  }
};

void late(Session& s) {
  s.cu.Init(0);
  s.enter();
  const CUstream stream = s.make_stream();
  const CUdeviceptr x = s.allocate(4);
  unsigned* const host = s.allocate_host<unsigned>(2);
  Gate gate;
  s.succeeds("cuLaunchHostFunc", [&] { return s.cu.LaunchHostFunc(stream, Gate::wait, &gate); });
  host[0] = 1, host[1] = 0;
  s.cu.MemcpyHtoDAsync(x, &host[0], 4, stream);
  s.cu.MemcpyDtoHAsync(&host[1], x, 4, stream);
  const CUevent event = s.make_event();
  s.cu.EventRecord(event, stream);
  s.gives("work that waits", CUDA_ERROR_NOT_READY, {}, [&] { return s.cu.StreamQuery(stream); });
  s.gives("its event", CUDA_ERROR_NOT_READY, {}, [&] { return s.cu.EventQuery(event); });
  s.check(host[1] == 0, "nothing was copied");
  host[0] = 2;  // too early: the copy has not read it
  gate.open = true;
  s.succeeds("cuEventSynchronize", [&] { return s.cu.EventSynchronize(event); });
  s.succeeds("done", [&] { return s.cu.StreamQuery(stream); });
  s.check(host[1] == 2, "a copy reads its source when it is done");
}

// x is set on one stream and copied on another.
int wrong_copies(Session& s, bool wait) {
  const CUstream first = s.make_stream(), second = s.make_stream();
  const CUdeviceptr x = s.allocate(4);
  unsigned* const host = s.allocate_host<unsigned>(1);
  const CUevent event = s.make_event(), back = s.make_event();
  int wrong = 0;
  for (unsigned i = 1; i <= kTrials; ++i) {
    s.cu.MemsetD32Async(x, i, 1, first);
    s.cu.EventRecord(event, first);
    if (wait) s.cu.StreamWaitEvent(second, event, 0);
    s.cu.MemcpyDtoHAsync(host, x, 4, second);
    s.cu.EventRecord(back, second);
    s.cu.EventSynchronize(back);
    wrong += *host != i;
    s.cu.CtxSynchronize();
  }
  return wrong;
}

void events(Session& s) {
  s.cu.Init(0);
  s.enter();
  s.check(wrong_copies(s, true) == 0, "a stream that waits for an event");
  s.check(wrong_copies(s, false) > kTrials / 10, "a stream that does not wait is found out");
  const CUevent start = s.make_event(0), end = s.make_event(0), untimed = s.make_event();
  const CUstream stream = s.make_stream();
  float milliseconds = -1;
  s.gives("never recorded", CUDA_ERROR_INVALID_HANDLE, {"never recorded"},
          [&] { return s.cu.EventElapsedTime(&milliseconds, start, end); });
  s.cu.EventRecord(start, stream);
  s.cu.LaunchHostFunc(
      stream, [](void*) { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }, nullptr);
  s.cu.EventRecord(end, stream);
  s.cu.EventRecord(untimed, stream);
  s.cu.StreamSynchronize(stream);
  s.succeeds("cuEventElapsedTime", [&] { return s.cu.EventElapsedTime(&milliseconds, start, end); });
  s.check(milliseconds >= 5 && milliseconds < 5000, "time between events");
  s.gives("without times", CUDA_ERROR_INVALID_HANDLE, {"CU_EVENT_DISABLE_TIMING"},
          [&] { return s.cu.EventElapsedTime(&milliseconds, start, untimed); });
  s.succeeds("cuEventDestroy", [&] { return s.cu.EventDestroy(end); });
  s.gives("a destroyed event", CUDA_ERROR_INVALID_HANDLE, {"no event"}, [&] { return s.cu.EventQuery(end); });
}

// Work of the legacy stream waits for that of blocking streams, not of others.
void legacy(Session& s) {
  s.cu.Init(0);
  s.enter();
  const CUdeviceptr x = s.allocate(4);
  for (const bool blocking : {true, false}) {
    const CUstream stream = s.make_stream(blocking ? CU_STREAM_DEFAULT : CU_STREAM_NON_BLOCKING);
    unsigned wrong = 0;
    for (unsigned i = 1; i <= kTrials; ++i) {
      unsigned value = 0;
      s.cu.MemsetD32Async(x, i, 1, stream);
      s.cu.MemcpyDtoH(&value, x, 4);
      wrong += value != i;
      s.cu.CtxSynchronize();
    }
    s.check(blocking ? wrong == 0 : wrong > kTrials / 10,
            blocking ? "a blocking stream" : "a non-blocking stream");
  }
}

void functions_of_the_host(Session& s) {
  s.cu.Init(0);
  s.enter();
  const CUstream stream = s.make_stream();
  static Session* session;
  session = &s;
  const auto call = [](void* result) {
    CUdeviceptr address = 0;
    *static_cast<CUresult*>(result) = session->cu.MemAlloc(&address, 4);
  };
  CUresult result = CUDA_SUCCESS;
  s.gives("a call inside", CUDA_SUCCESS, {"calls the driver"}, [&] {
    s.cu.LaunchHostFunc(stream, call, &result);
    return s.cu.StreamSynchronize(stream);
  });
  s.check(result == CUDA_ERROR_NOT_PERMITTED, "it is not permitted");
}

void launch_store(Session& s, CUfunction store, CUdeviceptr y, CUstream stream) {
  StoreArguments arguments{y, 7};
  void* parameters[] = {&arguments};
  s.cu.LaunchKernel(store, 1, 1, 1, 64, 1, 1, 0, stream, parameters, nullptr);
}

// Everything later fails as the kernel did, which is told once.
void expect_end(Session& s, CUstream stream, CUresult code) {
  CUdeviceptr address = 0;
  CUevent event = nullptr;
  s.gives("cuStreamQuery after it", code, {}, [&] { return s.cu.StreamQuery(stream); });
  s.gives("cuMemAlloc after it", code, {}, [&] { return s.cu.MemAlloc(&address, 4); });
  s.gives("cuEventCreate after it", code, {}, [&] { return s.cu.EventCreate(&event, 0); });
  s.gives("cuCtxSynchronize after it", code, {}, [&] { return s.cu.CtxSynchronize(); });
}

void used_after_free(Session& s) {
  s.cu.Init(0);
  s.enter();
  const CUstream stream = s.make_stream();
  const CUfunction store = s.load(kKernels, "store");
  CUdeviceptr y = 0;
  s.cu.MemAllocAsync(&y, 256, stream);
  launch_store(s, store, y, stream);
  s.cu.MemFreeAsync(y, stream);
  s.succeeds("in the order of the stream", [&] { return s.cu.StreamSynchronize(stream); });
  s.gives("used after it was freed", CUDA_ERROR_ILLEGAL_ADDRESS,
          {"cuLaunchKernel", "use after free", "store"}, [&] {
            launch_store(s, store, y, stream);
            return s.cu.StreamSynchronize(stream);
          });
  expect_end(s, stream, CUDA_ERROR_ILLEGAL_ADDRESS);
}

void used_before_it_is_there(Session& s) {
  s.cu.Init(0);
  s.enter();
  const CUstream first = s.make_stream(), second = s.make_stream();
  const CUfunction store = s.load(kKernels, "store");
  Gate gate;
  s.cu.LaunchHostFunc(first, Gate::wait, &gate);
  CUdeviceptr y = 0;
  s.succeeds("cuMemAllocAsync", [&] { return s.cu.MemAllocAsync(&y, 256, first); });
  const CUevent event = s.make_event();
  s.cu.EventRecord(event, first);
  s.cu.StreamWaitEvent(second, event, 0);
  launch_store(s, store, y, second);
  gate.open = true;
  s.succeeds("after the allocation", [&] { return s.cu.StreamSynchronize(second); });
  CUresult result = CUDA_SUCCESS;
  {
    const Stderr captured;
    for (int i = 0; i < kTrials && !result; ++i) {
      s.cu.MemAllocAsync(&y, 256, first);
      launch_store(s, store, y, second);
      result = s.cu.CtxSynchronize();
    }
  }
  s.check(result == CUDA_ERROR_ILLEGAL_ADDRESS, "without the wait it is used before it is there");
}

void out_of_bounds(Session& s) {
  s.cu.Init(0);
  s.enter();
  const CUstream stream = s.make_stream();
  const CUfunction store = s.load(kKernels, "store");
  const CUdeviceptr y = s.allocate(252);
  s.gives("out of bounds", CUDA_ERROR_ILLEGAL_ADDRESS, {"out of bounds", "store", "thread (63, 0, 0)"}, [&] {
    launch_store(s, store, y, stream);
    return s.cu.StreamSynchronize(stream);
  });
  expect_end(s, stream, CUDA_ERROR_ILLEGAL_ADDRESS);
}

void misaligned(Session& s) {
  s.cu.Init(0);
  s.enter();
  const CUstream stream = s.make_stream();
  const CUfunction store = s.load(kKernels, "store");
  const CUdeviceptr y = s.allocate(512);
  s.gives("misaligned", CUDA_ERROR_MISALIGNED_ADDRESS, {"misaligned"}, [&] {
    launch_store(s, store, y + 2, stream);
    return s.cu.StreamSynchronize(stream);
  });
}

void devices(Session& s) {
  s.cu.Init(0);
  const CUcontext first = s.enter(0);
  const CUstream a = s.make_stream();
  const CUdeviceptr x = s.allocate(4);
  const CUevent event = s.make_event();
  s.enter(1);
  const CUstream b = s.make_stream();
  const CUdeviceptr y = s.allocate(4);
  unsigned* const host = s.allocate_host<unsigned>(1);
  for (unsigned i = 1; i <= kTrials; ++i) {
    s.cu.CtxPushCurrent(first);
    s.cu.MemsetD32Async(x, i, 1, a);
    s.cu.EventRecord(event, a);
    s.cu.CtxPopCurrent(nullptr);
    s.cu.StreamWaitEvent(b, event, 0);
    s.cu.MemcpyPeerAsync(y, nullptr, x, nullptr, 4, b);
    s.cu.MemcpyDtoHAsync(host, y, 4, b);
    s.succeeds("cuStreamSynchronize", [&] { return s.cu.StreamSynchronize(b); });
    s.check(*host == i, "a copy from another device");
  }
}

void threads(Session& s) {
  s.cu.Init(0);
  const CUcontext context = s.enter();
  const CUfunction store = s.load(kKernels, "store");
  std::vector<std::thread> all;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    all.emplace_back([&] {
      s.cu.CtxSetCurrent(context);
      CUstream stream = nullptr;
      s.cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING);
      void* host = nullptr;
      s.cu.MemHostAlloc(&host, 256, 0);
      for (int i = 0; i < 20; ++i) {
        CUdeviceptr y = 0;
        s.cu.MemAllocAsync(&y, 256, stream);
        launch_store(s, store, y, stream);
        s.cu.MemcpyDtoHAsync(host, y, 256, stream);
        s.cu.MemFreeAsync(y, stream);
        wrong += s.cu.StreamSynchronize(stream) != CUDA_SUCCESS;
        wrong += static_cast<unsigned*>(host)[63] != 7;
      }
      s.cu.MemFreeHost(host);
      s.cu.StreamDestroy(stream);
    });
  for (std::thread& thread : all) thread.join();
  s.check(wrong == 0, "four threads with a stream each");
}

}  // namespace

int main(int argc, char** argv) {
  return run_scenarios(argc, argv,
                       {{"late", late, {}},
                        {"events", events, {}},
                        {"legacy", legacy, {{"TRANSFUSION_SIMULATOR_SEED", "2"}}},
                        {"functions of the host", functions_of_the_host, {}},
                        {"used after free", used_after_free, {}},
                        {"used before it is there", used_before_it_is_there, {}},
                        {"out of bounds", out_of_bounds, {}},
                        {"misaligned", misaligned, {}},
                        {"devices", devices, {{"TRANSFUSION_SIMULATOR_DEVICES", "2"}}},
                        {"threads", threads, {{"TRANSFUSION_SIMULATOR_SEED", "3"}}}});
}
