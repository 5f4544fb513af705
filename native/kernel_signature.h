// A line of the contract as text, for messages: "add", "(Out y, In a, In b)".
#pragma once

#include <string>
#include <string_view>

namespace transfusion {

struct KernelSignature {
  const char* name;
  const char* arguments;

  // The name of an argument, counted from 0: "a".
  std::string argument(int index) const {
    std::string_view rest(arguments);
    for (int i = 0; i < index; ++i) rest.remove_prefix(rest.find(',') + 1);
    const std::string_view declaration = rest.substr(0, rest.find_first_of(",)"));
    return std::string(declaration.substr(declaration.rfind(' ') + 1));
  }
};

}  // namespace transfusion
