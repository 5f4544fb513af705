// For checks of the driver: the library as programs load it, and what it says on stderr.
#pragma once

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "check.h"
#include "driver/cuda_api.h"

namespace simulated {

#define DRIVER_FUNCTIONS(F)         \
  F(Init, 2000)                     \
  F(DeviceGet, 2000)                \
  F(DeviceGetCount, 2000)           \
  F(DeviceGetName, 2000)            \
  F(DeviceGetAttribute, 2000)       \
  F(DevicePrimaryCtxRetain, 7000)   \
  F(DevicePrimaryCtxRelease, 11000) \
  F(CtxSetCurrent, 4000)            \
  F(CtxGetCurrent, 4000)            \
  F(CtxPushCurrent, 4000)           \
  F(CtxPopCurrent, 4000)            \
  F(CtxSynchronize, 2000)           \
  F(MemGetInfo, 3020)               \
  F(MemAlloc, 3020)                 \
  F(MemFree, 3020)                  \
  F(MemAllocAsync, 11020)           \
  F(MemAllocFromPoolAsync, 11020)   \
  F(MemFreeAsync, 11020)            \
  F(DeviceGetDefaultMemPool, 11020) \
  F(MemPoolCreate, 11020)           \
  F(MemPoolDestroy, 11020)          \
  F(MemPoolSetAttribute, 11020)     \
  F(MemPoolGetAttribute, 11020)     \
  F(MemPoolTrimTo, 11020)           \
  F(MemHostAlloc, 2020)             \
  F(MemFreeHost, 2000)              \
  F(MemHostRegister, 6050)          \
  F(MemHostUnregister, 4000)        \
  F(MemHostGetDevicePointer, 3020)  \
  F(MemcpyHtoD, 3020)               \
  F(MemcpyDtoH, 3020)               \
  F(MemcpyDtoDAsync, 3020)          \
  F(MemcpyHtoDAsync, 3020)          \
  F(MemcpyDtoHAsync, 3020)          \
  F(MemcpyPeerAsync, 4000)          \
  F(MemsetD8, 3020)                 \
  F(MemsetD32, 3020)                \
  F(MemsetD32Async, 3020)           \
  F(StreamWriteValue64, 11070)      \
  F(StreamCreate, 2000)             \
  F(StreamDestroy, 4000)            \
  F(StreamSynchronize, 2000)        \
  F(StreamQuery, 2000)              \
  F(StreamWaitEvent, 3020)          \
  F(LaunchHostFunc, 10000)          \
  F(EventCreate, 2000)              \
  F(EventRecord, 2000)              \
  F(EventSynchronize, 2000)         \
  F(EventQuery, 2000)               \
  F(EventElapsedTime, 2000)         \
  F(EventDestroy, 4000)             \
  F(LibraryLoadData, 12000)         \
  F(LibraryGetKernel, 12000)        \
  F(LibraryUnload, 12000)           \
  F(KernelSetAttribute, 12000)      \
  F(KernelGetFunction, 12000)       \
  F(FuncGetAttribute, 2020)         \
  F(LaunchKernel, 4000)             \
  F(ModuleLoadDataEx, 2010)         \
  F(ModuleGetFunction, 2000)        \
  F(ModuleGetGlobal, 3020)          \
  F(OccupancyMaxActiveBlocksPerMultiprocessor, 6050)

struct DriverLibrary {
#define F(name, since) PFN_cu##name##_v##since name = nullptr;
  DRIVER_FUNCTIONS(F)
#undef F
  PFN_cuGetProcAddress_v12000 GetProcAddress = nullptr;

  explicit DriverLibrary(const char* path) {
    void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      std::printf("%s\n", dlerror());
      std::exit(1);
    }
    GetProcAddress = reinterpret_cast<PFN_cuGetProcAddress_v12000>(dlsym(library, "cuGetProcAddress_v2"));
#define F(name, since)                                                                             \
  {                                                                                                \
    void* function = nullptr;                                                                      \
    if (GetProcAddress("cu" #name, &function, 12000, 0, nullptr)) std::printf("no cu" #name "\n"); \
    name = reinterpret_cast<PFN_cu##name##_v##since>(function);                                    \
  }
    DRIVER_FUNCTIONS(F)
#undef F
  }
};

// What is written to stderr while it lives.
class Stderr {
 public:
  Stderr() : file_(std::tmpfile()), before_(dup(2)) { dup2(fileno(file_), 2); }
  ~Stderr() {
    dup2(before_, 2);
    close(before_);
    std::fclose(file_);
  }
  std::string text() const {
    std::fflush(stderr);
    std::string text(static_cast<size_t>(lseek(fileno(file_), 0, SEEK_END)), 0);
    if (pread(fileno(file_), text.data(), text.size(), 0) < 0) text.clear();
    return text;
  }

