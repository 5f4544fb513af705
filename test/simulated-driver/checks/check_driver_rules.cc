// What the driver refuses, with which code and words.
#include <thread>
#include <vector>

#include "driver_kernels.h"
#include "driver_library.h"

using namespace simulated;

namespace {

void initialisation(Session& s) {
  int count = 0;
  s.gives("before cuInit", CUDA_ERROR_NOT_INITIALIZED, {"cuDeviceGetCount", "cuInit was not called"},
          [&] { return s.cu.DeviceGetCount(&count); });
  s.gives("flags of cuInit", CUDA_ERROR_INVALID_VALUE, {"flags"}, [&] { return s.cu.Init(1); });
  s.succeeds("cuInit", [&] { return s.cu.Init(0); });
  s.succeeds("cuDeviceGetCount", [&] { return s.cu.DeviceGetCount(&count); });
  s.check(count == 2, "two devices");
  CUdevice device = 0;
  s.gives("third device", CUDA_ERROR_INVALID_DEVICE, {"no device 2"},
          [&] { return s.cu.DeviceGet(&device, 2); });
  char name[64] = {};
  s.cu.DeviceGetName(name, sizeof name, 1);
  s.check(std::string(name) == "Simulated GPU (compute 8.0)", name);
  int value = 0;
  s.cu.DeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0);
  s.check(value == 108, "multiprocessors");

