#include "ptx/declaration.h"

#include <cctype>
#include <cstdlib>
#include <cstring>

#include "ptx/decoding.h"
#include "ptx/text.h"

namespace simulated {

namespace {

Space space_of(std::string_view word) {
  if (word == ".global") return Space::global;
  if (word == ".shared") return Space::shared;
  if (word == ".local") return Space::local;
  if (word == ".param") return Space::parameter;
  if (word == ".const") return Space::constant;
  return Space::generic;
}

void parse_values(std::string_view text, u32 element_bytes, u32 line, std::vector<u8>& bytes) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '{') text = text.substr(1, text.size() - 2);
  for (const std::string_view item : split_list(text)) {
    i64 value;
    if (!parse_constant(item, value))
      throw PtxError(line, "the initial value " + std::string(item) + " is no number");
    const size_t at = bytes.size();
    bytes.resize(at + element_bytes);
    std::memcpy(&bytes[at], &value, element_bytes);
  }
}

}  // namespace

Declaration parse_declaration(std::string_view text, u32 line) {
  Declaration result;
  Variable& variable = result.variable;
  const size_t equals = text.find('=');
  std::string_view head = trimmed(text.substr(0, equals));
  u32 element_bytes = 0, vector = 1;
  u64 alignment = 0;
  while (!head.empty() && head.front() == '.') {
    const std::string_view word = take_word(head);
    if (const Space space = space_of(word); space != Space::generic && element_bytes == 0) {
      result.space = space;
    } else if (word == ".align") {
      alignment = std::strtoull(std::string(take_word(head)).c_str(), nullptr, 10);
    } else if (word == ".v2" || word == ".v4") {
      vector = static_cast<u32>(word[2] - '0');
    } else if (const u32 bits = type_bits(word.substr(1))) {
      element_bytes = bits / 8;
    }
  }
  if (element_bytes == 0 || head.empty()) throw PtxError(line, "unknown declaration: " + std::string(text));
  u64 count = 1;
  const size_t bracket = head.find('[');
  variable.name = trimmed(head.substr(0, bracket));
  for (size_t at = bracket; at != head.npos; at = head.find('[', at + 1)) {
    const u64 size = std::strtoull(std::string(head.substr(at + 1)).c_str(), nullptr, 10);
    result.unsized |= size == 0;
    count *= size;
  }
  variable.bytes = count * element_bytes * vector;
  variable.alignment = alignment ? alignment : element_bytes * vector;
  if (equals != text.npos) parse_values(text.substr(equals + 1), element_bytes, line, variable.value);
  return result;
}

void place_variable(Variable& variable, size_t& end) {
  variable.offset = (end + variable.alignment - 1) / variable.alignment * variable.alignment;
  end = variable.offset + variable.bytes;
}

bool parse_constant(std::string_view text, i64& value) {
  if (text == "WARP_SZ") {
    value = kLanes;
    return true;
  }
  if (text.empty() || !(std::isdigit(static_cast<unsigned char>(text[0])) || text[0] == '-')) return false;
  const std::string copy(text);
  const bool bits = text.size() > 2 && text[0] == '0' && std::strchr("fFdD", text[1]);
  if (bits)
    value = static_cast<i64>(std::strtoull(copy.c_str() + 2, nullptr, 16));
  else if (text[0] == '-')
    value = static_cast<i64>(-std::strtoull(copy.c_str() + 1, nullptr, 0));
  else
    value = static_cast<i64>(std::strtoull(copy.c_str(), nullptr, 0));
  return true;
}

}  // namespace simulated