 private:
  std::FILE* file_;
  int before_;
};

// One process's use of the driver: a program forks for each, as the driver is read once, and as an error of a
// kernel is the end of its context.
class Session : public Checks {
 public:
  explicit Session(const char* library) : cu(library) {}

  // Whether a call gives the code and says each of `parts` on stderr; nothing where there are none.
  template <class Call>
  void gives(const std::string& what, CUresult code, std::initializer_list<const char*> parts, Call call) {
    const Stderr captured;
    const CUresult result = call();
    const std::string text = captured.text();
    check(result == code,
          what + ": expected " + std::to_string(code) + ", not " + std::to_string(result) + " " + text);
    for (const char* part : parts)
      check(text.find(part) != std::string::npos, what + ": no \"" + part + "\" in \"" + text + "\"");
    if (!parts.size()) check(text.empty(), what + ": said \"" + text + "\"");
  }
  template <class Call>
  void succeeds(const std::string& what, Call call) {
    gives(what, CUDA_SUCCESS, {}, call);
  }

  // The primary context of a device, made current.
  CUcontext enter(int device = 0) {
    CUcontext context = nullptr;
    succeeds("cuDevicePrimaryCtxRetain", [&] { return cu.DevicePrimaryCtxRetain(&context, device); });
    succeeds("cuCtxSetCurrent", [&] { return cu.CtxSetCurrent(context); });
    return context;
  }
  CUdeviceptr allocate(size_t bytes) {
    CUdeviceptr address = 0;
    succeeds("cuMemAlloc", [&] { return cu.MemAlloc(&address, bytes); });
    return address;
  }
  template <class T>
  T* allocate_host(size_t count) {
    void* pointer = nullptr;
    succeeds("cuMemHostAlloc", [&] { return cu.MemHostAlloc(&pointer, count * sizeof(T), 0); });
    return static_cast<T*>(pointer);
  }
  CUstream make_stream(unsigned flags = CU_STREAM_NON_BLOCKING) {
    CUstream stream = nullptr;
    succeeds("cuStreamCreate", [&] { return cu.StreamCreate(&stream, flags); });
    return stream;
  }
  CUevent make_event(unsigned flags = CU_EVENT_DISABLE_TIMING) {
    CUevent event = nullptr;
    succeeds("cuEventCreate", [&] { return cu.EventCreate(&event, flags); });
    return event;
  }
  CUfunction load(const char* ptx, const char* name) {
    CUlibrary library = nullptr;
    CUkernel kernel = nullptr;
    succeeds("cuLibraryLoadData",
             [&] { return cu.LibraryLoadData(&library, ptx, nullptr, nullptr, 0, nullptr, nullptr, 0); });
    succeeds(name, [&] { return cu.LibraryGetKernel(&kernel, library, name); });
    return reinterpret_cast<CUfunction>(kernel);
  }

  const DriverLibrary cu;
};

struct Scenario {
  const char* name;
  void (*run)(Session&);
  std::initializer_list<std::pair<const char*, const char*>> environment;
};

// The library is the program's argument.
inline int run_scenarios(int argc, char** argv, std::initializer_list<Scenario> scenarios) {
  const std::string library = argc > 1 ? argv[1] : "libsimulated_cuda.so";
  int failed = 0;
  for (const Scenario& scenario : scenarios) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      for (const auto& [name, value] : scenario.environment) setenv(name, value, 1);
      Session session(library.c_str());
      scenario.run(session);
      std::exit(session.finish());
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status == 0) continue;
    std::printf("%s: %s %d\n", scenario.name, WIFSIGNALED(status) ? "signal" : "exit",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    ++failed;
  }
  return failed != 0;
}

}  // namespace simulated