  const pid_t child = fork();
  if (child == 0) {
    const Stderr quiet;
    std::_Exit(s.cu.DeviceGetCount(&count) == CUDA_ERROR_NOT_INITIALIZED ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  s.check(status == 0, "a process that was forked after cuInit");
}

void versions(Session& s) {
  void* function = nullptr;
  CUdriverProcAddressQueryResult result;
  const auto find = [&](const char* name, int version) {
    return s.cu.GetProcAddress(name, &function, version, 0, &result);
  };
  s.succeeds("cuMemAlloc", [&] { return find("cuMemAlloc", 3020); });
  s.gives("cuMemAlloc of 32 bits", CUDA_ERROR_NOT_FOUND, {}, [&] { return find("cuMemAlloc", 2000); });
  s.check(result == CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT, "cuMemAlloc of 32 bits: version");
  s.gives("an unknown name", CUDA_ERROR_NOT_FOUND, {}, [&] { return find("cuNothing", 12000); });
  s.check(result == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND, "an unknown name: no symbol");
  s.gives("of CUDA 12.4", CUDA_ERROR_NOT_FOUND, {}, [&] { return find("cuFuncGetParamInfo", 12040); });
  s.gives("names with versions", CUDA_ERROR_NOT_FOUND, {}, [&] { return find("cuMemAlloc_v2", 12000); });
}

void contexts(Session& s) {
  s.cu.Init(0);
  CUdeviceptr address = 0;
  s.gives("without a context", CUDA_ERROR_INVALID_CONTEXT,
          {"cuMemAlloc", "no context is current on this thread"}, [&] { return s.cu.MemAlloc(&address, 4); });
  const CUcontext first = s.enter(0);
  CUcontext current = nullptr;
  s.cu.CtxGetCurrent(&current);
  s.check(current == first, "cuCtxGetCurrent");
  std::thread([&] {
    s.gives("on another thread", CUDA_ERROR_INVALID_CONTEXT, {"no context is current"},
            [&] { return s.cu.MemAlloc(&address, 4); });
  }).join();

  const CUstream stream = s.make_stream();
  const CUevent event = s.make_event();
  const CUfunction store = s.load(kKernels, "store");
  address = s.allocate(256);
  s.enter(1);
  StoreArguments arguments{address, 7};
  void* parameters[] = {&arguments};
  s.gives("stream of another context", CUDA_ERROR_INVALID_HANDLE,
          {"cuLaunchKernel", "the stream belongs to device 0, the current context to device 1"},
          [&] { return s.cu.LaunchKernel(store, 1, 1, 1, 64, 1, 1, 0, stream, parameters, nullptr); });
  const CUstream second = s.make_stream();
  s.gives("event of another context", CUDA_ERROR_INVALID_HANDLE, {"the event belongs to device 0"},
          [&] { return s.cu.EventRecord(event, second); });
  s.gives("a kernel sees its device's memory alone", CUDA_ERROR_ILLEGAL_ADDRESS, {"out of bounds"}, [&] {
    s.cu.LaunchKernel(store, 1, 1, 1, 64, 1, 1, 0, second, parameters, nullptr);
    return s.cu.StreamSynchronize(second);
  });
  s.cu.CtxSetCurrent(first);
  s.succeeds("the other device works on", [&] { return s.cu.CtxSynchronize(); });

  s.succeeds("release", [&] { return s.cu.DevicePrimaryCtxRelease(0); });
  s.gives("a released context", CUDA_ERROR_CONTEXT_IS_DESTROYED, {"was released"},
          [&] { return s.cu.MemAlloc(&address, 4); });
}

void images(Session& s) {
  s.cu.Init(0);
  s.enter();
  CUlibrary library = nullptr;
  const auto load = [&](const char* image) {
    return s.cu.LibraryLoadData(&library, image, nullptr, nullptr, 0, nullptr, nullptr, 0);
  };
  s.gives("machine code", CUDA_ERROR_NO_BINARY_FOR_GPU, {}, [&] {
    return load(
        "\x7f"
        "ELF....");
  });
  s.gives("PTX of a newer compiler", CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
          {"version 8.1", "CUDA 12.0 compiles up to 8.0"},
          [&] { return load(".version 8.1\n.target sm_80\n.address_size 64\n"); });
  s.gives("PTX of a newer GPU", CUDA_ERROR_INVALID_PTX, {"sm_90"},
          [&] { return load(".version 8.0\n.target sm_90a\n.address_size 64\n"); });
  char log[256] = {};
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  CUmodule module = nullptr;
  s.gives("an unknown instruction", CUDA_ERROR_INVALID_PTX, {"frobnicate"}, [&] {
    return s.cu.ModuleLoadDataEx(&module,
                                 ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n"
                                 "{\n  frobnicate.b32 %r1, %r2;\n  ret;\n}\n",
                                 2, options, values);
  });
  s.check(std::string(log).find("frobnicate") != std::string::npos, "the log of the compiler");

  s.succeeds("PTX", [&] { return load(kKernels); });
  CUkernel kernel = nullptr;
  s.gives("an unknown kernel", CUDA_ERROR_NOT_FOUND, {"no kernel nothing"},
          [&] { return s.cu.LibraryGetKernel(&kernel, library, "nothing"); });
  s.succeeds("cuModuleLoadDataEx",
             [&] { return s.cu.ModuleLoadDataEx(&module, kKernels, 0, nullptr, nullptr); });
  CUfunction table = nullptr;
  s.succeeds("cuModuleGetFunction", [&] { return s.cu.ModuleGetFunction(&table, module, "table"); });
  CUdeviceptr y = s.allocate(4);
  void* parameters[] = {&y};
  unsigned value = 0;
  s.cu.LaunchKernel(table, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr);
  s.succeeds("cuMemcpyDtoH", [&] { return s.cu.MemcpyDtoH(&value, y, 4); });
  s.check(value == 42, "a variable of the module");
  CUdeviceptr variable = 0;
  size_t bytes = 0;
  s.succeeds("cuModuleGetGlobal", [&] { return s.cu.ModuleGetGlobal(&variable, &bytes, module, "number"); });
  s.check(bytes == 4, "its bytes");
}

void launches(Session& s) {
  s.cu.Init(0);
  s.enter();
  const CUfunction store = s.load(kKernels, "store"), share = s.load(kKernels, "share");
  const CUdeviceptr y = s.allocate(256);
  StoreArguments arguments{y, 7};
  void* parameters[] = {&arguments};
  const auto launch = [&](CUfunction f, unsigned x, unsigned gy, unsigned gz, unsigned threads,
                          unsigned shared) {
    return s.cu.LaunchKernel(f, x, gy, gz, threads, 1, 1, shared, nullptr, parameters, nullptr);
  };
  s.gives("no blocks", CUDA_ERROR_INVALID_VALUE, {"store: grid.x is 0"},
          [&] { return launch(store, 0, 1, 1, 64, 0); });
  s.gives("grid.y", CUDA_ERROR_INVALID_VALUE, {"grid.y is 65536, it is to be 1 to 65535"},
          [&] { return launch(store, 1, 65536, 1, 64, 0); });
  s.gives("grid.z", CUDA_ERROR_INVALID_VALUE, {"grid.z is 70000"},
          [&] { return launch(store, 1, 1, 70000, 64, 0); });
  s.gives("no threads", CUDA_ERROR_INVALID_VALUE, {"block.x is 0"},
          [&] { return launch(store, 1, 1, 1, 0, 0); });
  s.gives("1025 threads", CUDA_ERROR_INVALID_VALUE, {"block.x is 1025"},
          [&] { return launch(store, 1, 1, 1, 1025, 0); });
  s.gives("more threads than compiled for", CUDA_ERROR_INVALID_VALUE, {"65 threads", "at most 64 (.maxntid)"},
          [&] { return launch(store, 1, 1, 1, 65, 0); });
  s.gives("49 KB", CUDA_ERROR_INVALID_VALUE, {"49153 bytes of dynamic shared memory, 49152 are allowed"},
          [&] { return launch(share, 1, 1, 1, 64, 49153); });
  const auto allow = [&](int bytes) {
    return s.cu.KernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes,
                                   reinterpret_cast<CUkernel>(share), 0);
  };
  s.gives("164 KB", CUDA_ERROR_INVALID_VALUE, {"a block may have 166912"}, [&] { return allow(164 << 10); });
  s.succeeds("163 KB", [&] { return allow(163 << 10); });
  s.succeeds("163 KB in a launch", [&] { return launch(share, 1, 1, 1, 64, 163 << 10); });
  s.succeeds("done", [&] { return s.cu.CtxSynchronize(); });

  size_t size = sizeof arguments;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &arguments, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                   CU_LAUNCH_PARAM_END};
  const auto launch_extra = [&](void** pointers) {
    return s.cu.LaunchKernel(store, 1, 1, 1, 64, 1, 1, 0, nullptr, pointers, extra);
  };
  s.succeeds("a buffer of arguments", [&] { return launch_extra(nullptr); });
  s.gives("both kinds of arguments", CUDA_ERROR_INVALID_VALUE, {"both given"},
          [&] { return launch_extra(parameters); });
  size = 12;
  s.gives("another struct", CUDA_ERROR_INVALID_VALUE, {"12 bytes of arguments, the kernel takes 16"},
          [&] { return launch_extra(nullptr); });
  unsigned values[64] = {};
  s.succeeds("cuMemcpyDtoH", [&] { return s.cu.MemcpyDtoH(values, y, sizeof values); });
  s.check(values[0] == 7 && values[63] == 7, "what the kernel stored");
  int blocks = 0;
  s.cu.OccupancyMaxActiveBlocksPerMultiprocessor(&blocks, share, 64, 100 << 10);
  s.check(blocks == 1, "one block with 100 KB");
}

