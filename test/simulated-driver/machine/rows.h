// Tables of instructions that differ in nothing but a function of their operands.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "machine/instruction_set.h"

namespace simulated {

// "add.{s,u}32" stands for add.s32 and add.u32, "add{.rn,}.f32" for add.rn.f32 and add.f32.
struct Row {
  const char* opcodes;
  Handler handler;
  // Bits of each operand's register, 1 of a predicate; the first is the result, more operands are a mistake.
  std::vector<u8> bits;
};

class Rows {
 public:
  Rows(InstructionClass klass, std::initializer_list<Row> rows);
  ~Rows();
  // The handler, with the operands laid out in order; nullptr where the opcode is not in the table.
  Handler decode(Decoding& decoding) const;

 private:
  struct Index;
  InstructionClass klass_;
  std::unique_ptr<Index> index_;
};

// ---- handlers of a function of lanes: F::operator() of values, T of the result, A, B, C of the operands
// ----

template <class F, class T, class A>
void unary(Warp& w, const Instruction& i, Mask mask) {
  const A* a = w.lanes<A>(i.operand[1]);
  assign(w.lanes<T>(i.operand[0]), mask, [&](int l) -> T { return F()(a[l]); });
}

template <class F, class T, class A = T, class B = A>
void binary(Warp& w, const Instruction& i, Mask mask) {
  const A* a = w.lanes<A>(i.operand[1]);
  const B* b = w.lanes<B>(i.operand[2]);
  assign(w.lanes<T>(i.operand[0]), mask, [&](int l) -> T { return F()(a[l], b[l]); });
}

template <class F, class T, class A = T, class B = A, class C = T>
void ternary(Warp& w, const Instruction& i, Mask mask) {
  const A* a = w.lanes<A>(i.operand[1]);
  const B* b = w.lanes<B>(i.operand[2]);
  const C* c = w.lanes<C>(i.operand[3]);
  assign(w.lanes<T>(i.operand[0]), mask, [&](int l) -> T { return F()(a[l], b[l], c[l]); });
}

}  // namespace simulated
