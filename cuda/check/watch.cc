#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <sstream>
#include <thread>

#include "check/json.h"
#include "check/worker.h"

extern char** environ;

namespace transfusion::check {
namespace {

using Time = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What is known of the cases with one kind of image.
struct ImageRun {
  std::string images, properties = "{}", failure;
  std::vector<std::string> results;
  std::set<std::string> kernels;  // that were called
  size_t held = 0, chosen = 0;
  std::vector<std::string> kernels_without_case;
  bool ended = false;

  bool holds() const {
    return ended && failure.empty() && held == chosen && chosen > 0 && kernels_without_case.empty();
  }
  std::string to_json() const {
    std::vector<std::string> names;
    for (const std::string& name : kernels_without_case) names.push_back(quoted(name));
    return "{\"images\":" + quoted(images) + ",\"holds\":" + (holds() ? "true" : "false") +
           ",\"device\":" + properties + ",\"notRun\":" + std::to_string(chosen - results.size()) +
           (failure.empty() ? "" : ",\"failure\":" + quoted(failure)) + ",\"withoutCase\":[" +
           joined(names, ",") + "],\"cases\":[\n    " + joined(results, ",\n    ") + "]}";
  }
};

// A child whose lines are read.
class Worker {
 public:
  Worker(const std::string& program, const Arguments& arguments) {
    std::vector<std::string> words{program, "--worker", "1"};
    for (const auto& [name, value] : arguments)
      if (name != "worker" && name != "output") words.insert(words.end(), {"--" + name, value});
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const int error = posix_spawn(&process_, program.c_str(), &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    lines_ = ends[0];
    if (error) throw std::runtime_error("cannot start " + program);
  }
  ~Worker() { close(lines_); }

  // False once there are no more, or none came before `deadline`.
  bool next(std::string& line, Time deadline) {
    size_t end;
    while ((end = text_.find('\n')) == std::string::npos) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
      pollfd wanted{lines_, POLLIN, 0};
      if (left <= 0 || poll(&wanted, 1, static_cast<int>(left)) <= 0) return false;
      char buffer[4096];
      const ssize_t got = ::read(lines_, buffer, sizeof buffer);
      if (got <= 0) {
        closed_ = true;
        return false;
      }
      text_.append(buffer, static_cast<size_t>(got));
    }
    line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return true;
  }

  // How it ended, where it did not as it should. Kills it where it still runs; a process that waits for a
  // GPU within the kernel may outlive that.
  std::string end() {
    if (!closed_) kill(process_, SIGKILL);
    int status = 0;
    for (int waited = 0; waitpid(process_, &status, WNOHANG) == 0; ++waited) {
      if (waited == 100) return "cannot be ended";
      std::this_thread::sleep_for(milliseconds(100));
    }
    if (!closed_) return "took longer than --patience";
    if (WIFSIGNALED(status)) return "ended by signal " + std::to_string(WTERMSIG(status));
    return "";
  }

 private:
  pid_t process_ = -1;
  int lines_ = -1;
  std::string text_;
  bool closed_ = false;
};

class Watch {
 public:
  Watch(const std::string& program, const Arguments& arguments)
      : program_(program),
        arguments_(arguments),
        started_(std::time(nullptr)),
        end_(std::chrono::steady_clock::now() + seconds(std::stol(arguments.at("seconds")))),
        patience_(std::stol(arguments.at("patience"))) {}

  bool run(const std::string& images) {
    runs_.push_back({});
    ImageRun& run = runs_.back();
    run.images = images;
    const Cases cases = chosen_cases(arguments_);
    run.chosen = cases.size();
    arguments_["images"] = images;
    write();
    while (run.results.size() < cases.size() && run.failure.empty()) {
      if (std::chrono::steady_clock::now() >= end_) break;
      run_worker(run, cases);
    }
    if (run.results.size() == cases.size() && chose_all(arguments_))
      for (const std::string& name : kernel_names())
        if (!run.kernels.contains(name)) run.kernels_without_case.push_back(name);
    run.ended = true;
    write();
    report(run);
    return run.holds();
  }

