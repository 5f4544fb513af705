// mma.sync, ldmatrix and movmatrix against loops over the layouts that the PTX manual gives for each element.
#include <cmath>
#include <limits>
#include <random>

#include "checks/check.h"
#include "checks/one_warp.h"

using namespace simulated;

namespace {

std::mt19937 random_bits(5);
Checks checks;

float as_float(u32 bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
u32 as_bits(float value) {
  u32 bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// ---- elements ----

struct Type {
  const char* name;
  int bits;  // of an element in a register
  double (*value)(u32 bits);
};

double value_of_bf16(u32 bits) { return as_float(bits << 16); }
double value_of_f16(u32 bits) {
  const int sign = bits >> 15 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 31) return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}
double value_of_tf32(u32 bits) { return as_float(bits >> 13 << 13); }

constexpr Type kBf16 = {"bf16", 16, value_of_bf16}, kF16 = {"f16", 16, value_of_f16},
               kTf32 = {"tf32", 32, value_of_tf32};

// ---- mma.sync ----

// Where element i of a lane's fragment lies: of a {row, k}, of b {k, column}, of c and d {row, column}.
struct Place {
  int first, second;
};
struct Shape {
  const char* name;
  int k;
  const Type* type;
  int of_a, of_b;  // elements of a lane
  Place (*place_in_a)(int lane, int i);
  Place (*place_in_b)(int lane, int i);
};

const Shape kShapes[] = {
    {"m16n8k16", 16, &kBf16, 8, 4,
     [](int lane, int i) {
       return Place{i < 2 || (i >= 4 && i < 6) ? lane >> 2 : (lane >> 2) + 8,
                    lane % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
     },
     [](int lane, int i) {
       return Place{lane % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), lane >> 2};
     }},
    {"m16n8k8", 8, &kBf16, 4, 2,
     [](int lane, int i) {
       return Place{(lane >> 2) + (i >= 2 ? 8 : 0), lane % 4 * 2 + (i & 1)};
     },
     [](int lane, int i) {
       return Place{lane % 4 * 2 + i, lane >> 2};
     }},
    {"m16n8k8", 8, &kTf32, 4, 2,
     [](int lane, int i) {
       return Place{(lane >> 2) + (i == 1 || i == 3 ? 8 : 0), lane % 4 + (i >= 2 ? 4 : 0)};
     },
     [](int lane, int i) {
       return Place{lane % 4 + (i == 1 ? 4 : 0), lane >> 2};
     }},
    {"m16n8k4", 4, &kTf32, 2, 1,
     [](int lane, int i) {
       return Place{(lane >> 2) + (i == 1 ? 8 : 0), lane % 4};
     },
     [](int lane, int) {
       return Place{lane % 4, lane >> 2};
     }},
};

Place place_in_c(int lane, int i) { return {(lane >> 2) + (i >= 2 ? 8 : 0), lane % 4 * 2 + (i & 1)}; }

std::string registers(int first, int count) {
  std::string list = "{";
  for (int i = 0; i < count; ++i) list += (i ? ", %r" : "%r") + std::to_string(first + i);
  return list + "}";
}

u32 element(const Words& words, int first, int lane, int i, int bits) {
  const u32 word = words[(first + i * bits / 32) * kLanes + lane];
  return bits == 32 ? word : i % 2 ? word >> 16 : word & 0xffff;
}

void check_mma(const Shape& shape, const Type& type, u32 (*random_element)(const Type&)) {
  const int per_register = 32 / type.bits, of_a = shape.of_a / per_register,
            of_b = std::max(shape.of_b / per_register, 1);
  Words inputs((of_a + of_b + 4) * kLanes);
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = random_element(type);
    if (type.bits == 16) inputs[i] = (inputs[i] & 0xffff) | random_element(type) << 16;
    if (i >= static_cast<size_t>((of_a + of_b) * kLanes))
      inputs[i] = as_bits(static_cast<int>(random_bits() % 33) - 16.f);
  }
  const std::string name = std::string(shape.name) + ".row.col.f32." + type.name + "." + type.name + ".f32";
  const Words found =
      run_warp("mma.sync.aligned." + name + " " + registers(40, 4) + ", " + registers(1, of_a) + ", " +
                   registers(1 + of_a, of_b) + ", " + registers(1 + of_a + of_b, 4) + ";",
               inputs, 4);
  double a[16][16] = {}, b[16][8] = {}, sums[16][8] = {}, magnitude[16][8] = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < shape.of_a; ++i) {
      const Place place = shape.place_in_a(lane, i);
      a[place.first][place.second] = type.value(element(inputs, 0, lane, i, type.bits));
    }
    for (int i = 0; i < shape.of_b; ++i) {
      const Place place = shape.place_in_b(lane, i);
      b[place.first][place.second] = type.value(element(inputs, of_a, lane, i, type.bits));
    }
  }
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i) {
      const Place place = place_in_c(lane, i);
      double& sum = sums[place.first][place.second];
      double& size = magnitude[place.first][place.second];
      sum = as_float(inputs[(of_a + of_b + i) * kLanes + lane]);
      for (int k = 0; k < shape.k; ++k) {
        sum += a[place.first][k] * b[k][place.second];
        size += std::abs(a[place.first][k] * b[k][place.second]);
      }
    }
  int wrong = 0;
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i) {
      const Place place = place_in_c(lane, i);
      const double expected = sums[place.first][place.second], value = as_float(found[i * kLanes + lane]);
      const bool same = std::isfinite(expected)
                            ? std::abs(value - expected) <= 2e-6 * (magnitude[place.first][place.second] + 16)
                        : std::isnan(expected) ? std::isnan(value)
                                               : value == expected;
      wrong += !same;
    }
  checks.check(wrong == 0, name + ": " + std::to_string(wrong) + " elements are wrong");
}

