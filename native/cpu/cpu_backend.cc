#include "cpu/cpu_backend.h"

#include "cpu/cpu.h"
#include "cpu/runtime/processor.h"
#include "host_device.h"

namespace transfusion {
namespace {

class CpuDevice final : public HostDevice {
 public:
  std::vector<DeviceProperty> properties() const override {
    return {{"simd", std::string(cpu::simd_name())},
            {"nativeBf16", cpu::has_native_bf16()},
            {"processors", static_cast<double>(cpu::processor_count())}};
  }
};

KernelTable cpu_kernels() {
  KernelTable table;
#define K(name, arguments) table.name = cpu::name;
  KERNELS(K)
#undef K
  return table;
}

}  // namespace

Backend& cpu_backend() {
  static const KernelTable& table = *new KernelTable(cpu_kernels());
  static Backend& backend = [&]() -> Backend& {
    auto& made = *new Backend(table, std::make_unique<CpuDevice>(), default_memory_limit());
    made.enqueue(cpu::lengthen_time_slice);
    return made;
  }();
  return backend;
}

void set_cpu_threads(int threads) {
  cpu_backend().enqueue([threads] { cpu::set_threads(threads); });
}

}  // namespace transfusion
