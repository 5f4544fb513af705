#include "host/upload_ring.h"

#include <algorithm>
#include <cstring>

namespace transfusion::cuda {

void UploadRing::upload(CUdeviceptr target, const HostBuffer& source, CUstream stream) {
  const char* data = static_cast<const char*>(source.data.get());
  if (!is_for(source.bytes)) {
    TRANSFUSION_CHECK_DRIVER(MemcpyHtoDAsync, target, data, source.bytes, stream);
    return;
  }
  for (size_t at = 0; at < source.bytes; at += kPieceBytes) {
    const Piece& piece = next_free();
    const size_t count = std::min(kPieceBytes, source.bytes - at);
    std::memcpy(piece.data.get(), data + at, count);
    TRANSFUSION_CHECK_DRIVER(MemcpyHtoDAsync, target + at, piece.data.get(), count, stream);
    TRANSFUSION_CHECK_DRIVER(EventRecord, piece.copied, stream);
  }
}

UploadRing::Piece& UploadRing::next_free() {
  Piece& piece = pieces_[next_];
  if (!piece.copied) {
    if (!piece.data) piece.data = memory_.allocate(kPieceBytes);
    if (!piece.data) throw DriverError(CUDA_ERROR_OUT_OF_MEMORY, "cuMemHostAlloc");
    piece.copied = events_.take();
  } else {
    TRANSFUSION_CHECK_DRIVER(EventSynchronize, piece.copied);
  }
  next_ = (next_ + 1) % pieces_.size();
  return piece;
}

}  // namespace transfusion::cuda
