// run_kernel PTX KERNEL SEED GRID_X GRID_Y GRID_Z THREADS SHARED [ARGUMENT ..]
// Runs a kernel of a PTX file on the simulated GPU and prints how many warp instructions it took. An argument
// is a number, or the path of a file, with a slash in it: device memory with its bytes, whose address the
// kernel gets and which is written back at the end. With @ before the path: so many bytes that nobody has
// written.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "machine/run.h"
#include "shadow/global_memory.h"

using namespace simulated;

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Buffer {
  std::string path;
  u64 address;
  size_t bytes;
};

void put(std::vector<std::byte>& parameters, const Variable& parameter, u64 value) {
  std::memcpy(parameters.data() + parameter.offset, &value, parameter.bytes);
}

int run_kernel(char** arguments, int count) {
  const auto number = [&](int i) { return std::strtoull(arguments[i], nullptr, 0); };
  const auto module = parse(read_file(arguments[0]));
  const Function* function = module->find(arguments[1]);
  if (!function) throw std::runtime_error(std::string("no kernel ") + arguments[1]);
  GlobalMemory memory;
  Launch launch;
  launch.function = function;
  launch.grid = {static_cast<u32>(number(3)), static_cast<u32>(number(4)), static_cast<u32>(number(5))};
  launch.block = {static_cast<u32>(number(6)), 1, 1};
  launch.dynamic_shared = number(7);
  launch.parameters.resize(function->parameter_bytes);
  for (const Variable& global : module->globals) {
    const u64 address = memory.allocate(global.bytes, MemoryKind::device);
    std::memset(GlobalMemory::host(address), 0, global.bytes);
    std::memcpy(GlobalMemory::host(address), global.value.data(), global.value.size());
    memory.mark_written(address, global.bytes);
    launch.globals.push_back(address);
  }
  std::vector<Buffer> buffers;
  if (count - 8 != static_cast<int>(function->parameters.size()))
    throw std::runtime_error("the kernel takes " + std::to_string(function->parameters.size()) +
                             " arguments");
  for (int i = 8; i < count; ++i) {
    const Variable& parameter = function->parameters[i - 8];
    const std::string text = arguments[i];
    if (text.find('/') == std::string::npos) {
      put(launch.parameters, parameter, number(i));
      continue;
    }
    const bool written = text[0] != '@';
    const std::string path = text.substr(!written), bytes = read_file(path);
    const u64 address = memory.allocate(bytes.size(), MemoryKind::device);
    if (written) {
      std::memcpy(GlobalMemory::host(address), bytes.data(), bytes.size());
      memory.mark_written(address, bytes.size());
    }
    buffers.push_back({path, address, bytes.size()});
    put(launch.parameters, parameter, address);
  }
  Options options;
  options.equal_writes = true;
  options.seed = static_cast<u32>(number(2));
  const Counters counters = run(launch, memory, options);
  for (const Buffer& buffer : buffers)
    std::ofstream(buffer.path, std::ios::binary)
        .write(reinterpret_cast<const char*>(GlobalMemory::host(buffer.address)),
               static_cast<std::streamsize>(buffer.bytes));
  std::printf("%llu\n", static_cast<unsigned long long>(counters.warp_instructions));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 9) {
    std::fprintf(stderr, "run_kernel PTX KERNEL SEED GRID_X GRID_Y GRID_Z THREADS SHARED [ARGUMENT ..]\n");
    return 2;
  }
  try {
    return run_kernel(arguments + 1, count - 1);
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "%s\n", wrong.what());
    return 1;
  }
}
