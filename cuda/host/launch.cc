#include "host/launch.h"

#include <utility>

#include "host/cuda_device.h"
#include "shared/index_check.h"

namespace transfusion::cuda {

const DeviceLimits& limits(const Context& context) { return CudaDevice::of(context).limits(); }

Status launch(Context& context, const KernelName& kernel, Grid grid, const void* arguments,
              size_t shared_bytes) {
  return CudaDevice::of(context).launch(kernel, grid, arguments, shared_bytes);
}

Status copy(Context& context, void* target, const void* source, size_t bytes) {
  return CudaDevice::of(context).copy(target, source, bytes);
}

Status set_zero(Context& context, void* target, size_t bytes) {
  return CudaDevice::of(context).set_zero(target, bytes);
}

Status keep(Context& context, std::string key, size_t bytes, void*& data,
            const std::function<Status(void*)>& make) {
  if (!key.empty()) return CudaDevice::of(context).kept().get(std::move(key), bytes, data, make);
  data = context.scratch<char>(static_cast<i64>(bytes));
  return make(data);
}

Failures expect_failures(Context& context, DescribeFailure describe) {
  return CudaDevice::of(context).expect_failures(std::move(describe));
}

Failures expect_indices(Context& context, const char* argument, i64 count) {
  return expect_failures(context, [argument, count](const FailureRecord& record) {
    return fail_index(argument, record.index(), record.value(), count);
  });
}

}  // namespace transfusion::cuda
