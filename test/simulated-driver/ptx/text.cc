#include "ptx/text.h"

#include <algorithm>

#include "ptx/module.h"

namespace simulated {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.';
}

// Directives without a semicolon, which end with their line.
bool ends_with_line(std::string_view directive) {
  for (const char* name : {".version", ".target", ".address_size", ".loc", ".file"})
    if (starts_with_directive(directive, name)) return true;
  return false;
}

// Those whose body in braces follows.
bool has_body(std::string_view directive) {
  return directive.find(".entry") != directive.npos || directive.find(".func") != directive.npos;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::vector<Statement> all() {
    std::vector<Statement> list;
    for (skip_space(); at_ < text_.size(); skip_space()) {
      const u32 line = line_;
      const char c = text_[at_];
      if (c == '{' || c == '}') {
        list.push_back({c == '{' ? Statement::Kind::open : Statement::Kind::close, take(at_ + 1), line});
      } else if (c == ';') {
        take(at_ + 1);
      } else if (c == '.') {
        directive(list, line);
      } else if (const size_t end = label_end()) {
        list.push_back({Statement::Kind::label, take(end), line});
        take(at_ + 1);
      } else {
        list.push_back({Statement::Kind::instruction, trimmed(take(find(";"))), line});
      }
    }
    return list;
  }

 private:
  void directive(std::vector<Statement>& list, u32 line) {
    const std::string_view rest = text_.substr(at_);
    if (starts_with_directive(rest, ".section")) {
      take(std::min(text_.find('}', at_) + 1, text_.size()));
      return;
    }
    size_t end = ends_with_line(rest) ? std::min(text_.find('\n', at_), text_.size()) : find(";{");
    const std::string_view head = text_.substr(at_, end - at_);
    if (end < text_.size() && text_[end] == '{' && !has_body(head)) end = find(";");  // a list of values
    list.push_back({Statement::Kind::directive, trimmed(take(end)), line});
  }

  // Position of the colon that makes a name a label, or 0. Opcodes have colons in pairs.
  size_t label_end() const {
    size_t end = at_;
    while (end < text_.size() && is_name_character(text_[end])) ++end;
    const bool colon = end > at_ && end < text_.size() && text_[end] == ':';
    return colon && text_.substr(end, 2) != "::" ? end : 0;
  }

  size_t find(const char* characters) const {
    const size_t end = text_.find_first_of(characters, at_);
    if (end == text_.npos) throw PtxError(line_, "the statement has no end");
    return end;
  }

  void skip_space() { take(std::min(text_.find_first_not_of(kSpace, at_), text_.size())); }

  std::string_view take(size_t end) {
    const std::string_view taken = text_.substr(at_, end - at_);
    line_ += static_cast<u32>(std::count(taken.begin(), taken.end(), '\n'));
    at_ = end;
    return taken;
  }

  std::string_view text_;
  size_t at_ = 0;
  u32 line_ = 1;
};

}  // namespace

std::string without_comments(std::string_view text) {
  std::string result(text);
  for (size_t at = 0; (at = result.find('/', at)) != result.npos;) {
    size_t end = at + 1;
    if (result.compare(at, 2, "//") == 0) end = std::min(result.find('\n', at), result.size());
    if (result.compare(at, 2, "/*") == 0) end = std::min(result.find("*/", at + 2), result.size() - 2) + 2;
    if (end > at + 1)
      std::replace_if(
          result.begin() + at, result.begin() + end, [](char c) { return c != '\n'; }, ' ');
    at = end;
  }
  return result;
}

std::vector<Statement> statements(std::string_view text) { return Scanner(text).all(); }

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> items;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    depth += (c == '{' || c == '[' || c == '(') - (c == '}' || c == ']' || c == ')');
    if (c == ',' && depth == 0) {
      items.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  if (const std::string_view rest = trimmed(text.substr(begin)); !rest.empty()) items.push_back(rest);
  return items;
}

std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  const size_t end = std::min(text.find_first_of(kSpace), text.size());
  const std::string_view word = text.substr(0, end);
  text = trimmed(text.substr(end));
  return word;
}

bool starts_with_directive(std::string_view text, std::string_view directive) {
  return text.substr(0, directive.size()) == directive &&
         (text.size() == directive.size() || !is_name_character(text[directive.size()]));
}

}  // namespace simulated
