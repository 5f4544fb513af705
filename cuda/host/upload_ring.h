// Uploads: from pinned memory where they are small, else from any, through pinned pieces that take turns, so
// that no more than these are pinned however large an upload is.
#pragma once

#include <array>

#include "host/events.h"
#include "host/host_memory.h"

namespace transfusion::cuda {

// Touched by the stream's thread alone.
class UploadRing {
 public:
  // Whether uploads of this size go through the pieces.
  static bool is_for(size_t bytes) { return bytes > 2 * kPieceBytes; }

  UploadRing(HostMemory& memory, EventPool& events) : memory_(memory), events_(events) {}

  // Waits while copies from all pieces are under way. Throws a DriverError.
  void upload(CUdeviceptr target, const HostBuffer& source, CUstream stream);

 private:
  static constexpr size_t kPieceBytes = size_t{8} << 20;

  struct Piece {
    std::shared_ptr<void> data;  // null until it is used
    CUevent copied = nullptr;
  };

  Piece& next_free();

  HostMemory& memory_;
  EventPool& events_;
  std::array<Piece, 4> pieces_;
  size_t next_ = 0;
};

}  // namespace transfusion::cuda
