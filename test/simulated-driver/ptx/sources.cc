#include <cstdlib>

#include "ptx/body.h"

namespace simulated {

namespace {

// Of "/somewhere/cuda/rms_norm.cu": what lies in the project.
std::string short_name(std::string_view path) {
  const size_t folder = path.rfind("/cuda/");
  return std::string(folder == path.npos ? path : path.substr(folder + 1));
}

u32 take_number(std::string_view& text) {
  return static_cast<u32>(std::strtoul(std::string(take_word(text)).c_str(), nullptr, 10));
}

}  // namespace

void Sources::take_file(std::string_view text) {
  take_word(text);
  const u32 number = take_number(text);
  const size_t begin = text.find('"'), end = text.find('"', begin + 1);
  if (begin == text.npos || end == text.npos || number > 0xffff) return;
  if (files_.size() <= number) files_.resize(number + 1);
  files_[number] = short_name(text.substr(begin + 1, end - begin - 1));
}

// .loc FILE LINE COLUMN, function_name NAME, inlined_at FILE LINE COLUMN
SourceLine Sources::take_location(std::string_view text) {
  take_word(text);
  const auto position = [](std::string_view& rest) {
    const u32 file = take_number(rest), line = take_number(rest);
    return Position{static_cast<u16>(file), line};
  };
  Position at = position(text);
  const std::string_view kInlined = "inlined_at";
  if (const size_t inlined = text.find(kInlined); inlined != text.npos) {
    std::string_view rest = text.substr(inlined + kInlined.size());
    inlined_at_[at] = position(rest);
  } else {
    inlined_at_.erase(at);
  }
  Position place = at;
  for (int depth = 0; depth < 32 && !is_kernel_file(place.file); ++depth) {
    const auto outer = inlined_at_.find(place);
    if (outer == inlined_at_.end()) break;
    place = outer->second;
  }
  if (!is_kernel_file(place.file)) place = at;
  return {place.file, place.line};
}

bool Sources::is_kernel_file(u16 file) const { return file < files_.size() && files_[file].ends_with(".cu"); }

}  // namespace simulated
