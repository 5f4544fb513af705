// Variables as PTX declares them.
#pragma once

#include <string_view>

#include "ptx/module.h"

namespace simulated {

enum class Space : u8 { generic, global, shared, local, parameter, constant };

struct Declaration {
  Space space = Space::generic;
  Variable variable;
  bool unsized = false;  // name[]: of dynamic shared memory
};

// ".shared .align 4 .b8 name[32]", ".global .b32 name = 3", ".param .u64 name".
Declaration parse_declaration(std::string_view text, u32 line);

// Places a variable behind `end` bytes, which then include it.
void place_variable(Variable& variable, size_t& end);

// An integer, or the bits of a float: 12, -3, 0x1f, 0f3F800000, 0d3FF0000000000000.
bool parse_constant(std::string_view text, i64& value);

}  // namespace simulated
