// Lays out the registers and variables of a kernel, and of the functions it calls, while its text is decoded.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ptx/declaration.h"
#include "ptx/decoding.h"
#include "ptx/text.h"

namespace simulated {

struct Symbol {
  enum class Kind : u8 { reg, predicate, variable };
  Kind kind = Kind::reg;
  u32 bits = 0;                  // of a register
  u32 offset = 0;                // of a register, or the number of a predicate
  Space space = Space::generic;  // of a variable, with its address there
  u64 address = 0, bytes = 0;
  bool dynamic = false;  // the extern array of shared memory: its address is known at the end
  i32 global = -1;       // number of a global variable
};

// The text of a function of the module.
struct FunctionText {
  std::string name;
  std::vector<Declaration> parameters, results;
  std::string_view header;
  const Statement* begin = nullptr;  // of its body, without the braces
  const Statement* end = nullptr;
  u32 line = 0;
};

// What functions of a module share.
struct ModuleText {
  const Module* module = nullptr;
  std::map<std::string, FunctionText, std::less<>> functions;
  std::map<std::string, Declaration, std::less<>> shared;  // declared outside of functions
  std::map<std::string, i32, std::less<>> globals;
  std::map<std::string, u64, std::less<>> constants;  // their offsets
};

class FunctionBuilder {
 public:
  FunctionBuilder(const ModuleText& module, Function& function);

  // ---- names ----
  void open_scope() { scopes_.emplace_back(); }
  void close_scope() { scopes_.pop_back(); }
  void declare_registers(std::string_view text, u32 line);  // ".reg .b32 %r<12>"
  Symbol declare(Declaration declaration, u32 line);
  void define(std::string_view name, const Symbol& symbol) { insert(scopes_.back(), name, symbol); }
  void declare_kernel_parameters(const std::vector<Declaration>& parameters);
  // Throws PtxError where there is no such register or variable. Special registers are found too.
  const Symbol& find(std::string_view name);

  // ---- registers ----
  u32 new_register(u32 bits);
  u32 new_predicate() { return static_cast<u32>(function_.predicates++); }
  u32 constant(u64 value, u32 bits);
  u32 constant_predicate(bool value);
  u32 carry();
  u32 address_of(const Symbol& variable, u32 bits);
  u32 line() const { return line_; }  // of the text, for messages
  void set_line(u32 line) { line_ = line; }

  // After the last instruction: addresses of shared memory are final.
  void finish();

 private:
  struct Scope {
    std::map<std::string, Symbol, std::less<>> symbols;
    std::map<std::string, u32, std::less<>> ranges;  // "%r" of %r<12>: bits
  };
  const Symbol* find_in_range(Scope& scope, std::string_view name);
  const Symbol* find_special(std::string_view name);
  const Symbol* find_in_module(std::string_view name);
  Symbol new_symbol(u32 bits);
  const Symbol* insert(Scope& scope, std::string_view name, const Symbol& symbol);

  const ModuleText& module_;
  Function& function_;
  std::vector<Scope> scopes_;
  std::map<std::pair<u64, u32>, u32> constants_;
  std::vector<size_t> dynamic_addresses_;  // indices in Function::constants
  size_t dynamic_alignment_ = 1;
  u32 line_ = 0;
  std::optional<u32> carry_;
};

}  // namespace simulated
