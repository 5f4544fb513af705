// Every scalar instruction against a table of small cases, for the odd lanes of a warp; the even ones keep
// what they have.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "checks/check.h"
#include "checks/scalar_cases.h"
#include "machine/warp.h"

using namespace simulated;

namespace {

// "r=12": the register's kind (h 16, r 32, d 64 bits, f and e floats of 32 and 64, p a predicate), its value.
struct Value {
  char kind;
  u64 bits;

  explicit Value(const std::string& text) : kind(text[0]) {
    const char* digits = text.c_str() + 2;
    if (kind == 'f') {
      bits = std::bit_cast<u32>(std::strtof(digits, nullptr));
    } else if (kind == 'e') {
      bits = std::bit_cast<u64>(std::strtod(digits, nullptr));
    } else {
      bits = digits[0] == '-' ? static_cast<u64>(std::strtoll(digits, nullptr, 0))
                              : std::strtoull(digits, nullptr, 0);
    }
    if (width() < 64) bits &= (u64{1} << width()) - 1;
  }
  u32 width() const { return kind == 'h' ? 16 : kind == 'p' ? 1 : kind == 'd' || kind == 'e' ? 64 : 32; }
  std::string type() const { return width() == 1 ? "pred" : "b" + std::to_string(width()); }
};

constexpr u64 kKept = 0x1234'5678'9abc'5a5a;

u64 kept(const Value& value) {
  return value.width() == 64 ? kKept : value.width() == 1 ? 0 : kKept & ((u64{1} << value.width()) - 1);
}

std::string number(u64 bits) { return std::to_string(static_cast<i64>(bits)); }

// Where lane i keeps its result: 8 bytes each.
std::string ptx_of(const ScalarCase& row, size_t index) {
  const Value result(row.result);
  std::string text = "{\n.reg ." + result.type() + " %target;\n";
  std::string call = std::string("@%odd ") + row.opcode + " %target";
  for (size_t k = 0; k < row.operands.size(); ++k) {
    const std::string name = "%operand" + std::to_string(k);
    if (row.operands[k][0] == '#') {  // a constant, as it stands
      call += std::string(", ") + (row.operands[k] + 1);
      continue;
    }
    const Value value(row.operands[k]);
    text += ".reg ." + value.type() + " " + name + ";\n";
    text += value.width() == 1 ? "setp.ne.s32 " + name + ", " + number(value.bits) + ", 0;\n"
                               : "mov." + value.type() + " " + name + ", " + number(value.bits) + ";\n";
    call += ", " + name;
  }
  text += result.width() == 1 ? std::string("setp.ne.s32 %target, 0, 0;\n")
                              : "mov." + result.type() + " %target, " + number(kept(result)) + ";\n";
  text += call + ";\n";
  const std::string place = "[%out+" + std::to_string(index * kLanes * 8) + "]";
  if (result.width() == 1)
    text += "selp.b32 %bit, 1, 0, %target;\nst.global.b32 " + place + ", %bit;\n";
  else
    text += "st.global." + result.type() + " " + place + ", %target;\n";
  return text + "}\n";
}

std::string module_text(const std::vector<ScalarCase>& cases) {
  std::string text = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry cases(.param .u64 out)
{
.reg .pred %odd;
.reg .b32 %lane, %bit;
.reg .b64 %out, %offset;
mov.u32 %lane, %laneid;
and.b32 %bit, %lane, 1;
setp.ne.s32 %odd, %bit, 0;
ld.param.u64 %out, [out];
mul.wide.u32 %offset, %lane, 8;
add.s64 %out, %out, %offset;
)";
  for (size_t i = 0; i < cases.size(); ++i) text += ptx_of(cases[i], i);
  return text + "ret;\n}\n";
}

// The last places that an approximation may be off by: of numbers near 1, relative to them.
bool is_close(const Value& expected, u64 bits, double tolerance) {
  if (expected.bits == bits) return true;
  const auto value = [&](u64 x) -> double {
    return expected.kind == 'f' ? std::bit_cast<float>(static_cast<u32>(x)) : std::bit_cast<double>(x);
  };
  if (expected.kind != 'f' && expected.kind != 'e') return false;
  const double x = value(expected.bits), y = value(bits);
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
  return std::abs(x - y) <= tolerance * std::max(1.0, std::abs(x)) && std::isfinite(x);
}

}  // namespace

int main() {
  Checks checks;
  const std::vector<ScalarCase> cases = scalar_cases();
  const auto module = parse(module_text(cases));
  GlobalMemory memory;
  const u64 bytes = cases.size() * kLanes * 8;
  const u64 out = memory.allocate(bytes, MemoryKind::device);
  std::memset(GlobalMemory::host(out), 0, bytes);
  Launch launch;
  launch.function = module->find("cases");
  launch.block.x = kLanes;
  launch.parameters.resize(8);
  std::memcpy(launch.parameters.data(), &out, 8);
  run(launch, memory);
  const u64* results = reinterpret_cast<const u64*>(GlobalMemory::host(out));
  for (size_t i = 0; i < cases.size(); ++i) {
    const Value expected(cases[i].result);
    std::string name = cases[i].opcode;
    for (const char* operand : cases[i].operands) name += std::string(" ") + operand;
    const u64 odd = results[i * kLanes + 1], even = results[i * kLanes];
    checks.check(is_close(expected, odd, cases[i].tolerance),
                 name + ": expected " + cases[i].result + ", not " + std::to_string(odd) + " (as float " +
                     std::to_string(std::bit_cast<float>(static_cast<u32>(odd))) + ")");
    checks.check(even == kept(expected), name + ": changes lanes that are not active");
  }
  return checks.finish();
}
