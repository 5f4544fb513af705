#include "ptx/function_builder.h"

#include <algorithm>
#include <cstdlib>

namespace simulated {

namespace {

// Bits of the special registers, which the machine fills.
u32 special_bits(std::string_view name) {
  for (const char* wide : {"%clock64", "%globaltimer", "%gridid"})
    if (name == wide) return 64;
  for (const char* known :
       {"%tid.x",          "%tid.y",       "%tid.z",       "%ntid.x",      "%ntid.y",
        "%ntid.z",         "%ctaid.x",     "%ctaid.y",     "%ctaid.z",     "%nctaid.x",
        "%nctaid.y",       "%nctaid.z",    "%laneid",      "%warpid",      "%nwarpid",
        "%smid",           "%nsmid",       "%lanemask_eq", "%lanemask_lt", "%lanemask_le",
        "%lanemask_gt",    "%lanemask_ge", "%clock",       "%clock_hi",    "%dynamic_smem_size",
        "%total_smem_size"})
    if (name == known) return 32;
  return 0;
}

}  // namespace

FunctionBuilder::FunctionBuilder(const ModuleText& module, Function& function)
    : module_(module), function_(function) {
  open_scope();
}

void FunctionBuilder::declare_registers(std::string_view text, u32 line) {
  take_word(text);  // .reg
  const std::string_view type = take_word(text).substr(1);
  const u32 bits = type == "pred" ? 1 : std::max(type_bits(type), 16u);
  if (bits > 1 && type_bits(type) == 0)
    throw PtxError(line, "unknown type of a register: ." + std::string(type));
  Scope& scope = scopes_.back();
  for (const std::string_view name : split_list(text)) {
    const size_t range = name.find('<');
    if (range != name.npos)
      scope.ranges.emplace(name.substr(0, range), bits);
    else
      insert(scope, name, new_symbol(bits));
  }
}

Symbol FunctionBuilder::declare(Declaration declaration, u32 line) {
  Variable& variable = declaration.variable;
  Symbol symbol{.kind = Symbol::Kind::variable, .space = declaration.space};
  switch (declaration.space) {
    case Space::shared:
      if (declaration.unsized) {
        symbol.dynamic = true;
        dynamic_alignment_ = std::max<size_t>(dynamic_alignment_, variable.alignment);
      } else {
        place_variable(variable, function_.static_shared);
      }
      break;
    case Space::parameter:  // of a call: memory of the thread
    case Space::local:
      symbol.space = Space::local;
      place_variable(variable, function_.local_bytes);
      break;
    default:
      throw PtxError(line, "a function has no such variable: " + variable.name);
  }
  symbol.address = variable.offset;
  symbol.bytes = variable.bytes;
  return *insert(scopes_.back(), variable.name, symbol);
}

void FunctionBuilder::declare_kernel_parameters(const std::vector<Declaration>& parameters) {
  for (const Declaration& parameter : parameters) {
    Variable variable = parameter.variable;
    place_variable(variable, function_.parameter_bytes);
    insert(scopes_.back(), variable.name,
           {.kind = Symbol::Kind::variable, .space = Space::parameter, .address = variable.offset});
    function_.parameters.push_back(std::move(variable));
  }
}

const Symbol& FunctionBuilder::find(std::string_view name) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->symbols.find(name);
    if (found != scope->symbols.end()) return found->second;
    if (const Symbol* symbol = find_in_range(*scope, name)) return *symbol;
  }
  if (const Symbol* symbol = find_special(name)) return *symbol;
  if (const Symbol* symbol = find_in_module(name)) return *symbol;
  throw PtxError(line_, "unknown name " + std::string(name));
}

const Symbol* FunctionBuilder::find_in_range(Scope& scope, std::string_view name) {
  const size_t digits = name.find_last_not_of("0123456789") + 1;
  const auto range = scope.ranges.find(name.substr(0, digits));
  if (range == scope.ranges.end() || digits == name.size()) return nullptr;
  return insert(scope, name, new_symbol(range->second));
}

const Symbol* FunctionBuilder::find_special(std::string_view name) {
  const u32 bits = special_bits(name);
  if (bits == 0) return nullptr;
  const Symbol* symbol = insert(scopes_.front(), name, new_symbol(bits));
  function_.special_registers[std::string(name)] = symbol->offset;
  return symbol;
}

// Shared variables of the module count towards the functions that use them.
const Symbol* FunctionBuilder::find_in_module(std::string_view name) {
  Symbol symbol{.kind = Symbol::Kind::variable};
  if (const auto shared = module_.shared.find(name); shared != module_.shared.end()) {
    open_scope();
    symbol = declare(shared->second, line_);
    close_scope();
  } else if (const auto global = module_.globals.find(name); global != module_.globals.end()) {
    symbol.space = Space::global;
    symbol.global = global->second;
  } else if (const auto constant = module_.constants.find(name); constant != module_.constants.end()) {
    symbol.space = Space::constant;
    symbol.address = constant->second;
  } else {
    return nullptr;
  }
  return insert(scopes_.front(), name, symbol);
}

const Symbol* FunctionBuilder::insert(Scope& scope, std::string_view name, const Symbol& symbol) {
  return &scope.symbols.insert_or_assign(std::string(name), symbol).first->second;
}

Symbol FunctionBuilder::new_symbol(u32 bits) {
  if (bits == 1) return {.kind = Symbol::Kind::predicate, .bits = 1, .offset = new_predicate()};
  return {.kind = Symbol::Kind::reg, .bits = bits, .offset = new_register(bits)};
}

u32 FunctionBuilder::new_register(u32 bits) {
  const size_t offset = function_.register_bytes;
  function_.register_bytes += bits / 8 * kLanes;
  return static_cast<u32>(offset);
}

u32 FunctionBuilder::constant(u64 value, u32 bits) {
  if (bits < 64) value &= (u64{1} << bits) - 1;
  const auto [entry, is_new] = constants_.try_emplace({value, bits}, 0);
  if (is_new) {
    entry->second = new_register(bits);
    function_.constants.push_back({entry->second, bits / 8, value});
  }
  return entry->second;
}

u32 FunctionBuilder::constant_predicate(bool value) {
  const u32 index = new_predicate();
  if (value) function_.true_predicates.push_back(index);
  return index;
}

u32 FunctionBuilder::carry() {
  if (!carry_) carry_ = new_predicate();
  return *carry_;
}

u32 FunctionBuilder::address_of(const Symbol& variable, u32 bits) {
  if (variable.global < 0 && !variable.dynamic) return constant(variable.address, bits);
  const u32 offset = new_register(bits);
  if (variable.dynamic) {
    dynamic_addresses_.push_back(function_.constants.size());
    function_.constants.push_back({offset, bits / 8, 0});
  } else {
    function_.global_addresses.push_back({offset, static_cast<u32>(variable.global)});
  }
  return offset;
}

void FunctionBuilder::finish() {
  size_t& begin = function_.dynamic_shared;
  begin = (function_.static_shared + dynamic_alignment_ - 1) / dynamic_alignment_ * dynamic_alignment_;
  for (const size_t index : dynamic_addresses_) function_.constants[index].value = begin;
}

}  // namespace simulated
