#include "host/cuda_device.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "host/modules.h"
#include "matmul/product_ways.h"

namespace transfusion::cuda {
namespace {

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value && std::strcmp(value, "1") == 0;
}

CUdeviceptr address_of(const void* data) { return reinterpret_cast<CUdeviceptr>(data); }

}  // namespace

CudaDevice::CudaDevice(int ordinal)
    : ordinal_(ordinal), synchronous_(is_set("TRANSFUSION_CUDA_SYNC")), health_(name()) {
  TRANSFUSION_CHECK_DRIVER(DeviceGet, &device_, ordinal);
  std::array<char, 256> model{};
  TRANSFUSION_CHECK_DRIVER(DeviceGetName, model.data(), static_cast<int>(model.size()), device_);
  model_ = model.data();
  // The context that other libraries of the process use too. Never released: at exit the driver may be gone.
  TRANSFUSION_CHECK_DRIVER(DevicePrimaryCtxRetain, &cuda_context_, device_);
  TRANSFUSION_CHECK_DRIVER(CtxSetCurrent, cuda_context_);
  limits_.compute_capability = 10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
                               attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  limits_.multiprocessors = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  limits_.shared_memory =
      static_cast<size_t>(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN));
  // Non-blocking: it waits for no work of others.
  TRANSFUSION_CHECK_DRIVER(StreamCreate, &stream_, CU_STREAM_NON_BLOCKING);
  memory_ = std::make_unique<DeviceMemory>(ordinal, device_, stream_);
  host_memory_ = std::make_unique<HostMemory>(cuda_context_);
  completion_ = std::make_unique<Completion>(cuda_context_, synchronous_, health_, failures_);
  uploads_ = std::make_unique<UploadRing>(*host_memory_, completion_->events(false));
  work_memory_ = std::make_unique<WorkMemory>(*memory_);
  scratch_ = std::make_unique<Scratch>(*work_memory_);
  kept_ = std::make_unique<KeptMemory>(*work_memory_);
  context_.device_stream = this;
  context_.arena = scratch_.get();
  context_.allocate = [](void* scratch, size_t bytes) {
    return static_cast<Scratch*>(scratch)->allocate(bytes);
  };
}

int CudaDevice::attribute(CUdevice_attribute attribute) const {
  int value = 0;
  TRANSFUSION_CHECK_DRIVER(DeviceGetAttribute, &value, attribute, device_);
  return value;
}

std::vector<DeviceProperty> CudaDevice::properties() const {
  size_t bytes = 0;
  driver().DeviceTotalMem(&bytes, device_);
  const CublasLt& library = cublaslt();
  return {{"name", model_},
          {"computeCapability", std::to_string(limits_.compute_capability / 10) + "." +
                                    std::to_string(limits_.compute_capability % 10)},
          {"multiprocessors", static_cast<double>(limits_.multiprocessors)},
          {"memory", static_cast<double>(bytes)},
          {"nativeBf16", true},
          {"driver", cuda_version(driver().version)},
          {"kernels", image_kind(limits_.compute_capability)},
          {"build", image_hash()},
          {"cublaslt", library.is_there() ? library.version() : ""},
          {"cublasltPlace", library.is_there() ? library.path() : library.problem()}};
}

// ---- work ----

void CudaDevice::enter() {
  if (!std::exchange(entered_, true)) judge(driver().CtxSetCurrent(cuda_context_), "cuCtxSetCurrent");
}

Context& CudaDevice::context() {
  enter();
  return context_;
}

CudaDevice::LoadedKernel& CudaDevice::find(const KernelName& kernel, size_t shared_bytes) {
  LoadedKernel& found = kernels_[&kernel];
  if (!found.kernel) found.kernel = find_kernel(kernel, limits_.compute_capability);
  // Without it a kernel has 48 KB, static shared memory included.
  if (shared_bytes > found.shared_bytes) {
    TRANSFUSION_CHECK_DRIVER(KernelSetAttribute, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                             static_cast<int>(shared_bytes), found.kernel, device_);
    found.shared_bytes = shared_bytes;
  }
  return found;
}

Status CudaDevice::launch(const KernelName& kernel, Grid grid, const void* arguments, size_t shared_bytes) {
  constexpr i64 kMostX = INT32_MAX, kMostYZ = 65535;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return ok();
  if (grid.x > kMostX || grid.y > kMostYZ || grid.z > kMostYZ)
    return fail("%s: a grid of %lld x %lld x %lld blocks is too large", kernel.name,
                static_cast<long long>(grid.x), static_cast<long long>(grid.y),
                static_cast<long long>(grid.z));
  if (health_.ended()) return health_.status();
  try {
    // The driver copies the arguments before it returns.
    size_t bytes = kernel.argument_bytes;
    std::array<void*, 5> extra{CU_LAUNCH_PARAM_BUFFER_POINTER, const_cast<void*>(arguments),
                               CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    const CUkernel loaded = find(kernel, shared_bytes).kernel;
    CUresult result =
        driver().LaunchKernel(reinterpret_cast<CUfunction>(loaded), static_cast<unsigned>(grid.x),
                              static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z), kernel.threads, 1,
                              1, static_cast<unsigned>(shared_bytes), stream_, nullptr, extra.data());
    if (!synchronous_) return judge(result, "cuLaunchKernel");
    if (result == CUDA_SUCCESS) result = driver().StreamSynchronize(stream_);
    return judge(result, "cuLaunchKernel", kernel.name);
  } catch (const DriverError& error) {
    const Status status = judge(error.result, error.what());
    return status.failed && health_.ended() ? status : fail("%s: %s", kernel.name, error.what());
  }
}

