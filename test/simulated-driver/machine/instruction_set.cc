#include "machine/instruction_set.h"

#include <map>

#include "machine/families.h"

namespace simulated {

Handler decode(Decoding& decoding) {
  static const std::multimap<std::string_view, Decoder> families = [] {
    std::multimap<std::string_view, Decoder> table;
    const auto add = [&](Decoder decoder, std::initializer_list<std::string_view> names) {
      for (const std::string_view name : names) table.emplace(name, decoder);
    };
    add(decode_carry, {"add", "addc", "sub", "subc", "mad", "madc"});
    add(decode_integer, {"add", "sub", "mul", "mul24", "mad", "mad24", "div", "rem", "min", "max", "neg",
                         "abs", "sad", "dp4a"});
    add(decode_floating, {"add", "sub", "mul", "fma", "mad", "div", "neg", "abs", "min", "max", "copysign",
                          "sqrt", "rcp", "testp"});
    add(decode_special, {"ex2", "lg2", "sin", "cos", "tanh", "rcp", "sqrt", "rsqrt"});
    add(decode_bits, {"and", "or", "xor", "not", "cnot", "shl", "shr", "shf", "bfe", "bfi", "popc", "clz",
                      "brev", "bfind", "prmt", "lop3", "mov"});
    add(decode_compare, {"setp", "selp", "slct"});
    add(decode_convert, {"cvt"});
    add(decode_move, {"mov", "cvta", "isspacep"});
    add(decode_bits, {"mov"});  // of predicates
    add(decode_memory, {"ld", "ldu", "st", "prefetch", "prefetchu", "discard", "applypriority"});
    add(decode_atomic, {"atom", "red"});
    add(decode_lanes, {"shfl", "vote", "match", "redux", "activemask"});
    add(decode_barrier,
        {"bar", "barrier", "membar", "fence", "nanosleep", "trap", "brkpt", "griddepcontrol"});
    add(decode_async_copy, {"cp"});
    add(decode_matrix, {"mma", "ldmatrix", "movmatrix"});
    return table;
  }();
  const auto [begin, end] = families.equal_range(decoding.opcode[0]);
  for (auto family = begin; family != end; ++family)
    if (const Handler handler = family->second(decoding)) return handler;
  return nullptr;
}

}  // namespace simulated
