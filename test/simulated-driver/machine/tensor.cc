// Matrix fragments: ldmatrix, movmatrix, mma.sync. Of a fragment of 16 rows lane 4 r + c holds, of row r and
// of row r + 8, elements that begin at column c times the elements of a register.
#include <cmath>
#include <cstring>

#include "machine/count_memory.h"
#include "machine/instruction_set.h"

namespace simulated {

namespace {

float as_float(u32 bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// ---- elements of the factors ----

struct Bf16 {
  static constexpr int kPerRegister = 2;
  static float get(u32 bits, int element) { return as_float(element ? bits & 0xffff0000u : bits << 16); }
};

struct F16 {
  static constexpr int kPerRegister = 2;
  static float get(u32 bits, int element) {
    const u32 half = element ? bits >> 16 : bits & 0xffff;
    // The exponent of a float, 112 more, by a product that also makes subnormal numbers right.
    const float magnitude = as_float((half & 0x7fff) << 13) * 0x1p112f;
    const bool finite = (half & 0x7c00) != 0x7c00;
    const u32 special = 0x7f800000u | (half & 0x3ff) << 13;
    u32 value;
    std::memcpy(&value, &magnitude, sizeof value);
    return as_float((finite ? value : special) | (half & 0x8000) << 16);
  }
};

// The tensor cores see 10 bits of the mantissa.
struct Tf32 {
  static constexpr int kPerRegister = 1;
  static float get(u32 bits, int) { return as_float(bits & 0xffffe000u); }
};

// ---- mma.sync ----

// d [16, 8] = a [16, K] b [K, 8] + c. The order of the sum is not documented: here products, which are exact,
// are added to c one after the other in f32, from the first k to the last.
template <class Element, int K>
void multiply_add(Warp& warp, const Instruction& i, Mask) {
  constexpr int kSpan = 4 * Element::kPerRegister;  // elements of K that one register of each lane covers
  constexpr int kB = K / kSpan, kA = 2 * kB;        // registers of a lane
  const u32 *of_d = i.operand.data(), *of_a = of_d + 4, *of_b = of_a + kA, *of_c = of_b + kB;
  alignas(32) float a[K][16], b[K][8], sums[16][8];
  for (int q = 0; q < kA; ++q) {
    const u32* bits = warp.lanes<u32>(of_a[q]);
    for (int lane = 0; lane < kLanes; ++lane)
      for (int e = 0; e < Element::kPerRegister; ++e)
        a[q / 2 * kSpan + lane % 4 * Element::kPerRegister + e][q % 2 * 8 + lane / 4] =
            Element::get(bits[lane], e);
  }
  for (int q = 0; q < kB; ++q) {
    const u32* bits = warp.lanes<u32>(of_b[q]);
    for (int lane = 0; lane < kLanes; ++lane)
      for (int e = 0; e < Element::kPerRegister; ++e)
        b[q * kSpan + lane % 4 * Element::kPerRegister + e][lane / 4] = Element::get(bits[lane], e);
  }
  for (int q = 0; q < 4; ++q) {
    const float* c = warp.lanes<float>(of_c[q]);
    for (int lane = 0; lane < kLanes; ++lane) sums[q / 2 * 8 + lane / 4][lane % 4 * 2 + q % 2] = c[lane];
  }
  for (int row = 0; row < 16; row += 4) {
    float sum[4][8];
    std::memcpy(sum, sums[row], sizeof sum);
    for (int k = 0; k < K; ++k)
      for (int r = 0; r < 4; ++r)
        for (int column = 0; column < 8; ++column) sum[r][column] += a[k][row + r] * b[k][column];
    std::memcpy(sums[row], sum, sizeof sum);
  }
  for (int q = 0; q < 4; ++q) {
    float* d = warp.lanes<float>(of_d[q]);
    for (int lane = 0; lane < kLanes; ++lane) d[lane] = sums[q / 2 * 8 + lane / 4][lane % 4 * 2 + q % 2];
  }
}

Handler decode_mma(Decoding& d) {
  const Opcode& opcode = d.opcode;
  // mma.sync.aligned.SHAPE.row.col.D.A.B.C
  if (opcode.words.size() != 10 || opcode[4] != "row" || opcode[5] != "col" || opcode[6] != "f32" ||
      opcode[9] != "f32" || opcode[7] != opcode[8])
    return nullptr;
  struct Shape {
    std::string_view name, element;
    Handler handler;
    size_t a, b;
  };
  static constexpr Shape kShapes[] = {
      {"m16n8k16", "bf16", multiply_add<Bf16, 16>, 4, 2}, {"m16n8k8", "bf16", multiply_add<Bf16, 8>, 2, 1},
      {"m16n8k16", "f16", multiply_add<F16, 16>, 4, 2},   {"m16n8k8", "f16", multiply_add<F16, 8>, 2, 1},
      {"m16n8k8", "tf32", multiply_add<Tf32, 8>, 4, 2},   {"m16n8k4", "tf32", multiply_add<Tf32, 4>, 2, 1},
  };
  for (const Shape& shape : kShapes) {
    if (shape.name != opcode[3] || shape.element != opcode[7]) continue;
    const size_t elements[] = {4, shape.a, shape.b, 4};
    size_t next = 0;
    for (size_t operand = 0; operand < 4; ++operand) {
      if (d.elements(operand) != elements[operand]) d.fail("a fragment of the wrong size");
      for (size_t e = 0; e < elements[operand]; ++e)
        d.instruction.operand[next++] = operand ? d.reg(operand, 32, e) : d.target(operand, 32, e);
    }
    return shape.handler;
  }
  return nullptr;
}

// ---- 8 x 8 matrices of 16 bits: lane 4 r + c holds elements 2 c and 2 c + 1 of row r ----

using Matrix = u16[8][8];

void put(const Matrix& matrix, bool transposed, u32* lanes) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const int row = lane / 4, column = lane % 4 * 2;
    const u32 low = transposed ? matrix[column][row] : matrix[row][column];
    const u32 high = transposed ? matrix[column + 1][row] : matrix[row][column + 1];
    lanes[lane] = low | high << 16;
  }
}

// Lane i holds the address of row i % 8 of matrix i / 8. operand: targets, then the register of addresses.
template <bool kTransposed, class AddressBits>
void load_matrices(Warp& warp, const Instruction& i, Mask) {
  const AddressBits* base = warp.lanes<AddressBits>(i.operand[i.count]);
  const int rows = 8 * i.count;
  u64 addresses[kLanes];
  for (int lane = 0; lane < kLanes; ++lane)
    addresses[lane] = static_cast<AddressBits>(base[lane] + i.immediate);
  SharedMemory& shared = warp.block->shared;
  shared.access(warp, i, kAllLanes >> (kLanes - rows), addresses, 16, Access::read);
  if (warp.block->options->count) count_shared(*warp.block, kAllLanes >> (kLanes - rows), addresses, 16);
  alignas(64) u32 results[4][kLanes];
  for (int m = 0; m < i.count; ++m) {
    Matrix matrix;
    for (int row = 0; row < 8; ++row) std::memcpy(matrix[row], shared.data() + addresses[8 * m + row], 16);
    put(matrix, kTransposed, results[m]);
  }
  for (int m = 0; m < i.count; ++m) std::memcpy(warp.lanes<u32>(i.operand[m]), results[m], sizeof results[m]);
}

Handler decode_ldmatrix(Decoding& d) {
  const Opcode& opcode = d.opcode;
  if (opcode[3] != "m8n8" || opcode.last() != "b16" || !(opcode.has("shared") || opcode.has("shared::cta")))
    return nullptr;
  Instruction& i = d.instruction;
  i.klass = InstructionClass::matrix_load;
  i.count = opcode.has("x4") ? 4 : opcode.has("x2") ? 2 : 1;
  i.bytes = 16;
  if (d.elements(0) != i.count) d.fail("as many registers as matrices");
  for (int m = 0; m < i.count; ++m) i.operand[m] = d.target(0, 32, m);
  const Address address = d.address(1);
  i.operand[i.count] = address.base;
  i.immediate = address.offset;
  if (opcode.has("trans")) return address.bits == 64 ? load_matrices<true, u64> : load_matrices<true, u32>;
  return address.bits == 64 ? load_matrices<false, u64> : load_matrices<false, u32>;
}

void transpose_matrix(Warp& warp, const Instruction& i, Mask) {
  Matrix matrix;
  const u32* source = warp.lanes<u32>(i.operand[1]);
  for (int lane = 0; lane < kLanes; ++lane) std::memcpy(&matrix[lane / 4][lane % 4 * 2], source + lane, 4);
  put(matrix, true, warp.lanes<u32>(i.operand[0]));
}

Handler decode_movmatrix(Decoding& d) {
  if (d.opcode.text != "movmatrix.sync.aligned.m8n8.trans.b16") return nullptr;
  d.instruction.operand[0] = d.target(0, 32);
  d.instruction.operand[1] = d.reg(1, 32);
  return transpose_matrix;
}

}  // namespace

Handler decode_matrix(Decoding& d) {
  if (d.opcode[1] != "sync" || d.opcode[2] != "aligned") return nullptr;
  d.instruction.control = Control::whole_warp;
  d.instruction.klass = InstructionClass::matrix;
  if (d.opcode[0] == "mma") return decode_mma(d);
  if (d.opcode[0] == "ldmatrix") return decode_ldmatrix(d);
  if (d.opcode[0] == "movmatrix") return decode_movmatrix(d);
  return nullptr;
}

}  // namespace simulated
