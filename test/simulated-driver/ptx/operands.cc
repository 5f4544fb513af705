#include "ptx/decoding.h"
#include "ptx/text.h"

namespace simulated {

namespace {

// [register], [variable+12], [register+-32].
OperandText parse_address(std::string_view text) {
  OperandText result;
  result.kind = OperandText::Kind::address;
  const size_t sign = text.find_first_of("+-", 1);
  result.name = trimmed(text.substr(0, sign));
  if (sign != text.npos) {
    std::string_view offset = trimmed(text.substr(sign + (text[sign] == '+')));
    parse_constant(offset, result.offset);
  }
  return result;
}

OperandText parse_operand(std::string_view text) {
  const char first = text.front();
  if (first == '[') return parse_address(trimmed(text.substr(1, text.find(']') - 1)));
  OperandText result;
  if (first == '{') {
    result.kind = OperandText::Kind::vector;
    result.elements = split_list(text.substr(1, text.size() - 2));
    return result;
  }
  if (first == '!') {
    result.negated = true;
    text = trimmed(text.substr(1));
  }
  const size_t bar = text.find('|');
  result.name = trimmed(text.substr(0, bar));
  if (bar != text.npos) result.second = trimmed(text.substr(bar + 1));
  return result;
}

}  // namespace

std::vector<OperandText> parse_operands(std::string_view text) {
  std::vector<OperandText> result;
  for (const std::string_view item : split_list(text)) result.push_back(parse_operand(item));
  return result;
}

}  // namespace simulated
