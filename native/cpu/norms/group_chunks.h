// Images [N, P, C] cut into chunks of positions, for group_norm.cc: what is summed over an image is summed
// over each chunk and joined in their order. Include it after hwy/foreach_target.h.
#if defined(TRANSFUSION_GROUP_CHUNKS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_GROUP_CHUNKS_H
#undef TRANSFUSION_GROUP_CHUNKS_H
#else
#define TRANSFUSION_GROUP_CHUNKS_H
#endif

#include <type_traits>

#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

struct GroupChunks {
  i64 N, P, C, G;
  i64 channels, positions, chunks;  // channels of a group, positions of a chunk, chunks of an image

  GroupChunks(const TensorView& x, const TensorView& mean)
      : N(x.dim(0)),
        P(N ? x.rows() / N : 0),
        C(x.dim(-1)),
        G(mean.dim(1)),
        channels(C / G),
        // Few enough for sums in f32, and for a chunk to stay in the cache.
        positions(std::min<i64>(256, row_grain(C))),
        chunks(ceil_div(P, positions)) {}

  // For each image, on any thread: reduce(chunk of all, image, first element, number of positions) for its
  // chunks, then finalize(image), then apply with reduce's arguments. Many images are one thread's each: an
  // image may then still be in the cache when it is read again.
  template <class Reduce, class Finalize, class Apply>
  void run(const Reduce& reduce, const Finalize& finalize, const Apply& apply) const {
    if (N >= kManyImages) {
      parallel_for(N, 1, [&](i64 image, i64) {
        for_chunks(image * chunks, (image + 1) * chunks, reduce);
        finalize(image);
        for_chunks(image * chunks, (image + 1) * chunks, apply);
      });
      return;
    }
    parallel_for(N * chunks, 1, [&](i64 begin, i64 end) { for_chunks(begin, end, reduce); });
    parallel_for(N, 1, [&](i64 image, i64) { finalize(image); });
    parallel_for(N * chunks, 1, [&](i64 begin, i64 end) { for_chunks(begin, end, apply); });
  }

 private:
  static constexpr i64 kManyImages = 32;

  template <class Body>
  void for_chunks(i64 begin, i64 end, const Body& body) const {
    for (i64 chunk = begin; chunk < end; ++chunk) {
      const i64 image = chunk / chunks, first = chunk % chunks * positions;
      body(chunk, image, (image * P + first) * C, std::min(positions, P - first));
    }
  }
};

// Calls body(c, io, place, rows) for each vector of channels of `positions` positions from element `first`
// on. It takes `rows` positions at once, 4 or 1, known at compile time, so that per-channel values are loaded
// once for four; `place` is where the vector of the first of them lies.
template <class Body>
HWY_INLINE void ForEachVector(i64 first, i64 positions, i64 C, const Body& body) {
  i64 p = 0;
  for (; p + 4 <= positions; p += 4)
    for_each(C, [&](i64 c, auto io)
                    HWY_ATTR { body(c, io, first + p * C + c, std::integral_constant<int, 4>()); });
  for (; p < positions; ++p)
    for_each(C, [&](i64 c, auto io)
                    HWY_ATTR { body(c, io, first + p * C + c, std::integral_constant<int, 1>()); });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
