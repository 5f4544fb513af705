// check_gpu [--library FILE] [--driver FILE] [--device N] [--only NAME] [--output FILE]
// Runs kernels on a GPU, once from the PTX, which the driver compiles, and once from machine code, and
// compares them with float64 references. Prints what does not hold, and then exits with 1.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <stdexcept>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

using Arguments = std::map<std::string, std::string>;

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return result + "\"";
}

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

const CudaLibrary& load(const Arguments& arguments) {
  void* handle = dlopen(arguments.at("library").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw std::runtime_error(dlerror());
  const auto table = reinterpret_cast<CudaLibraryFunction>(dlsym(handle, kCudaLibrarySymbol));
  if (!table) throw std::runtime_error(arguments.at("library") + " is no CUDA backend");
  const CudaLibrary& library = *table();
  if (library.size != sizeof library || library.hash != kernel_list_hash())
    throw std::runtime_error(arguments.at("library") + " is of another build");
  const std::string problem = library.load_driver(arguments.at("driver"));
  if (!problem.empty()) throw std::runtime_error(problem);
  return library;
}

Result run(Gpu& gpu, const Case& item) {
  Run run(gpu, item.name);
  try {
    item.run(run);
  } catch (const std::exception& error) {
    run.result().failure = error.what();
  }
  const Result& result = run.result();
  if (!result.holds())
    std::printf("  %s: %s\n", result.name.c_str(),
                result.failure.empty()
                    ? ("off by " + number(result.error) + ", allowed " + number(result.allowed)).c_str()
                    : result.failure.c_str());
  std::fflush(stdout);
  return result;
}

std::string to_json(const Result& result) {
  return "{\"name\":" + quoted(result.name) + ",\"holds\":" + (result.holds() ? "true" : "false") +
         ",\"error\":" + number(result.error) + ",\"allowed\":" + number(result.allowed) +
         ",\"milliseconds\":" + number(result.milliseconds) +
         (result.failure.empty() ? "" : ",\"failure\":" + quoted(result.failure)) + "}";
}

std::string to_json(const DeviceProperty& property) {
  const std::string name = quoted(property.name) + ":";
  if (const auto* flag = std::get_if<bool>(&property.value)) return name + (*flag ? "true" : "false");
  if (const auto* value = std::get_if<double>(&property.value)) return name + number(*value);
  return name + quoted(std::get<std::string>(property.value));
}

// With one kind of image, in a process of its own: writes an object of JSON and returns whether all holds.
bool run_all(const Arguments& arguments, const std::string& images, std::FILE* output) {
  setenv("TRANSFUSION_CUDA_IMAGES", images.c_str(), 1);
  const CudaLibrary& library = load(arguments);
  const int ordinal = std::atoi(arguments.at("device").c_str());
  if (const std::string problem = library.refusal(ordinal); !problem.empty())
    throw std::runtime_error(problem);
  Gpu gpu(library, ordinal);
  std::vector<Case> cases;
  for (const auto add : {add_elementwise_cases, add_matmul_cases, add_norm_cases, add_attention_cases,
                         add_loss_cases, add_convolution_cases, add_row_cases, add_optimizer_cases})
    add(cases);
  std::string json, properties, kind;
  int failed = 0, count = 0;
  for (const Case& item : cases) {
    if (item.name.find(arguments.at("only")) == std::string::npos) continue;
    const Result result = run(gpu, item);
    ++count;
    failed += !result.holds();
    json += (json.empty() ? "" : ",\n    ") + to_json(result);
  }
  for (const DeviceProperty& property : gpu.device().properties()) {
    properties += (properties.empty() ? "" : ",") + to_json(property);
    if (std::string(property.name) == "kernels") kind = std::get<std::string>(property.value);
  }
  std::printf("%d of %d kernels hold, from %s\n", count - failed, count, kind.c_str());
  std::fprintf(output, "{\"images\":%s,\"device\":{%s},\"cases\":[\n    %s]}", quoted(images).c_str(),
               properties.c_str(), json.c_str());
  return failed == 0 && count > 0;
}

bool run_in_child(const Arguments& arguments, const std::string& images, std::FILE* output) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    int code = 1;
    try {
      code = run_all(arguments, images, output) ? 0 : 1;
    } catch (const std::exception& error) {
      std::printf("  %s\n", error.what());
      std::fprintf(output, "{\"images\":%s,\"failure\":%s}", quoted(images).c_str(),
                   quoted(error.what()).c_str());
    }
    std::fflush(output);
    std::exit(code);
  }
  int status = 1;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) std::printf("  ended by signal %d\n", WTERMSIG(status));
  return status == 0;
}

std::string folder_of(const std::string& program) {
  const size_t slash = program.rfind('/');
  return slash == std::string::npos ? "." : program.substr(0, slash);
}

}  // namespace
}  // namespace transfusion::check

int main(int argc, char** argv) {
  using namespace transfusion::check;
  Arguments arguments{{"library", folder_of(argv[0]) + "/libtransfusion_cuda.so"},
                      {"driver", ""},
                      {"device", "0"},
                      {"only", ""},
                      {"output", "/dev/null"}};
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (name.rfind("--", 0) != 0 || i + 1 == argc || !arguments.contains(name.substr(2))) {
      std::printf("check_gpu [--library FILE] [--driver FILE] [--device N] [--only NAME] [--output FILE]\n");
      return 2;
    }
    arguments[name.substr(2)] = argv[i + 1];
  }
  std::FILE* const output = std::fopen(arguments["output"].c_str(), "w");
  if (!output) {
    std::printf("cannot write %s\n", arguments["output"].c_str());
    return 2;
  }
  std::fprintf(output, "{\"time\":%lld,\"runs\":[\n  ", static_cast<long long>(std::time(nullptr)));
  std::fflush(output);
  const bool machine_code = run_in_child(arguments, "machine code", output);
  std::fprintf(output, ",\n  ");
  std::fflush(output);
  const bool ptx = run_in_child(arguments, "PTX", output);
  std::fprintf(output, "]}\n");
  std::fclose(output);
  return machine_code && ptx ? 0 : 1;
}
