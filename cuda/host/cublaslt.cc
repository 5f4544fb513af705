#include "host/cublaslt.h"

#include <dlfcn.h>
#include <glob.h>

#include <algorithm>
#include <cstdlib>

#include "host/driver.h"

namespace transfusion::cuda {
namespace {

using namespace cublaslt;

constexpr const char* kOverride = "TRANSFUSION_CUBLASLT";
constexpr size_t kLeastVersion = 12'00'00, kMostVersion = 14'00'00;

struct Library {
  Functions functions;
  bool is_there = false;
  std::string version, path, problem;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::vector<std::string> files_like(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> files;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
    files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  return files;
}

// What is wrong with it, or nothing.
std::string find_functions(void* file, Library& library) {
#define F(name, result, arguments)                                                               \
  library.functions.name = reinterpret_cast<result(*) arguments>(dlsym(file, "cublasLt" #name)); \
  if (!library.functions.name) return "it lacks cublasLt" #name;
  TRANSFUSION_CUBLASLT_FUNCTIONS(F)
#undef F
  const size_t version = library.functions.GetVersion();
  library.version = std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                    std::to_string(version % 100);
  if (version < kLeastVersion || version >= kMostVersion)
    return "it is version " + library.version + ", 12 or 13 is needed";
  return {};
}

bool load(const std::string& place, Library& library) {
  void* file = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!file) {
    library.problem = dlerror();
    return false;
  }
  Dl_info info{};
  library.path = dladdr(dlsym(file, "cublasLtGetVersion"), &info) && info.dli_fname ? info.dli_fname : place;
  library.problem = find_functions(file, library);
  library.is_there = library.problem.empty();
  if (!library.is_there) library.problem = library.path + ": " + library.problem;
  return library.is_there;
}

Library find() {
  Library library;
  const std::string wanted = environment(kOverride);
  const std::string is_set = std::string(kOverride) + "=" + wanted;
  if (wanted == "none") {
    library.problem = is_set;
  } else if (!wanted.empty()) {
    if (!load(wanted, library)) library.problem = is_set + " cannot be used: " + library.problem;
  } else if (is_driver_replaced()) {
    // That of the system would speak with the system's driver.
    library.problem = std::string("with another driver than the system's, ") + kOverride + " must name it";
  } else {
    // Each needs a driver of its own major version of CUDA, or a newer one.
    std::string names;
    for (int major = std::min(driver().version / 1000, 13); major >= 12; --major) {
      const std::string name = "libcublasLt.so." + std::to_string(major);
      for (const auto& place : cublaslt_places(name))
        if (load(place, library)) return library;
      names += (names.empty() ? "" : " or ") + name;
    }
    library.problem = "there is no " + names + " that can be loaded (" + library.problem + "); " + kOverride +
                      " may name one";
  }
  return library;
}

// Leaked: never unloaded.
const Library& library() {
  static const Library& found = *new Library(find());
  return found;
}

}  // namespace

std::vector<std::string> cublaslt_places(const std::string& name) {
  std::vector<std::string> places{name};
  const auto add = [&](const std::string& folder) {
    for (const auto& file : files_like(folder + "/" + name)) places.push_back(file);
  };
  const auto add_wheels = [&](const std::string& packages) {
    for (const char* wheel : {"cu13", "cublas"}) add(packages + "/nvidia/" + wheel + "/lib");
  };
  for (const char* toolkit : {"CUDA_HOME", "CUDA_PATH"})
    if (const std::string home = environment(toolkit); !home.empty()) add(home + "/lib64");
  add("/usr/local/cuda/lib64");
  for (const char* python : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    const std::string home = environment(python);
    if (home.empty()) continue;
    add(home + "/lib");
    add_wheels(home + "/lib/python3*/site-packages");
  }
  if (const std::string home = environment("HOME"); !home.empty())
    add_wheels(home + "/.local/lib/python3*/site-packages");
  // Of the usual containers.
  for (const char* python : {"/opt/conda/lib/python3*/site-packages", "/usr/local/lib/python3*/site-packages",
                             "/usr/local/lib/python3*/dist-packages"})
    add_wheels(python);
  return places;
}

CublasLt::CublasLt() {
  const Library& found = library();
  version_ = found.version;
  path_ = found.path;
  problem_ = found.problem;
  if (!found.is_there) return;
  functions_ = &found.functions;
  const StatusCode status = functions_->Create(&handle_);
  if (status == kSuccess) return;
  handle_ = nullptr;
  problem_ = path_ + ": cublasLtCreate: " + functions_->GetStatusName(status);
}

}  // namespace transfusion::cuda
