#include <cmath>

#include "ptx/body.h"

namespace simulated {

namespace {

std::vector<Declaration> parameter_list(std::string_view text, u32 line) {
  std::vector<Declaration> list;
  for (const std::string_view item : split_list(text)) list.push_back(parse_declaration(item, line));
  return list;
}

// What stands in the brackets that begin at `text`, which is taken from it.
std::string_view take_brackets(std::string_view& text) {
  text = trimmed(text);
  if (text.empty() || text.front() != '(') return {};
  const size_t end = text.find(')');
  const std::string_view inside = text.substr(1, end - 1);
  text = trimmed(text.substr(end + 1));
  return inside;
}

// [.visible] .entry name (parameters) .maxntid 256, 1, 1
// [.weak] .func (results) name (parameters)
FunctionText parse_header(std::string_view text, u32 line) {
  FunctionText function;
  function.header = text;
  function.line = line;
  const bool is_kernel = text.find(".entry") != text.npos;
  const std::string_view kind = is_kernel ? ".entry" : ".func";
  text = trimmed(text.substr(text.find(kind) + kind.size()));
  if (!is_kernel) function.results = parameter_list(take_brackets(text), line);
  const size_t end = std::min(text.find_first_of("( \t\r\n"), text.size());
  function.name = text.substr(0, end);
  text = text.substr(end);
  function.parameters = parameter_list(take_brackets(text), line);
  return function;
}

Dimensions max_threads(std::string_view header) {
  const std::string_view kDirective = ".maxntid";
  const size_t at = header.find(kDirective);
  Dimensions result{0, 0, 0};
  if (at == header.npos) return result;
  std::string_view rest = header.substr(at + kDirective.size());
  result = {1, 1, 1};
  for (u32* size : {&result.x, &result.y, &result.z}) {
    rest = trimmed(rest);
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0) break;
    *size = static_cast<u32>(std::stoul(std::string(rest.substr(0, digits))));
    rest = trimmed(rest.substr(digits));
    if (!rest.starts_with(',')) break;
    rest = rest.substr(1);
  }
  return result;
}

class Parser {
 public:
  Parser(Module& module, Unknown* unknown) : module_(module), unknown_(unknown) {
    text_.module = &module;
    statements_ = statements(module.text);
  }

  void run() {
    for (size_t i = 0; i < statements_.size(); ++i)
      if (starts_with_directive(statements_[i].text, ".file")) sources_.take_file(statements_[i].text);
    for (size_t i = 0; i < statements_.size();) i = top_level(i);
    module_.files = sources_.files();
    Bodies bodies(text_, sources_, unknown_);
    for (const FunctionText& kernel : kernels_) {
      Function function = bodies.build(kernel);
      function.max_threads = max_threads(kernel.header);
      module_.functions.emplace(kernel.name, std::move(function));
    }
  }

 private:
  // Returns the index of the next statement.
  size_t top_level(size_t index) {
    const Statement& statement = statements_[index];
    const std::string_view text = statement.text;
    if (statement.kind != Statement::Kind::directive)
      throw PtxError(statement.line, "outside of functions: " + std::string(text));
    if (starts_with_directive(text, ".version")) {
      module_.version = static_cast<int>(std::lround(std::stod(std::string(text.substr(8))) * 10));
    } else if (starts_with_directive(text, ".target")) {
      const size_t number = text.find("sm_");
      if (number != text.npos) module_.target = std::stoi(std::string(text.substr(number + 3)));
    } else if (text.find(".entry") != text.npos || text.find(".func") != text.npos) {
      return function(index);
    } else if (!starts_with_directive(text, ".address_size") && !starts_with_directive(text, ".file") &&
               !starts_with_directive(text, ".loc") && !starts_with_directive(text, ".pragma")) {
      variable(parse_declaration(text, statement.line), statement.line);
    }
    return index + 1;
  }

  size_t function(size_t index) {
    const Statement& statement = statements_[index];
    FunctionText function = parse_header(statement.text, statement.line);
    size_t end = index + 1;
    if (end < statements_.size() && statements_[end].kind == Statement::Kind::open) {
      function.begin = &statements_[end] + 1;
      int depth = 0;
      do {
        if (end == statements_.size()) throw PtxError(statement.line, function.name + " has no end");
        depth += (statements_[end].kind == Statement::Kind::open) -
                 (statements_[end].kind == Statement::Kind::close);
        ++end;
      } while (depth > 0);
      function.end = &statements_[end - 1];
    }
    if (function.header.find(".entry") != function.header.npos)
      kernels_.push_back(std::move(function));
    else if (function.begin || !text_.functions.contains(function.name))
      text_.functions.insert_or_assign(function.name, std::move(function));
    return end;
  }

  void variable(Declaration declaration, u32 line) {
    const std::string name = declaration.variable.name;
    switch (declaration.space) {
      case Space::shared:
        text_.shared.emplace(name, std::move(declaration));
        break;
      case Space::global:
        text_.globals.emplace(name, static_cast<i32>(module_.globals.size()));
        module_.globals.push_back(std::move(declaration.variable));
        break;
      case Space::constant:
        place_variable(declaration.variable, constant_bytes_);
        text_.constants.emplace(name, declaration.variable.offset);
        module_.constants.resize(constant_bytes_);
        std::copy(declaration.variable.value.begin(), declaration.variable.value.end(),
                  module_.constants.begin() + static_cast<i64>(declaration.variable.offset));
        break;
      default:
        throw PtxError(line, "no such variable belongs to a module: " + name);
    }
  }

  Module& module_;
  Unknown* unknown_;
  Sources sources_;
  std::vector<Statement> statements_;
  ModuleText text_;
  std::vector<FunctionText> kernels_;
  size_t constant_bytes_ = 0;
};

std::shared_ptr<Module> parse(std::string_view ptx, Unknown* unknown) {
  auto module = std::make_shared<Module>();
  module->text = without_comments(ptx);
  Parser(*module, unknown).run();
  return module;
}

}  // namespace

std::shared_ptr<const Module> parse(std::string_view ptx) { return parse(ptx, nullptr); }

std::map<std::string, u32> unknown_instructions(std::string_view ptx) {
  Unknown unknown;
  parse(ptx, &unknown);
  return unknown;
}

}  // namespace simulated
