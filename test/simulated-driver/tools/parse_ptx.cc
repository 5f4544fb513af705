// parse_ptx FILE...: which instructions of these PTX files the machine does not know. Exits with 1 where
// there are any.
#include <fstream>
#include <iostream>
#include <sstream>

#include "ptx/module.h"

int main(int count, char** arguments) {
  bool all_known = true;
  for (int i = 1; i < count; ++i) {
    const char* path = arguments[i];
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    try {
      for (const auto& [what, line] : simulated::unknown_instructions(text.str())) {
        all_known = false;
        std::cout << path << ":" << line << ": " << what << "\n";
      }
    } catch (const simulated::PtxError& error) {
      all_known = false;
      std::cout << path << ": " << error.what() << "\n";
    }
  }
  return all_known ? 0 : 1;
}
