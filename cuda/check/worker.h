// The process that runs cases, and the one that watches it.
#pragma once

#include <map>
#include <regex>
#include <string>
#include <vector>

#include "check/gpu.h"

namespace transfusion::check {

using Arguments = std::map<std::string, std::string>;

// The cases that the arguments name.
Cases chosen_cases(const Arguments& arguments);
// Whether these are all cases of kernels: each kernel is to be among them.
bool chose_all(const Arguments& arguments);

// Runs cases from --first on and prints a line for each event: "D {..}" the device's properties, "C 3" case 3
// begins, "R 1 ,add,fill {..}" its result: whether it holds, the kernels that it called, and all as JSON;
// "E .." why no more is done. Returns the exit code.
int work(const Arguments& arguments);

// Runs cases in such processes, another one after each that crashed, hung, or lost its device, and writes
// --output whenever something is known. Returns whether all holds.
bool watch(const std::string& program, const Arguments& arguments);

}  // namespace transfusion::check