void memory(Session& s) {
  s.cu.Init(0);
  s.enter();
  size_t free = 0, total = 0;
  s.cu.MemGetInfo(&free, &total);
  s.check(free == 1 << 20 && total == 1 << 20, "cuMemGetInfo");
  CUdeviceptr a = 0, b = 0;
  s.succeeds("what fits", [&] { return s.cu.MemAlloc(&a, 1 << 19); });
  s.gives("more than there is", CUDA_ERROR_OUT_OF_MEMORY, {},
          [&] { return s.cu.MemAlloc(&b, (1 << 19) + 1); });
  const CUstream stream = s.make_stream();
  s.gives("the same of a pool", CUDA_ERROR_OUT_OF_MEMORY, {},
          [&] { return s.cu.MemAllocAsync(&b, (1 << 19) + 1, stream); });
  s.check(a % 256 == 0 && a % 512 != 0, "aligned as promised, and no more");

  unsigned value = 0;
  s.gives("beyond the end", CUDA_ERROR_INVALID_VALUE, {"4 bytes from byte 524286 of an allocation of 524288"},
          [&] { return s.cu.MemcpyDtoH(&value, a + (1 << 19) - 2, 4); });
  s.gives("an address of the host", CUDA_ERROR_INVALID_VALUE, {"no device memory"},
          [&] { return s.cu.MemcpyDtoH(&value, reinterpret_cast<CUdeviceptr>(&value), 4); });
  s.gives("not its begin", CUDA_ERROR_INVALID_VALUE, {"byte 256 of an allocation"},
          [&] { return s.cu.MemFree(a + 256); });
  s.succeeds("cuMemFree", [&] { return s.cu.MemFree(a); });
  s.gives("freed twice", CUDA_ERROR_INVALID_VALUE, {"that were freed"}, [&] { return s.cu.MemFree(a); });
  s.gives("copy to what is freed", CUDA_ERROR_INVALID_VALUE, {"that were freed"},
          [&] { return s.cu.MemcpyHtoD(a, &value, 4); });

  std::vector<unsigned> pageable(64);
  unsigned* const pinned = s.allocate_host<unsigned>(64);
  a = s.allocate(256);
  s.gives("from pageable memory", CUDA_ERROR_INVALID_VALUE, {"cuMemcpyHtoDAsync", "srcHost", "pageable"},
          [&] { return s.cu.MemcpyHtoDAsync(a, pageable.data(), 256, stream); });
  s.gives("to pageable memory", CUDA_ERROR_INVALID_VALUE, {"cuMemcpyDtoHAsync", "dstHost", "pageable"},
          [&] { return s.cu.MemcpyDtoHAsync(pageable.data(), a, 256, stream); });
  s.gives("past the end of pinned memory", CUDA_ERROR_INVALID_VALUE, {"pageable"},
          [&] { return s.cu.MemcpyHtoDAsync(a, pinned + 1, 256, stream); });
  s.succeeds("registered", [&] { return s.cu.MemHostRegister(pageable.data(), 256, 0); });
  s.succeeds("from registered memory", [&] { return s.cu.MemcpyHtoDAsync(a, pageable.data(), 256, stream); });
  s.gives("registered twice", CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, {"pinned already"},
          [&] { return s.cu.MemHostRegister(pageable.data(), 4, 0); });
  s.succeeds("unregistered", [&] { return s.cu.MemHostUnregister(pageable.data()); });
  s.gives("misaligned set", CUDA_ERROR_INVALID_VALUE, {"multiple of 4"},
          [&] { return s.cu.MemsetD32Async(a + 2, 0, 1, stream); });
  s.succeeds("cuMemFreeHost", [&] { return s.cu.MemFreeHost(pinned); });
  s.gives("freed twice", CUDA_ERROR_INVALID_VALUE, {"was given back"},
          [&] { return s.cu.MemFreeHost(pinned); });
}

