#include "machine/rows.h"

#include <string>
#include <unordered_map>

namespace simulated {

namespace {

// Calls visit for each text that the braces of `pattern` stand for.
template <class Visit>
void expand(const std::string& pattern, const Visit& visit) {
  const size_t open = pattern.find('{');
  if (open == pattern.npos) return visit(pattern);
  const size_t close = pattern.find('}', open);
  for (size_t begin = open + 1; begin <= close;) {
    const size_t end = std::min(pattern.find(',', begin), close);
    expand(pattern.substr(0, open) + pattern.substr(begin, end - begin) + pattern.substr(close + 1), visit);
    begin = end + 1;
  }
}

}  // namespace

struct Rows::Index {
  std::vector<Row> rows;
  std::unordered_map<std::string, size_t> of_opcode;
};

Rows::Rows(InstructionClass klass, std::initializer_list<Row> rows)
    : klass_(klass), index_(std::make_unique<Index>()) {
  index_->rows = rows;
  for (size_t i = 0; i < index_->rows.size(); ++i)
    expand(index_->rows[i].opcodes, [&](const std::string& opcode) { index_->of_opcode.emplace(opcode, i); });
}

Rows::~Rows() = default;

Handler Rows::decode(Decoding& decoding) const {
  const auto found = index_->of_opcode.find(std::string(decoding.opcode.text));
  if (found == index_->of_opcode.end()) return nullptr;
  const Row& row = index_->rows[found->second];
  if (decoding.size() != row.bits.size())
    decoding.fail("has " + std::to_string(row.bits.size()) + " operands, not " +
                  std::to_string(decoding.size()));
  Instruction& instruction = decoding.instruction;
  instruction.klass = klass_;
  for (size_t i = 0; i < row.bits.size(); ++i) {
    if (decoding.is_negated(i)) decoding.fail("takes no ! before an operand");
    instruction.operand[i] = row.bits[i] == 1 ? decoding.predicate(i)
                             : i == 0         ? decoding.target(i, row.bits[i])
                                              : decoding.reg(i, row.bits[i]);
  }
  return row.handler;
}

}  // namespace simulated
