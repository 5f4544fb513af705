// PTX as a list of statements: what stands between semicolons, braces and the ends of directives' lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ptx/types.h"

namespace simulated {

struct Statement {
  enum class Kind {
    open,         // {
    close,        // }
    label,        // text: its name
    directive,    // begins with a point
    instruction,  // begins with a guard or an opcode
  };
  Kind kind;
  std::string_view text;  // without the semicolon
  u32 line;               // its first
};

// The text with spaces for its comments.
std::string without_comments(std::string_view text);

// `text`, which is without comments, outlives them. Throws PtxError.
std::vector<Statement> statements(std::string_view text);

std::string_view trimmed(std::string_view text);

// What stands between commas that are in no brackets, trimmed.
std::vector<std::string_view> split_list(std::string_view text);

// The next word of `text`, up to white space, which is taken from it; empty at its end.
std::string_view take_word(std::string_view& text);

bool starts_with_directive(std::string_view text, std::string_view directive);

}  // namespace simulated
