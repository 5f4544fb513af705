// Where cuBLASLt is looked for: check_cublaslt_places FOLDER, which is empty.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "host/cublaslt.h"

namespace {

namespace files = std::filesystem;

constexpr const char* kName = "libcublasLt.so.13";

// Files under the folder, in the order in which they are tried; the system's own are left out.
std::vector<std::string> tried(const files::path& folder) {
  std::vector<std::string> result;
  for (const auto& place : transfusion::cuda::cublaslt_places(kName))
    if (place.rfind(folder.string(), 0) == 0) result.push_back(place.substr(folder.string().size() + 1));
  return result;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const files::path folder = files::absolute(arguments[1]);
  const std::vector<std::string> places{
      "toolkit/lib64",
      "venv/lib/python3.11/site-packages/nvidia/cu13/lib",
      "venv/lib/python3.12/site-packages/nvidia/cublas/lib",
      "conda/lib",
      "home/.local/lib/python3.10/site-packages/nvidia/cu13/lib",
  };
  std::vector<std::string> expected;
  for (const auto& place : places) {
    files::create_directories(folder / place);
    std::ofstream(folder / place / kName);
    std::ofstream(folder / place / "libcublas.so.13");
    expected.push_back(place + "/" + kName);
  }
  const auto set = [&](const char* variable, const char* value) {
    setenv(variable, (folder / value).c_str(), 1);
  };
  set("CUDA_HOME", "toolkit");
  set("CUDA_PATH", "nowhere");
  set("VIRTUAL_ENV", "venv");
  set("CONDA_PREFIX", "conda");
  set("HOME", "home");
  const bool is_first = transfusion::cuda::cublaslt_places(kName).front() == kName;
  const bool holds = is_first && tried(folder) == expected;
  if (!holds)
    for (const auto& place : tried(folder)) std::printf("%s\n", place.c_str());
  files::remove_all(folder);
  return holds ? 0 : 1;
}
