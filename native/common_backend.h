// A kernel call goes to the backend of its tensors, which is one for all of them.
#pragma once

#include <stdexcept>
#include <string>
#include <tuple>

#include "backend.h"
#include "kernel_command.h"
#include "kernel_signature.h"

namespace transfusion {

struct MixedDevices : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// Meets a call's arguments in their order.
class CommonBackend {
 public:
  explicit CommonBackend(const KernelSignature& signature) : signature_(signature) {}

  template <class T>
  void meet(const T&) {
    ++argument_;
  }
  template <class Kind>
  void meet(const Bound<Kind>& bound) {
    if (bound.block) meet(*bound.block->backend);
    ++argument_;
  }
  void meet(const BoundList& list) {
    for (const auto& item : list.items) meet(*item.block->backend);
    ++argument_;
  }

  Backend& found() const { return *found_; }

 private:
  void meet(Backend& backend) {
    if (!found_) {
      found_ = &backend;
      first_ = argument_;
    }
    if (found_ == &backend) return;
    throw MixedDevices(std::string(signature_.name) + ": " + signature_.argument(argument_) +
                       " must lie on " + found_->device().name() + ", as " + signature_.argument(first_) +
                       " does, received a tensor on " + backend.device().name());
  }

  const KernelSignature& signature_;
  int argument_ = 0;
  Backend* found_ = nullptr;
  int first_ = 0;
};

// The backend of a call's tensors, of which there is at least one. Throws MixedDevices.
template <class... Held>
Backend& common_backend(const KernelSignature& signature, const std::tuple<Held...>& held) {
  CommonBackend common(signature);
  std::apply([&](const auto&... arguments) { (common.meet(arguments), ...); }, held);
  return common.found();
}

}  // namespace transfusion