Status CudaDevice::copy(void* target, const void* source, size_t bytes) {
  if (bytes == 0) return ok();
  if (health_.ended()) return health_.status();
  return judge(driver().MemcpyDtoDAsync(address_of(target), address_of(source), bytes, stream_),
               "cuMemcpyDtoDAsync");
}

Status CudaDevice::set_zero(void* target, size_t bytes) {
  if (bytes == 0) return ok();
  if (health_.ended()) return health_.status();
  return judge(driver().MemsetD8Async(address_of(target), 0, bytes, stream_), "cuMemsetD8Async");
}

Failures CudaDevice::expect_failures(DescribeFailure describe) {
  current_.failure = failures_.take();
  current_.describe = std::move(describe);
  return {current_.failure.device};
}

Status CudaDevice::give(const char* cause, const std::function<void(CUstream)>& work) {
  if (health_.ended()) return health_.status();
  const auto wait = [&] {
    return judge(driver().StreamSynchronize(stream_), "cuStreamSynchronize", synchronous_ ? cause : nullptr);
  };
  try {
    work(stream_);
  } catch (const std::exception&) {
    // A library that launches several kernels fails itself where one of them has ended the device meanwhile.
    const Status status = wait();
    if (health_.ended()) return status;
    throw;
  }
  return synchronous_ ? wait() : ok();
}

const CublasLt& CudaDevice::cublaslt() const {
  std::call_once(cublaslt_is_sought_, [&] {
    TRANSFUSION_CHECK_DRIVER(CtxSetCurrent, cuda_context_);
    cublaslt_ = std::make_unique<CublasLt>();
  });
  return *cublaslt_;
}

// ---- measuring ----

double CudaDevice::time(const std::function<Status()>& work) {
  EventPool& events = completion_->events(true);
  const CUevent start = events.take(), end = events.take();
  TRANSFUSION_CHECK_DRIVER(EventRecord, start, stream_);
  const Status status = work();
  TRANSFUSION_CHECK_DRIVER(EventRecord, end, stream_);
  TRANSFUSION_CHECK_DRIVER(EventSynchronize, end);
  float milliseconds = 0;
  TRANSFUSION_CHECK_DRIVER(EventElapsedTime, &milliseconds, start, end);
  events.give_back(start);
  events.give_back(end);
  scratch_->reset();
  if (status.failed) throw std::runtime_error(status.message);
  return milliseconds;
}

std::vector<ProductTime> CudaDevice::measure_product(const ProductShape& shape, int samples) {
  enter();
  if (health_.ended()) throw std::runtime_error(health_.status().message);
  return cuda::measure_product(context_, shape, samples);
}

// ---- commands ----

void CudaDevice::start_timing() {
  enter();
  if (health_.ended()) return;
  // An event tells one time: the command's own.
  if (completion_->open() > 0) close(false);
  try {
    EventPool& events = completion_->events(true);
    if (!clock_is_set_) {
      // On a stream of its own, which is idle: nothing that was given is waited for.
      CUstream idle = nullptr;
      TRANSFUSION_CHECK_DRIVER(StreamCreate, &idle, CU_STREAM_NON_BLOCKING);
      const CUevent reference = events.take();
      TRANSFUSION_CHECK_DRIVER(EventRecord, reference, idle);
      TRANSFUSION_CHECK_DRIVER(EventSynchronize, reference);
      completion_->clock().set(reference, Clock::now());
      clock_is_set_ = true;
    }
    const CUevent start = events.take();
    TRANSFUSION_CHECK_DRIVER(EventRecord, start, stream_);
    current_.start = start;
  } catch (const DriverError& error) {
    note(judge(error.result, "cuEventRecord"));
  }
}

void CudaDevice::end(Done done, bool awaited) {
  // Enough to make an event's cost small, few enough to give back staging memory soon.
  constexpr size_t kMostOfAnEvent = 16;
  enter();
  current_.done = std::move(done);
  scratch_->reset();
  const bool timed = current_.start != nullptr;
  completion_->add(std::exchange(current_, {}));
  if (awaited || timed || synchronous_ || completion_->open() == kMostOfAnEvent) close(timed);
}

void CudaDevice::flush() {
  if (completion_->open() > 0) close(false);
}

void CudaDevice::close(bool timed) {
  CUevent end = nullptr;
  if (!health_.ended()) {
    try {
      end = completion_->events(timed).take();
      TRANSFUSION_CHECK_DRIVER(EventRecord, end, stream_);
    } catch (const DriverError& error) {
      // Nothing tells any more when work is done.
      health_.end(error.result);
    }
  }
  completion_->close(end);
}

Status CudaDevice::judge(CUresult result, const char* function, const char* cause) {
  return health_.judge(result, function, cause);
}

void CudaDevice::note(Status status) {
  if (status.failed && !current_.status.failed) current_.status = status;
}

}  // namespace transfusion::cuda