void check_mma() {
  // Whole numbers from -8 to 8, whose sums are exact.
  const auto small = [](const Type& type) -> u32 {
    const float value = static_cast<float>(static_cast<int>(random_bits() % 17) - 8);
    const u32 bits = as_bits(value);
    if (type.value == value_of_bf16) return bits >> 16;
    if (type.value == value_of_tf32) return bits;
    const u32 exponent = (bits >> 23 & 255) - 112;
    return value == 0 ? 0 : (bits >> 16 & 0x8000) | exponent << 10 | (bits >> 13 & 0x3ff);
  };
  // Any mantissa, exponents around that of 1.
  const auto any = [](const Type& type) -> u32 {
    if (type.value == value_of_f16) return (random_bits() & 0x83ff) | (13 + random_bits() % 4) << 10;
    const u32 bits = (random_bits() & 0x807fffff) | (125 + random_bits() % 4) << 23;
    return type.bits == 16 ? bits >> 16 : bits;
  };
  // Few of which are infinite or subnormal.
  const auto special = [](const Type& type) -> u32 {
    const bool infinite = random_bits() % 200 == 0, tiny = random_bits() % 4 == 0;
    if (type.value == value_of_f16) return infinite ? 0x7c00 : tiny ? random_bits() & 0x83ff : 0x3c00;
    const u32 bits = infinite ? 0xff800000 : tiny ? random_bits() & 0x807f0000 : 0xbf800000;
    return type.bits == 16 ? bits >> 16 : bits;
  };
  for (const Shape& shape : kShapes)
    for (int round = 0; round < 4; ++round)
      for (const Type* type : {shape.type, &kF16}) {
        if (type->bits != shape.type->bits) continue;
        check_mma(shape, *type, small);
        check_mma(shape, *type, any);
        check_mma(shape, *type, special);
      }
}

// ---- 8 x 8 matrices ----

// 32 rows of 16 bytes, which lie in shared memory in their order; lane i names row `order[i]`.
void check_ldmatrix(int count, bool transposed, const char* space) {
  Words inputs(5 * kLanes);
  for (u32& word : inputs) word = random_bits();
  std::vector<u32> order(kLanes);
  for (int i = 0; i < kLanes; ++i) order[i] = inputs[4 * kLanes + i] = (i * 13 + 5) % kLanes;
  const std::string opcode = "ldmatrix.sync.aligned.m8n8.x" + std::to_string(count) +
                             (transposed ? ".trans" : "") + "." + space + ".b16";
  const Words found = run_warp(R"(
mov.u32 %r20, memory;
mad.lo.s32 %r21, %r0, 16, %r20;
st.shared.v4.b32 [%r21], {%r1, %r2, %r3, %r4};
bar.sync 0;
mad.lo.s32 %r22, %r5, 16, %r20;
add.s32 %r22, %r22, -32;
)" + opcode + " " + registers(40, count) +
                                   ", [%r22+32];",
                               inputs, count);
  const auto of_row = [&](int row, int column) {
    const u32 word = inputs[column / 2 * kLanes + row];
    return column % 2 ? word >> 16 : word & 0xffff;
  };
  int wrong = 0;
  for (int matrix = 0; matrix < count; ++matrix)
    for (int lane = 0; lane < kLanes; ++lane)
      for (int i = 0; i < 2; ++i) {
        const int row = transposed ? lane % 4 * 2 + i : lane / 4,
                  column = transposed ? lane / 4 : lane % 4 * 2 + i;
        wrong += element(found, matrix, lane, i, 16) != of_row(order[matrix * 8 + row], column);
      }
  checks.check(wrong == 0, opcode + ": " + std::to_string(wrong) + " elements are wrong");
}

void check_movmatrix() {
  Words inputs(kLanes);
  for (u32& word : inputs) word = random_bits();
  const Words found = run_warp("movmatrix.sync.aligned.m8n8.trans.b16 %r40, %r1;", inputs, 1);
  int wrong = 0;
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 8; ++column)
      wrong += element(found, 0, row * 4 + column / 2, column % 2, 16) !=
               element(inputs, 0, column * 4 + row / 2, row % 2, 16);
  checks.check(wrong == 0, "movmatrix: " + std::to_string(wrong) + " elements are wrong");
}

}  // namespace

int main() {
  check_mma();
  for (int count : {1, 2, 4})
    for (bool transposed : {false, true})
      for (const char* space : {"shared", "shared::cta"}) check_ldmatrix(count, transposed, space);
  check_movmatrix();
  return checks.finish();
}
