#include "napi_file_lock.h"

#include <sys/file.h>

#include <cerrno>

namespace transfusion {

Napi::Value lock_file(const Napi::CallbackInfo& info) {
  const int failed = flock(info[0].ToNumber().Int32Value(), LOCK_EX | LOCK_NB);
  return Napi::Number::New(info.Env(), failed ? errno : 0);
}

}  // namespace transfusion
