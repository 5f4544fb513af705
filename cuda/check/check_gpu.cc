// check_gpu runs kernels on a GPU, once from machine code and once from PTX, which the driver compiles, and
// compares them with float64 references, or times them. It prints what does not hold, and then exits with 1.
//   --set kernels | products | attention | memory | tune    what is run: all cases, or times of some kernels
//   --sizes small | real | huge    small: also for a simulated GPU; huge: tensors beyond 2^31 bytes
//   --only PATTERN                 cases whose names a regular expression finds
//   --images "machine code,PTX"    one after the other
//   --device N, --driver FILE, --library FILE
//   --seconds N                    after which no more is run; --patience N: for one case
//   --output FILE                  what was found, as JSON, written anew after each case
// A process of its own runs the cases (--worker 1, which tools may call): where it crashes or hangs, that is
// the case's result, and another one goes on.
#include <cstdio>
#include <filesystem>

#include "check/worker.h"

int main(int argc, char** argv) {
  using namespace transfusion::check;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  Arguments arguments{
      {"set", "kernels"},
      {"sizes", "real"},
      {"only", ""},
      {"images", "machine code,PTX"},
      {"device", "0"},
      {"driver", ""},
      {"seconds", "100000"},
      {"patience", "120"},
      {"output", ""},
      {"worker", "0"},
      {"first", "0"},
      {"library", std::filesystem::path(program).parent_path() / "libtransfusion_cuda.so"},
  };
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (name.rfind("--", 0) != 0 || i + 1 == argc || !arguments.contains(name.substr(2))) {
      std::printf("check_gpu knows");
      for (const auto& [known, value] : arguments) std::printf(" --%s", known.c_str());
      std::printf(", each with a value: see cuda/check/check_gpu.cc\n");
      return 2;
    }
    arguments[name.substr(2)] = argv[i + 1];
  }
  if (arguments["worker"] == "1") return work(arguments);
  try {
    return watch(program, arguments) ? 0 : 1;
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 2;
  }
}
