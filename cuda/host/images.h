// What nvcc made of the device halves, as it lies in this library.
#pragma once

namespace transfusion::cuda {

struct Image {
  const char* name;  // of the .cu file
  int architecture;  // 80, 86 ..: machine code; 0: PTX, which ends with a zero byte
  const char *begin, *end;
};

extern const Image images[];
extern const int image_count;

}  // namespace transfusion::cuda