void pools(Session& s) {
  s.cu.Init(0);
  s.enter();
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, {0}};
  CUmemoryPool pool = nullptr;
  s.succeeds("cuMemPoolCreate", [&] { return s.cu.MemPoolCreate(&pool, &properties); });
  cuuint64_t threshold = ~cuuint64_t{0}, reserved = 0;
  s.cu.MemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold);
  const CUstream stream = s.make_stream();
  CUdeviceptr a = 0;
  s.succeeds("from the pool", [&] { return s.cu.MemAllocFromPoolAsync(&a, 1 << 16, pool, stream); });
  s.gives("destroyed while in use", CUDA_ERROR_INVALID_VALUE, {"in use"},
          [&] { return s.cu.MemPoolDestroy(pool); });
  s.succeeds("cuMemFreeAsync", [&] { return s.cu.MemFreeAsync(a, stream); });
  s.gives("freed twice", CUDA_ERROR_INVALID_VALUE, {"that were freed"},
          [&] { return s.cu.MemFreeAsync(a, stream); });
  s.succeeds("synchronised", [&] { return s.cu.CtxSynchronize(); });
  s.cu.MemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved);
  s.check(reserved == 1 << 16, "kept, by its threshold");
  s.succeeds("cuMemPoolTrimTo", [&] { return s.cu.MemPoolTrimTo(pool, 0); });
  s.cu.MemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved);
  s.check(reserved == 0, "trimmed");
  s.succeeds("cuMemPoolDestroy", [&] { return s.cu.MemPoolDestroy(pool); });
  CUmemoryPool own = nullptr;
  s.cu.DeviceGetDefaultMemPool(&own, 0);
  s.succeeds("from the device's pool", [&] { return s.cu.MemAllocAsync(&a, 1 << 16, stream); });
  s.cu.MemFreeAsync(a, stream);
  s.cu.CtxSynchronize();
  s.cu.MemPoolGetAttribute(own, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved);
  s.check(reserved == 0, "given back as the device is synchronised, by its threshold of 0");
}

}  // namespace

int main(int argc, char** argv) {
  return run_scenarios(argc, argv,
                       {{"initialisation", initialisation, {{"TRANSFUSION_SIMULATOR_DEVICES", "2"}}},
                        {"versions", versions, {}},
                        {"contexts", contexts, {{"TRANSFUSION_SIMULATOR_DEVICES", "2"}}},
                        {"images", images, {}},
                        {"launches", launches, {}},
                        {"memory", memory, {{"TRANSFUSION_SIMULATOR_MEMORY", "1048576"}}},
                        {"pools", pools, {}}});
}