 private:
  void run_worker(ImageRun& run, const Cases& cases) {
    arguments_["first"] = std::to_string(run.results.size());
    Worker worker(program_, arguments_);
    std::string line;
    bool in_case = false;
    const size_t before = run.results.size();
    while (worker.next(line, std::min(end_, std::chrono::steady_clock::now() + patience_))) {
      in_case = in_case || line[0] == 'C';
      if (line[0] == 'D') run.properties = line.substr(2);
      if (line[0] == 'E') run.failure = line.substr(2);
      if (line[0] != 'R') continue;
      in_case = false;
      std::istringstream words(line.substr(2));
      bool holds;
      std::string kernels, json;
      words >> holds >> kernels;
      std::getline(words >> std::ws, json);
      add(run, cases[run.results.size()].name, holds, json);
      std::istringstream names(kernels);
      for (std::string name; std::getline(names, name, ',');) run.kernels.insert(name);
    }
    const bool in_time = std::chrono::steady_clock::now() < end_;
    std::string how = worker.end();
    if (how.empty() && (in_case || (run.results.size() == before && run.failure.empty())))
      how = "ended without a result";
    if (how.empty() || !in_time) return;
    if (how == "cannot be ended" || !in_case) {
      run.failure = "the process " + how;
    } else {
      const std::string& name = cases[run.results.size()].name;
      add(run, name, false,
          "{\"name\":" + quoted(name) + ",\"holds\":false,\"failure\":" + quoted(how) + "}");
    }
  }

  void add(ImageRun& run, const std::string& name, bool holds, const std::string& json) {
    run.results.push_back(json);
    run.held += holds;
    if (!holds) std::printf("  %s: %s\n", name.c_str(), json.c_str());
    std::fflush(stdout);
    write();
  }

  void report(const ImageRun& run) const {
    if (!run.failure.empty()) std::printf("  %s\n", run.failure.c_str());
    for (const std::string& name : run.kernels_without_case)
      std::printf("  no case called %s\n", name.c_str());
    if (const size_t left = run.chosen - run.results.size()) std::printf("  %zu cases were not run\n", left);
    const std::string kind = kind_of(run.properties);
    std::printf("%zu of %zu cases hold, from %s\n", run.held, run.chosen,
                kind.empty() ? run.images.c_str() : kind.c_str());
    std::fflush(stdout);
  }

  // The property "kernels": what the driver was given.
  static std::string kind_of(const std::string& properties) {
    constexpr char kKey[] = "\"kernels\":\"";
    const size_t begin = properties.find(kKey);
    if (begin == std::string::npos) return "";
    const size_t first = begin + sizeof kKey - 1;
    return properties.substr(first, properties.find('"', first) - first);
  }

  // The file is whole at every moment.
  void write() const {
    const std::string& path = arguments_.at("output");
    if (path.empty()) return;
    const std::string draft = path + ".draft";
    std::vector<std::string> runs;
    for (const ImageRun& run : runs_) runs.push_back(run.to_json());
    std::FILE* const file = std::fopen(draft.c_str(), "w");
    if (!file) throw std::runtime_error("cannot write " + draft);
    std::fprintf(file, "{\"time\":%lld,\"set\":%s,\"runs\":[\n  %s]}\n", static_cast<long long>(started_),
                 quoted(arguments_.at("set")).c_str(), joined(runs, ",\n  ").c_str());
    std::fclose(file);
    if (std::rename(draft.c_str(), path.c_str()) != 0) throw std::runtime_error("cannot write " + path);
  }

  const std::string program_;
  Arguments arguments_;
  const std::time_t started_;
  const Time end_;
  const seconds patience_;
  std::vector<ImageRun> runs_;
};

}  // namespace

bool watch(const std::string& program, const Arguments& arguments) {
  Watch watch(program, arguments);
  bool all_hold = true;
  std::istringstream kinds(arguments.at("images"));
  for (std::string images; std::getline(kinds, images, ',');) all_hold = watch.run(images) && all_hold;
  return all_hold;
}

}  // namespace transfusion::check
