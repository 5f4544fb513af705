// The CUDA backend under several threads, for sanitizers: check_backend LIBRARY DRIVER. Each thread is an
// environment with its own memory; others profile, trim and ask. Values, failures that the device finds,
// leaving.
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "../native/host.h"
#include "cuda_library.h"

using namespace transfusion;

namespace {

const CudaLibrary& load(const char* path, const char* driver) {
  void* file = dlopen(path, RTLD_NOW);
  if (!file) throw std::runtime_error(dlerror());
  const CudaLibrary& library = *reinterpret_cast<CudaLibraryFunction>(dlsym(file, kCudaLibrarySymbol))();
  const std::string problem = library.load_driver(driver);
  if (!problem.empty()) throw std::runtime_error(problem);
  return library;
}

struct GpuHost : Host {
  using Host::Host;
  void fill(Block* y, f32 value, i64 n) { call("fill", backend.kernels.fill, tensor<Out>(y, n), value); }
  void add(Block* y, Block* a, Block* b, i64 n) {
    call("add", backend.kernels.add, tensor<Out>(y, n), tensor<In>(a, n), tensor<In>(b, n));
  }
  // Rows of one element.
  void gather(Block* y, Block* x, Block* rows, i64 n) {
    const auto column = [&](auto bound) {
      bound.view.rank = 2;
      bound.view.shape[1] = 1;
      return bound;
    };
    Bound<In> indices = tensor<In>(rows, n);
    indices.view.dtype = DType::i32;
    call("gather_rows", backend.kernels.gather_rows, column(tensor<Out>(y, n)), column(tensor<In>(x, n)),
         indices);
  }
};

// One round: memory that is taken and given back while the device works.
void check_round(GpuHost& host, int round) {
  const i64 n = 1 + 37 * (round % 11);
  const auto size = static_cast<size_t>(n);
  Block *x = host.take(n), *y = host.take(n), *rows = host.take(n);
  const f32 value = static_cast<f32>(round);
  host.write(x, std::vector<f32>(size, value));
  host.fill(y, 1, n);
  host.add(y, x, y, n);
  const auto sum = host.read(y, n);
  const bool is_bad = round % 3 == 0;
  host.write(rows, std::vector<i32>(size, is_bad ? static_cast<i32>(n) : 0));
  host.gather(y, x, rows, n);
  const auto gathered = host.read(y, n);
  for (Block* block : {x, y, rows}) host.backend.give_back(block);
  if (round % 7 == 0) host.backend.trim();
  Host::expect(sum, std::vector<f32>(size, value + 1), "values of a sum");
  if (is_bad)
    Host::expect_failure(gathered,
                         "gather_rows: rows[0] must be -1 or in 0.." + std::to_string(n - 1) + ", received " +
                             std::to_string(n),
                         "a failure that the device finds");
  else
    Host::expect(gathered, std::vector<f32>(size, value), "values of rows");
}

void check_threads(Backend& backend) {
  std::atomic<bool> done = false;
  std::thread observer([&] {
    while (!done) {
      const auto recording = backend.stream().record(100);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      backend.stream().stop(*recording);
      backend.trim();
      backend.pool().stats();
    }
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      GpuHost host(backend);
      for (int round = 0; round < 40; ++round) check_round(host, 40 * i + round);
      // Work that is pending as it leaves.
      Block* x = host.take();
      for (int call = 0; call < 20; ++call) {
        host.fill(x, 1, 4);
        host.read(x);
      }
      backend.stream().leave(*host.owner);
      backend.give_back(x);
    });
  for (auto& thread : threads) thread.join();
  done = true;
  observer.join();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) throw std::runtime_error("check_backend LIBRARY DRIVER");
  const CudaLibrary& library = load(arguments[1], arguments[2]);
  size_t limit = 0;
  auto device = library.open_device(0, limit);
  check_threads(*new Backend(*library.kernels, std::move(device), limit));
  // The threads of the backend sleep for ever.
  std::fflush(stdout);
  std::_Exit(failures == 0 ? 0 : 1);
}
