// A kernel call with its arguments bound to blocks, and the rules of failure marks (see kernel_types.h).
#pragma once

#include <exception>
#include <new>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "command.h"
#include "flops.h"

namespace transfusion {

// A tensor argument and the block it lies in; the data pointer is resolved when the command runs.
template <class Kind>
struct Bound {
  Kind view;
  Block* block = nullptr;  // null: absent
  size_t offset = 0;

  Kind resolve() const {
    Kind resolved = view;
    if (block) {
      resolved.data = static_cast<char*>(block->data) + offset;
      resolved.version = block->version;
    }
    return resolved;
  }
};

struct BoundList {
  std::vector<Bound<In>> items;
  std::vector<In> resolved;

  InList resolve() {
    resolved.clear();
    for (const auto& item : items) resolved.push_back(item.resolve());
    return {resolved.data(), static_cast<i64>(resolved.size())};
  }
};

// How an argument of the contract is held while it waits.
template <class T>
struct Stored {
  using type = T;
};
template <class T>
requires std::is_base_of_v<TensorView, T>
struct Stored<T> {
  using type = Bound<T>;
};
template <>
struct Stored<InList> {
  using type = BoundList;
};

template <class T>
T& resolve(T& scalar) {
  return scalar;
}
template <class Kind>
Kind resolve(Bound<Kind>& bound) {
  return bound.resolve();
}
inline InList resolve(BoundList& list) { return list.resolve(); }

template <class Kind>
constexpr bool is_read = std::is_same_v<Kind, In> || std::is_same_v<Kind, InAny> ||
                         std::is_same_v<Kind, InOptional> || std::is_same_v<Kind, InOut>;
template <class Kind>
constexpr bool is_overwritten =
    std::is_same_v<Kind, Out> || std::is_same_v<Kind, OutAny> || std::is_same_v<Kind, OutOptional>;
// Whatever it held before.
template <class Kind>
constexpr bool is_new = is_overwritten<Kind> || std::is_same_v<Kind, Part> || std::is_same_v<Kind, StateOut>;
template <class Kind>
constexpr bool is_marked = is_overwritten<Kind> || std::is_same_v<Kind, Part> || std::is_same_v<Kind, Acc> ||
                           std::is_same_v<Kind, InOut>;

template <class Kind>
constexpr bool is_written = std::is_base_of_v<WritableView<Kind>, Kind>;

// Which of a block's marks: &Block::launch_mark as commands are launched, &Block::mark as they complete.
using MarkField = Mark Block::*;

template <class T>
void find_mark(Mark&, MarkField, const T&) {}
template <class Kind>
void find_mark(Mark& mark, MarkField field, const Bound<Kind>& bound) {
  if constexpr (is_read<Kind>) {
    if (!mark && bound.block) mark = bound.block->*field;
  }
}
inline void find_mark(Mark& mark, MarkField field, const BoundList& list) {
  for (const auto& item : list.items) find_mark(mark, field, item);
}

template <class T>
void set_mark(const Mark&, MarkField, T&) {}
template <class Kind>
void set_mark(const Mark& mark, MarkField field, Bound<Kind>& bound) {
  if constexpr (is_marked<Kind>) {
    // A null mark clears: only a block that was overwritten whole holds values again.
    if (bound.block && (mark || is_overwritten<Kind>)) bound.block->*field = mark;
  }
}

template <class T>
void renew(T&) {}
template <class Kind>
void renew(Bound<Kind>& bound) {
  if constexpr (is_written<Kind>) {
    if (bound.block) bound.block->version = next_version();
  }
}

template <class T>
bool has_work(const T&) {
  return false;
}
template <class Kind>
bool has_work(const Bound<Kind>& bound) {
  return is_written<Kind> && bound.block && bound.view.elements() > 0;
}

template <class T>
void describe(Work&, int, const T&) {}
template <class Kind>
void describe(Work& work, int argument, const Bound<Kind>& bound) {
  if (bound.block) work.add(argument, bound.view, !is_new<Kind>, is_written<Kind>);
}
inline void describe(Work& work, int argument, const BoundList& list) {
  for (const auto& item : list.items) describe(work, argument, item);
}

template <class... Arguments>
class KernelCommand final : public Command {
 public:
  using Kernel = Status (*)(Context&, Arguments...);
  using Held = std::tuple<typename Stored<Arguments>::type...>;
  using CountFlops = Flops (*)(const Arguments&...);

  KernelCommand(const char* name, Kernel kernel, Held held, CountFlops count_flops = nullptr)
      : name_(name), kernel_(kernel), count_flops_(count_flops), held_(std::move(held)) {}

  void launch(Device& device) override {
    find_mark_of_inputs(&Block::launch_mark);
    if (!mark_) {
      Context& context = device.context();
      context.products = products.get();
      const Status status = call(context);
      std::apply([](auto&... held) { (renew(held), ...); }, held_);
      if (status.failed) mark_ = failure(status);
    }
    set_marks(&Block::launch_mark);
  }

  void cancel() override {
    mark_ = cancelled_mark();
    set_marks(&Block::launch_mark);
  }

  void complete(const Status& status) override {
    find_mark_of_inputs(&Block::mark);
    if (!mark_ && status.failed) mark_ = failure(status);
    set_marks(&Block::mark);
  }

  void describe(Work& work, Device* device) override {
    work.name = name_;
    int argument = 0;
    std::apply([&](auto&... held) { (transfusion::describe(work, argument++, held), ...); }, held_);
    if (!device || !count_flops_) return;
    const Flops flops = std::apply([&](auto&... held) { return count_flops_(resolve(held)...); }, held_);
    work.flops = flops.count;
    if (!flops.key_start.present()) return;
    try {
      work.intervals = {copy_to_host(*device, flops.key_start), copy_to_host(*device, flops.key_end)};
    } catch (const std::bad_alloc&) {
      work.flops = 0;
    }
  }

 private:
  Status call(Context& context) {
    // Kernels need not know results without elements: other sizes may then be anything.
    if constexpr ((is_written<Arguments> || ...)) {
      if (!std::apply([](const auto&... held) { return (has_work(held) || ...); }, held_)) return ok();
    }
    try {
      return std::apply([&](auto&... held) { return kernel_(context, resolve(held)...); }, held_);
    } catch (const std::bad_alloc&) {
      return fail("no memory is left for what it needs besides its results");
    } catch (const std::exception& error) {
      return fail("%s", error.what());
    }
  }

  static HostBuffer copy_to_host(Device& device, const In& tensor) {
    const HostBuffer copy = device.allocate_host(tensor.bytes());
    device.read(copy, tensor.data);
    return copy;
  }

  Mark failure(const Status& status) const {
    return std::make_shared<const Failure>(Failure{std::string(name_) + ": " + status.message});
  }

  void find_mark_of_inputs(MarkField field) {
    std::apply([&](auto&... held) { (find_mark(mark_, field, held), ...); }, held_);
  }

  void set_marks(MarkField field) {
    std::apply([&](auto&... held) { (set_mark(mark_, field, held), ...); }, held_);
  }

  const char* name_;
  Kernel kernel_;
  CountFlops count_flops_;
  Held held_;
  Mark mark_;  // why its outputs hold no values, once that is known
};

}  // namespace transfusion
