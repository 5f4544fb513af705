// The devices of this process, by number: 0 is the CPU, then the GPUs, once CUDA was opened. All functions
// may be called on any thread; what they give is shared by all environments and never destroyed.
#pragma once

#include <string>
#include <vector>

#include "backend.h"

namespace transfusion {

struct DeviceEntry {
  std::string name;
  std::string refusal;  // why it cannot be used, or nothing
};

// Each has its place as its number. The list grows; its numbers stay.
std::vector<DeviceEntry> devices();

// Loads the CUDA backend's library from `path` and the driver from `driver` or, where that is empty, the
// system's. `version`: of the package. Why neither can be used, or nothing; a later call does nothing where
// one has succeeded.
std::string open_cuda(const std::string& path, const std::string& version, const std::string& driver);

// Makes the backend of a device, unless it is there. Throws std::runtime_error, std::out_of_range where there
// is no such device.
Backend& open_device(size_t number);

// The backend of a device that was opened, or null.
Backend* find_device(size_t number);

// Leaves the streams of all of them: see Stream::leave.
void leave_devices(Owner& owner);
// Has all devices end: see Stream::end.
void end_devices();

}  // namespace transfusion
