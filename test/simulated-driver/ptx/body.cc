#include "ptx/body.h"

namespace simulated {

// Moves `immediate` bytes of each thread's local memory from operand[1] to operand[0];
// machine/local_memory.cc.
void copy_local(Warp& warp, const Instruction& instruction, Mask mask);

Function Bodies::build(const FunctionText& kernel) {
  Function function;
  FunctionBuilder builder(module_, function);
  function_ = &function;
  builder_ = &builder;
  callees_.clear();
  to_build_.clear();
  function.module = module_.module;
  function.name = kernel.name;
  builder.declare_kernel_parameters(kernel.parameters);
  body(kernel, nullptr);
  while (!to_build_.empty()) {
    const std::string name = std::move(to_build_.back());
    to_build_.pop_back();
    Callee& callee = callees_.at(name);
    callee.entry = static_cast<i32>(function.code.size());
    body(module_.functions.at(name), &callee);
  }
  for (Instruction& instruction : function.code)
    if (instruction.control == Control::call)
      for (const auto& [name, callee] : callees_)
        if (callee.return_address == instruction.operand[0]) instruction.target = callee.entry;
  builder.finish();
  return function;
}

void Bodies::body(const FunctionText& text, const Callee* callee) {
  builder_->open_scope();
  labels_.clear();
  branch_tables_.clear();
  jumps_.clear();
  source_ = {};
  if (callee) {
    for (size_t i = 0; i < text.parameters.size(); ++i)
      builder_->define(text.parameters[i].variable.name, callee->parameters[i]);
    for (size_t i = 0; i < text.results.size(); ++i)
      builder_->define(text.results[i].variable.name, callee->results[i]);
  }
  for (const Statement* statement = text.begin; statement != text.end; ++statement) {
    builder_->set_line(statement->line);
    switch (statement->kind) {
      case Statement::Kind::open:
        builder_->open_scope();
        break;
      case Statement::Kind::close:
        builder_->close_scope();
        break;
      case Statement::Kind::label:
        last_label_ = statement->text;
        labels_[last_label_] = static_cast<i32>(function_->code.size());
        break;
      case Statement::Kind::directive:
        directive(*statement);
        break;
      case Statement::Kind::instruction:
        instruction(*statement, callee);
        break;
    }
  }
  instruction({Statement::Kind::instruction, "ret", builder_->line()}, callee);
  const auto resolve = [&](const std::string& label, u32 line) {
    const auto found = labels_.find(label);
    if (found == labels_.end()) throw PtxError(line, "unknown label " + label);
    return found->second;
  };
  for (const Jump& jump : jumps_) {
    Instruction& instruction = function_->code[jump.instruction];
    if (instruction.control == Control::branch) {
      instruction.target = resolve(jump.label, jump.line);
      continue;
    }
    std::vector<i32> targets;
    for (const std::string& label : branch_tables_[jump.label]) targets.push_back(resolve(label, jump.line));
    instruction.target = static_cast<i32>(function_->branch_targets.size());
    function_->branch_targets.push_back(std::move(targets));
  }
  builder_->close_scope();
}

void Bodies::directive(const Statement& statement) {
  std::string_view text = statement.text;
  if (starts_with_directive(text, ".loc")) {
    source_ = sources_.take_location(text);
  } else if (starts_with_directive(text, ".reg")) {
    builder_->declare_registers(text, statement.line);
  } else if (starts_with_directive(text, ".branchtargets")) {
    take_word(text);
    for (const std::string_view label : split_list(text)) branch_tables_[last_label_].emplace_back(label);
  } else if (!starts_with_directive(text, ".pragma")) {
    builder_->declare(parse_declaration(text, statement.line), statement.line);
  }
}

void Bodies::instruction(const Statement& statement, const Callee* callee) {
  std::string_view text = statement.text;
  Instruction result;
  result.text = statement.line;
  result.source = source_;
  if (text.front() == '@') {
    std::string_view guard = take_word(text).substr(1);
    if (guard.empty()) guard = take_word(text);
    result.guard_negated = guard.front() == '!';
    if (result.guard_negated) guard = guard.substr(1);
    const Symbol& symbol = builder_->find(guard);
    if (symbol.kind != Symbol::Kind::predicate)
      throw PtxError(statement.line, std::string(guard) + " is no predicate");
    result.guard = static_cast<i32>(symbol.offset);
  }
  const Opcode opcode(take_word(text));
  const std::string_view name = opcode[0];
  const bool is_control = name == "bra" || name == "brx" || name == "call" || name == "ret" || name == "exit";
  const std::vector<OperandText> operands =
      name == "call" ? std::vector<OperandText>() : parse_operands(text);
  Decoding decoding(opcode, operands, *builder_, result);
  if (is_control) {
    control(decoding, text, callee);
    return;
  }
  try {
    result.run = decode(decoding);
    if (!result.run && result.control == Control::none) decoding.fail("unknown instruction");
  } catch (const PtxError& error) {
    if (!unknown_) throw;
    unknown_->try_emplace(error.what(), statement.line);
  }
  function_->code.push_back(result);
}

void Bodies::control(Decoding& decoding, std::string_view operands, const Callee* callee) {
  Instruction& instruction = decoding.instruction;
  const std::string_view name = decoding.opcode[0];
  instruction.klass = InstructionClass::control;
  if (name == "call") {
    call(decoding, operands);
    return;
  }
  if (name == "bra") {
    instruction.control = Control::branch;
    jumps_.push_back({function_->code.size(), std::string(trimmed(operands)), instruction.text});
  } else if (name == "brx") {
    instruction.control = Control::branch_index;
    instruction.operand[0] = decoding.reg(0, 32);
    jumps_.push_back({function_->code.size(), std::string(split_list(operands).at(1)), instruction.text});
  } else if (name == "ret" && callee) {
    instruction.control = Control::leave;
    instruction.operand[0] = callee->return_address;
  } else {
    instruction.control = Control::exit;
  }
  function_->code.push_back(instruction);
}

// call (result), name, (argument, ..): arguments and results are memory of the thread, copied to where the
// callee's own text has them. There is no recursion.
void Bodies::call(Decoding& decoding, std::string_view operands) {
  std::vector<std::string_view> parts = split_list(operands), results, arguments;
  const auto list = [](std::string_view part) { return split_list(part.substr(1, part.size() - 2)); };
  if (!parts.empty() && parts.front().front() == '(') {
    results = list(parts.front());
    parts.erase(parts.begin());
  }
  if (parts.size() > 1) arguments = list(parts[1]);
  if (parts.empty()) decoding.fail("no function is named");
  const Callee& callee = callee_of(parts[0]);
  if (arguments.size() != callee.parameters.size() || results.size() != callee.results.size())
    decoding.fail("arguments do not fit " + std::string(parts[0]));
  Instruction& call = decoding.instruction;
  for (size_t i = 0; i < arguments.size(); ++i)
    copy_local(call, builder_->find(arguments[i]), callee.parameters[i]);
  call.control = Control::call;
  call.operand[0] = callee.return_address;
  function_->code.push_back(call);
  for (size_t i = 0; i < results.size(); ++i) copy_local(call, callee.results[i], builder_->find(results[i]));
}

void Bodies::copy_local(const Instruction& call, const Symbol& from, const Symbol& to) {
  Instruction copy = call;
  copy.control = Control::none;
  copy.run = simulated::copy_local;
  copy.operand[0] = static_cast<u32>(to.address);
  copy.operand[1] = static_cast<u32>(from.address);
  copy.immediate = static_cast<i64>(std::min(from.bytes, to.bytes));
  function_->code.push_back(copy);
}

Bodies::Callee& Bodies::callee_of(std::string_view name) {
  if (const auto found = callees_.find(name); found != callees_.end()) return found->second;
  const auto text = module_.functions.find(name);
  if (text == module_.functions.end() || !text->second.begin)
    throw PtxError(builder_->line(), "call of " + std::string(name) + ", which has no body");
  Callee& callee = callees_[std::string(name)];
  callee.return_address = builder_->new_register(32);
  builder_->open_scope();
  for (const Declaration& declaration : text->second.parameters)
    callee.parameters.push_back(builder_->declare(declaration, text->second.line));
  for (const Declaration& declaration : text->second.results)
    callee.results.push_back(builder_->declare(declaration, text->second.line));
  builder_->close_scope();
  to_build_.emplace_back(name);
  return callee;
}

}  // namespace simulated
