// A GPU as a device: its primary context, one stream, memory, and what was given to it and is not done.
#pragma once

#include <mutex>
#include <unordered_map>

#include "host/completion.h"
#include "host/cublaslt.h"
#include "host/host_memory.h"
#include "host/kept.h"
#include "host/launch.h"
#include "host/memory.h"
#include "host/upload_ring.h"

namespace transfusion::cuda {

class CudaDevice final : public Device {
 public:
  // Of the driver's device of this number. Throws a std::runtime_error. Never destroyed: its threads run
  // until the process ends.
  explicit CudaDevice(int ordinal);

  std::string name() const override { return "cuda:" + std::to_string(ordinal_); }
  std::vector<DeviceProperty> properties() const override;
  // 90% of what is free now, less what the driver and its libraries want besides.
  size_t memory_limit() const;

  void* allocate(size_t bytes) override;
  HostBuffer allocate_host(size_t bytes) override;
  HostBuffer allocate_upload(size_t bytes) override;
  void trim() override;
  void set_budget(MemoryBudget& budget) override { work_memory_->set_budget(budget); }

  void free(void* data, size_t bytes) override;
  void free_scratch() override;
  void upload(void* target, const HostBuffer& source) override;
  void read(const HostBuffer& target, const void* source) override;
  Context& context() override;
  std::vector<ProductTime> measure_product(const ProductShape& shape, int samples) override;
  void start_timing() override;
  void end(Done done, bool awaited) override;
  void flush() override;

  // For launch.h, on the stream's thread.
  static CudaDevice& of(const Context& context) { return *static_cast<CudaDevice*>(context.device_stream); }
  const DeviceLimits& limits() const { return limits_; }
  Status launch(const KernelName& kernel, Grid grid, const void* arguments, size_t shared_bytes);
  Status copy(void* target, const void* source, size_t bytes);
  Status set_zero(void* target, size_t bytes);
  Failures expect_failures(DescribeFailure describe);
  // What a library gives to the stream, which throws where it cannot; `cause` names it.
  Status give(const char* cause, const std::function<void(CUstream)>& work);
  // Milliseconds of what `work` gives to the stream, which uses scratch of its own. Waits. Throws a
  // std::runtime_error where it fails.
  double time(const std::function<Status()>& work);
  const CublasLt& cublaslt() const;
  KeptMemory& kept() { return *kept_; }

 private:
  struct LoadedKernel {
    CUkernel kernel = nullptr;
    size_t shared_bytes = 0;  // of dynamic shared memory that it may ask for
  };

  int attribute(CUdevice_attribute attribute) const;
  // Before the stream's thread calls the driver: a context is current for one thread.
  void enter();
  LoadedKernel& find(const KernelName& kernel, size_t shared_bytes);
  // The status of a driver call that was to give work.
  Status judge(CUresult result, const char* function, const char* cause = nullptr);
  // The same where the command has no other way to hear of it.
  void note(Status status);
  // Lets what has ended complete once it is done.
  void close(bool timed);

  const int ordinal_;
  const bool synchronous_;  // TRANSFUSION_CUDA_SYNC=1: each launch is waited for, so that errors name it
  Health health_;
  CUdevice device_ = 0;
  CUcontext cuda_context_ = nullptr;
  CUstream stream_ = nullptr;
  DeviceLimits limits_{};
  std::string model_;
  std::unique_ptr<DeviceMemory> memory_;
  std::unique_ptr<HostMemory> host_memory_;
  FailureSlots failures_;
  std::unique_ptr<Completion> completion_;
  mutable std::once_flag cublaslt_is_sought_;
  mutable std::unique_ptr<CublasLt> cublaslt_;  // looked for when it is first asked for

  // Touched by the stream's thread alone.
  bool entered_ = false;
  bool clock_is_set_ = false;
  std::unique_ptr<UploadRing> uploads_;
  std::unique_ptr<WorkMemory> work_memory_;
  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<KeptMemory> kept_;
  Context context_;
  std::unordered_map<const KernelName*, LoadedKernel> kernels_;
  GivenWork current_;  // of the command that is being launched
};

}  // namespace transfusion::cuda
