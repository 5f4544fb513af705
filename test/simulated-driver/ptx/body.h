// The instructions of one function's text, appended to the code of the kernel that it belongs to.
#pragma once

#include <map>

#include "ptx/function_builder.h"

namespace simulated {

// Lines of the source by .loc: the innermost place in a .cu file of what was inlined there.
class Sources {
 public:
  void take_file(std::string_view text);  // .file 2 "/path/cuda/rms_norm.cu"
  SourceLine take_location(std::string_view text);
  std::vector<std::string> files() const { return files_; }

 private:
  struct Position {
    u16 file = 0;
    u32 line = 0;
    auto operator<=>(const Position&) const = default;
  };
  bool is_kernel_file(u16 file) const;

  std::vector<std::string> files_;
  std::map<Position, Position> inlined_at_;
};

using Unknown = std::map<std::string, u32>;  // opcodes, with the first line of each

class Bodies {
 public:
  // `unknown`, where given, takes what would otherwise be thrown.
  Bodies(const ModuleText& module, Sources& sources, Unknown* unknown)
      : module_(module), sources_(sources), unknown_(unknown) {}

  Function build(const FunctionText& kernel);

 private:
  struct Callee {
    i32 entry = -1;          // pc
    u32 return_address = 0;  // register of 32 bits: where each lane goes on
    std::vector<Symbol> parameters, results;
  };
  struct Jump {
    size_t instruction;
    std::string label;
    u32 line;
  };

  void body(const FunctionText& text, const Callee* callee);
  void directive(const Statement& statement);
  void instruction(const Statement& statement, const Callee* callee);
  void control(Decoding& decoding, std::string_view operands, const Callee* callee);
  void call(Decoding& decoding, std::string_view operands);
  void copy_local(const Instruction& call, const Symbol& from, const Symbol& to);
  Callee& callee_of(std::string_view name);

  const ModuleText& module_;
  Sources& sources_;
  Unknown* unknown_;
  Function* function_ = nullptr;
  FunctionBuilder* builder_ = nullptr;
  SourceLine source_;
  std::map<std::string, Callee, std::less<>> callees_;
  std::vector<std::string> to_build_;
  std::map<std::string, i32, std::less<>> labels_;
  std::map<std::string, std::vector<std::string>, std::less<>> branch_tables_;
  std::string last_label_;
  std::vector<Jump> jumps_;
};

}  // namespace simulated
