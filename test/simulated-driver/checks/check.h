// What check programs share: they print what does not hold, and then exit with 1.
#pragma once

#include <cstdio>
#include <string>

#include "machine/fault.h"

namespace simulated {

class Checks {
 public:
  void check(bool holds, const std::string& what) {
    ++count_;
    if (holds) return;
    ++failures_;
    std::printf("%s\n", what.c_str());
  }

  // Whether `body` throws a fault of this kind, whose message has each of `parts`.
  template <class Body>
  void faults(const std::string& what, FaultKind kind, std::initializer_list<const char*> parts, Body body) {
    try {
      body();
    } catch (const Fault& fault) {
      const std::string message = fault.what();
      check(fault.kind == kind, what + ": expected \"" + name(kind) + "\", not \"" + message + "\"");
      for (const char* part : parts)
        check(message.find(part) != std::string::npos, what + ": no \"" + part + "\" in \"" + message + "\"");
      return;
    }
    check(false, what + ": expected \"" + std::string(name(kind)) + "\"");
  }
  template <class Body>
  void runs(const std::string& what, Body body) {
    try {
      body();
      check(true, what);
    } catch (const std::exception& wrong) {
      check(false, what + ": " + wrong.what());
    }
  }

  int finish() const {
    if (failures_) std::printf("%d of %d do not hold\n", failures_, count_);
    return failures_ != 0;
  }

 private:
  int count_ = 0, failures_ = 0;
};

}  // namespace simulated
