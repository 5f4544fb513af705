// What the decoder of a family of instructions sees: one instruction of the text with its operands.
#pragma once

#include <string_view>
#include <vector>

#include "ptx/declaration.h"

namespace simulated {

// "ld.global.nc.v4.f32": the words between the points.
struct Opcode {
  std::string_view text;
  std::vector<std::string_view> words;

  explicit Opcode(std::string_view text);
  bool has(std::string_view word) const;
  std::string_view operator[](size_t i) const { return i < words.size() ? words[i] : std::string_view(); }
  std::string_view last() const { return words.back(); }
};

// Of "f32", "b16", "u64" ..: 0 where it is no such type.
u32 type_bits(std::string_view type);

struct OperandText {
  enum class Kind { name, vector, address };
  Kind kind = Kind::name;
  std::string_view name;                   // a register, variable or label; of an address its base
  std::string_view second;                 // p of a|p
  std::vector<std::string_view> elements;  // of a vector: registers or constants
  i64 offset = 0;                          // of an address
  bool negated = false;                    // !p
};

// What follows an opcode.
std::vector<OperandText> parse_operands(std::string_view text);

struct Address {
  u32 base = 0;                  // offset of a register
  u32 bits = 64;                 // of that register
  i64 offset = 0;                // to be added
  Space space = Space::generic;  // of a variable, with its address there
  u64 variable = 0;
};

class FunctionBuilder;

// Operands are counted from 0, what follows the opcode. Asking for one as what it is not throws PtxError.
class Decoding {
 public:
  Decoding(const Opcode& opcode, const std::vector<OperandText>& operands, FunctionBuilder& function,
           Instruction& instruction)
      : opcode(opcode), instruction(instruction), operands_(operands), function_(function) {}

  const Opcode& opcode;
  Instruction& instruction;

  size_t size() const { return operands_.size(); }
  bool is_vector(size_t operand) const;
  size_t elements(size_t operand) const;  // 1 of what is no vector
  bool is_constant(size_t operand, size_t element = 0) const;
  bool is_sink(size_t operand, size_t element = 0) const;  // _
  bool has_second(size_t operand) const;                   // a|p
  bool is_negated(size_t operand) const;                   // !p
  // Of its register; 1 of a predicate, 0 of a constant or variable.
  u32 bits(size_t operand, size_t element = 0) const;

  // Offset in Warp::registers of a register of so many bits. A constant or the address of a variable becomes
  // a register that holds it in every lane.
  u32 reg(size_t operand, u32 bits, size_t element = 0);
  // The same for _: a register that nobody reads.
  u32 target(size_t operand, u32 bits, size_t element = 0);
  u32 scratch(u32 bits);                 // a register that nobody reads
  u32 predicate(size_t operand);         // index in Warp::predicates
  u32 second_predicate(size_t operand);  // p of a|p; of a alone one that nobody reads
  u32 carry();                           // the predicate that is the carry of extended arithmetic
  i64 constant(size_t operand) const;
  std::string_view name(size_t operand) const { return text(operand, 0); }
  Address address(size_t operand);  // [register + offset], [variable + offset]

  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::string_view text(size_t operand, size_t element) const;

  const std::vector<OperandText>& operands_;
  FunctionBuilder& function_;
};

// The handler of an instruction, of machine/instruction_set.cc; nullptr where it does not know the opcode.
Handler decode(Decoding& decoding);

}  // namespace simulated
