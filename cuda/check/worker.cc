#include "check/worker.h"

#include <dlfcn.h>

#include <cstdlib>

#include "check/json.h"
#include "interface_hash.h"

namespace transfusion::check {
namespace {

const CudaLibrary& load(const Arguments& arguments) {
  void* handle = dlopen(arguments.at("library").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw std::runtime_error(dlerror());
  const auto table = reinterpret_cast<CudaLibraryFunction>(dlsym(handle, kCudaLibrarySymbol));
  if (!table) throw std::runtime_error(arguments.at("library") + " is no CUDA backend");
  const CudaLibrary& library = *table();
  if (library.size != sizeof library || library.hash != interface_hash())
    throw std::runtime_error(arguments.at("library") + " is of another build");
  const std::string problem = library.load_driver(arguments.at("driver"));
  if (!problem.empty()) throw std::runtime_error(problem);
  return library;
}

Result run(Gpu& gpu, const Case& item, const Settings& settings) {
  Run run(gpu, item.name, settings);
  try {
    item.run(run);
  } catch (const DeviceEnded& error) {
    run.result().failure = error.what();
    run.result().device_ended = true;
  } catch (const std::exception& error) {
    run.result().failure = error.what();
  }
  return run.result();
}

std::string to_json(const Result& result) {
  std::string json = "{\"name\":" + quoted(result.name) +
                     ",\"holds\":" + (result.holds() ? "true" : "false") +
                     ",\"milliseconds\":" + number(result.milliseconds);
  if (result.best_milliseconds > 0)
    json += ",\"best\":" + number(result.best_milliseconds) + ",\"flops\":" + number(result.work.flops) +
            ",\"bytes\":" + number(result.work.bytes);
  if (result.best_milliseconds == 0 || result.allowed > 0)
    json += ",\"error\":" + number(result.error) + ",\"allowed\":" + number(result.allowed);
  std::vector<std::string> ways;
  for (const auto& [way, milliseconds] : result.ways)
    ways.push_back("{\"way\":" + quoted(to_text(way)) + ",\"milliseconds\":" + number(milliseconds) + "}");
  if (!ways.empty()) json += ",\"ways\":[" + joined(ways, ",") + "]";
  return json + (result.failure.empty() ? "" : ",\"failure\":" + quoted(result.failure)) + "}";
}

std::string to_json(const DeviceProperty& property) {
  const std::string name = quoted(property.name) + ":";
  if (const auto* flag = std::get_if<bool>(&property.value)) return name + (*flag ? "true" : "false");
  if (const auto* value = std::get_if<double>(&property.value)) return name + number(*value);
  return name + quoted(std::get<std::string>(property.value));
}

template <class... Parts>
void say(const char* format, const Parts&... parts) {
  std::printf(format, parts...);
  std::fflush(stdout);
}

using AddCases = void (*)(Cases&);
struct CaseSet {
  const char* name;
  std::vector<AddCases> add;
};

const std::vector<CaseSet>& case_sets() {
  static const auto& sets = *new std::vector<CaseSet>{
      {"kernels",
       {add_elementwise_cases, add_layout_cases, add_matmul_cases, add_product_way_cases, add_norm_cases,
        add_attention_cases, add_loss_cases, add_sampling_cases, add_convolution_cases, add_image_cases,
        add_diffusion_cases, add_autoencoder_cases, add_row_cases, add_quantized_cases, add_rope_cases,
        add_optimizer_cases, add_muon_cases, add_failure_cases, add_huge_cases}},
      {"products", {add_product_times}},
      {"attention", {add_attention_times}},
      {"memory", {add_memory_times}},
      {"tune", {add_product_way_times}},
  };
  return sets;
}

}  // namespace

Cases chosen_cases(const Arguments& arguments) {
  Cases all, chosen;
  for (const CaseSet& set : case_sets())
    if (arguments.at("set") == set.name)
      for (const AddCases add : set.add) add(all);
  if (all.empty()) throw std::runtime_error("--set must be kernels, products, attention, memory or tune");
  const std::string sizes = arguments.at("sizes");
  const Size largest = sizes == "small"  ? Size::small
                       : sizes == "real" ? Size::real
                       : sizes == "huge" ? Size::huge
                                         : throw std::runtime_error("--sizes must be small, real or huge");
  const std::regex pattern(arguments.at("only"));
  for (Case& item : all)
    if (item.size <= largest && std::regex_search(item.name, pattern)) chosen.push_back(std::move(item));
  return chosen;
}

bool chose_all(const Arguments& arguments) {
  return arguments.at("set") == "kernels" && arguments.at("only").empty();
}

int work(const Arguments& arguments) {
  try {
    setenv("TRANSFUSION_CUDA_IMAGES", arguments.at("images").c_str(), 1);
    const Cases cases = chosen_cases(arguments);
    const CudaLibrary& library = load(arguments);
    const int ordinal = std::atoi(arguments.at("device").c_str());
    if (const std::string problem = library.refusal(ordinal); !problem.empty())
      throw std::runtime_error(problem);
    Gpu gpu(library, ordinal);
    std::vector<std::string> properties;
    for (const DeviceProperty& property : gpu.device().properties()) properties.push_back(to_json(property));
    say("D {%s}\n", joined(properties, ",").c_str());
    const Settings settings{.quick = arguments.at("sizes") == "small"};
    int code = 0;
    for (size_t i = std::strtoul(arguments.at("first").c_str(), nullptr, 10); i < cases.size(); ++i) {
      say("C %zu\n", i);
      const Result result = run(gpu, cases[i], settings);
      const std::vector<std::string> kernels(result.kernels.begin(), result.kernels.end());
      say("R %d ,%s %s\n", result.holds(), joined(kernels, ",").c_str(), to_json(result).c_str());
      if (!result.holds()) code = 1;
      if (result.device_ended) return 1;
    }
    return code;
  } catch (const std::exception& error) {
    say("E %s\n", error.what());
    return 1;
  }
}

}  // namespace transfusion::check
