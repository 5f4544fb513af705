// Copies between the host and tensors, in stream order.
#pragma once

#include <new>

#include "kernel_command.h"

namespace transfusion {

// Overwrites a tensor with what `source`, made by its device, holds.
class Upload final : public Command {
 public:
  Upload(Bound<Out> target, HostBuffer source) : target_(target), source_(std::move(source)) {}

  void launch(Device& device) override {
    device.upload(target_.resolve().data, source_);
    target_.block->version = next_version();
    target_.block->launch_mark = nullptr;
  }
  void cancel() override { target_.block->launch_mark = mark_ = cancelled_mark(); }
  void complete(const Status& status) override {
    if (status.failed)
      mark_ = std::make_shared<const Failure>(Failure{std::string("write: ") + status.message});
    target_.block->mark = mark_;
  }
  void describe(Work& work, Device*) override {
    work.name = "(upload)";
    work.add(0, target_.view, false, true);
  }

 private:
  Bound<Out> target_;
  HostBuffer source_;
  Mark mark_;
};

// Copies a tensor to the host, or of a fence nothing, and hands it over.
class Read : public Command {
 public:
  // Without `source`: a fence.
  explicit Read(Bound<In> source = {}) : source_(source) {}

  void launch(Device& device) override {
    if (!source_.block || (failure_ = source_.block->launch_mark)) return;
    try {
      bytes_ = device.allocate_host(source_.view.bytes());
      device.read(bytes_, source_.resolve().data);
    } catch (const std::bad_alloc&) {
      failure_ = std::make_shared<const Failure>(Failure{"read: no memory for a copy of the tensor"});
    }
  }
  void cancel() override { failure_ = cancelled_mark(); }
  void complete(const Status& status) override {
    if (!failure_ && source_.block) failure_ = source_.block->mark;
    if (!failure_ && status.failed)
      failure_ = std::make_shared<const Failure>(Failure{std::string("read: ") + status.message});
    receive(std::move(bytes_), std::move(failure_));
  }
  bool is_awaited() const override { return true; }
  void describe(Work& work, Device*) override {
    // A fence may be answered before it is counted: with it no two profiles would be alike.
    if (!source_.block) return;
    work.name = "(read)";
    work.add(0, source_.view, true, false);
  }

 protected:
  // Called once, as the command completes. `failure`: why there are no values.
  virtual void receive(HostBuffer bytes, Mark failure) = 0;

 private:
  Bound<In> source_;
  HostBuffer bytes_;
  Mark failure_;
};

}  // namespace transfusion
