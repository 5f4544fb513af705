#include "ptx/decoding.h"

#include "ptx/function_builder.h"

namespace simulated {

Opcode::Opcode(std::string_view text) : text(text) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

bool Opcode::has(std::string_view word) const {
  for (const std::string_view other : words)
    if (other == word) return true;
  return false;
}

u32 type_bits(std::string_view type) {
  if (type == "bf16") return 16;
  if (type == "f16x2" || type == "bf16x2") return 32;
  if (type.empty() || (type[0] != 'b' && type[0] != 'u' && type[0] != 's' && type[0] != 'f')) return 0;
  const std::string_view size = type.substr(1);
  if (size == "8") return 8;
  if (size == "16") return 16;
  if (size == "32") return 32;
  if (size == "64") return 64;
  return size == "128" ? 128 : 0;
}

bool Decoding::is_vector(size_t operand) const {
  return operand < size() && operands_[operand].kind == OperandText::Kind::vector;
}

size_t Decoding::elements(size_t operand) const {
  return is_vector(operand) ? operands_[operand].elements.size() : 1;
}

std::string_view Decoding::text(size_t operand, size_t element) const {
  if (operand >= size()) fail("operand " + std::to_string(operand + 1) + " is missing");
  const OperandText& parsed = operands_[operand];
  if (parsed.kind == OperandText::Kind::address) fail("an address stands where a register belongs");
  if (parsed.kind != OperandText::Kind::vector) return parsed.name;
  if (element >= parsed.elements.size()) fail("the vector has too few elements");
  return parsed.elements[element];
}

bool Decoding::is_constant(size_t operand, size_t element) const {
  i64 value;
  return parse_constant(text(operand, element), value);
}

bool Decoding::is_sink(size_t operand, size_t element) const { return text(operand, element) == "_"; }

bool Decoding::has_second(size_t operand) const {
  return operand < size() && !operands_[operand].second.empty();
}

bool Decoding::is_negated(size_t operand) const { return operand < size() && operands_[operand].negated; }

u32 Decoding::bits(size_t operand, size_t element) const {
  if (is_constant(operand, element) || is_sink(operand, element)) return 0;
  return function_.find(text(operand, element)).bits;
}

u32 Decoding::reg(size_t operand, u32 bits, size_t element) {
  const std::string_view name = text(operand, element);
  i64 value;
  if (parse_constant(name, value)) return function_.constant(static_cast<u64>(value), bits);
  const Symbol& symbol = function_.find(name);
  if (symbol.kind == Symbol::Kind::variable) return function_.address_of(symbol, bits);
  if (symbol.kind != Symbol::Kind::reg || symbol.bits != bits)
    fail(std::string(name) + " has " + std::to_string(symbol.bits) + " bits, not " + std::to_string(bits));
  return symbol.offset;
}

u32 Decoding::target(size_t operand, u32 bits, size_t element) {
  if (is_constant(operand, element)) fail("a constant stands where a result belongs");
  return is_sink(operand, element) ? function_.new_register(bits) : reg(operand, bits, element);
}

u32 Decoding::scratch(u32 bits) { return function_.new_register(bits); }

u32 Decoding::predicate(size_t operand) {
  const std::string_view name = text(operand, 0);
  if (name == "_") return function_.new_predicate();
  i64 value;
  if (parse_constant(name, value)) return function_.constant_predicate(value != 0);
  const Symbol& symbol = function_.find(name);
  if (symbol.kind != Symbol::Kind::predicate) fail(std::string(name) + " is no predicate");
  return symbol.offset;
}

u32 Decoding::second_predicate(size_t operand) {
  if (!has_second(operand)) return function_.new_predicate();
  const Symbol& symbol = function_.find(operands_[operand].second);
  if (symbol.kind != Symbol::Kind::predicate)
    fail(std::string(operands_[operand].second) + " is no predicate");
  return symbol.offset;
}

u32 Decoding::carry() { return function_.carry(); }

i64 Decoding::constant(size_t operand) const {
  i64 value;
  if (!parse_constant(text(operand, 0), value))
    fail("operand " + std::to_string(operand + 1) + " is no constant");
  return value;
}

Address Decoding::address(size_t operand) {
  if (operand >= size() || operands_[operand].kind != OperandText::Kind::address)
    fail("operand " + std::to_string(operand + 1) + " is no address");
  const OperandText& parsed = operands_[operand];
  Address result{.offset = parsed.offset};
  i64 value;
  if (parse_constant(parsed.name, value)) {
    result.base = function_.constant(static_cast<u64>(value), 64);
    return result;
  }
  const Symbol& symbol = function_.find(parsed.name);
  result.space = symbol.space;
  result.variable = symbol.address;
  if (symbol.kind == Symbol::Kind::variable) {
    result.base = function_.address_of(symbol, 64);
  } else if (symbol.kind == Symbol::Kind::reg && (symbol.bits == 32 || symbol.bits == 64)) {
    result.base = symbol.offset;
    result.bits = symbol.bits;
  } else {
    fail(std::string(parsed.name) + " cannot hold an address");
  }
  return result;
}

void Decoding::fail(const std::string& what) const {
  throw PtxError(function_.line(), std::string(opcode.text) + ": " + what);
}

}  // namespace simulated
