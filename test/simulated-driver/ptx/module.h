// PTX as it is run: functions of decoded instructions, whose operands are places in a warp's registers.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ptx/types.h"

namespace simulated {

struct Instruction;
struct Warp;

// Runs one instruction for the lanes of a mask, which is not empty.
using Handler = void (*)(Warp&, const Instruction&, Mask);

// What the scheduler does with an instruction beside, or instead of, running its handler.
enum class Control : u8 {
  none,
  branch,        // to `target`
  branch_index,  // to one of `targets`, by the register operand[0]
  call,          // of the function at `target`
  leave,         // ret: from a function; at the end of a kernel as exit
  exit,          // the thread ends
  warp_sync,     // runs once all lanes that the mask in operand[kMemberMask] names have come
  whole_warp,    // .aligned: runs once all lanes of the warp that have not ended have come
  barrier,       // of the block, see machine/barrier.h
};

// What the counters count together.
enum class InstructionClass : u8 {
  integer,
  floating,
  special,
  conversion,
  move,
  control,
  warp,
  barrier,
  parameter,
  global,
  shared,
  local,
  atomic,
  async_copy,
  matrix_load,
  matrix,
  kCount
};

struct SourceLine {
  u16 file = 0;  // index into Module::files
  u32 line = 0;
};

struct Instruction {
  static constexpr int kOperands = 16;

  Handler run = nullptr;
  // Offsets in bytes of 32 lanes each in Warp::registers, or indices into Warp::predicates, in the order of
  // the text with vectors laid out flat; a decoder says otherwise where it does.
  std::array<u32, kOperands> operand{};
  i64 immediate = 0;  // of an address: what is added to the register
  i32 guard = -1;     // predicate, -1: none
  bool guard_negated = false;
  Control control = Control::none;
  InstructionClass klass = InstructionClass::integer;
  u8 bytes = 0;        // of one element in memory
  u8 count = 1;        // elements of a vector
  u8 variant = 0;      // a family's own
  u8 member_mask = 0;  // index in `operand` of the mask of a warp_sync
  i32 target = -1;
  SourceLine source;
  u32 text = 0;  // line of the PTX, from 1
};

// A variable of a module or function in memory.
struct Variable {
  std::string name;
  u64 offset = 0, bytes = 0, alignment = 1;
  std::vector<u8> value;  // of .global and .const; zeros where nothing is said
};

struct Module;

struct Function {
  const Module* module = nullptr;
  std::string name;
  std::vector<Instruction> code;  // with that of the functions that it calls
  std::vector<std::vector<i32>> branch_targets;
  std::vector<Variable> parameters;
  size_t parameter_bytes = 0;
  size_t static_shared = 0;         // bytes
  size_t dynamic_shared = 0;        // where the extern array begins, behind the others
  size_t local_bytes = 0;           // of a thread
  Dimensions max_threads{0, 0, 0};  // .maxntid; zeros: not said
  size_t register_bytes = 0;        // of a warp
  size_t predicates = 0;

  // What registers hold at the start of a warp and keep: constants, and special registers by name.
  struct Constant {
    u32 offset, bytes;
    u64 value;
  };
  std::vector<Constant> constants;
  std::vector<u32> true_predicates;              // constants, too
  std::map<std::string, u32> special_registers;  // name: offset
  // Constants (64 bits) that hold the address of global variable number `global`.
  struct GlobalAddress {
    u32 offset, global;
  };
  std::vector<GlobalAddress> global_addresses;
};

struct Module {
  std::string text;
  int version = 0;  // 80: .version 8.0
  int target = 0;   // 80: sm_80
  std::vector<std::string> files;
  std::map<std::string, Function> functions;  // kernels
  std::vector<Variable> globals;              // of device memory: their addresses come with a launch
  std::vector<u8> constants;                  // memory of .const

  const Function* find(const std::string& name) const {
    const auto found = functions.find(name);
    return found == functions.end() ? nullptr : &found->second;
  }
};

struct PtxError : std::runtime_error {
  PtxError(u32 line, const std::string& what)
      : std::runtime_error("line " + std::to_string(line) + ": " + what), line(line) {}
  u32 line;
};

std::shared_ptr<const Module> parse(std::string_view ptx);

// Instructions of `ptx` that the machine does not know, by their opcode, with the first line of each.
std::map<std::string, u32> unknown_instructions(std::string_view ptx);

}  // namespace simulated
