// Advisory locks on open files, which the kernel releases when the process ends, however it ends.
#pragma once

#include <napi.h>

namespace transfusion {

// lock_file(file descriptor) -> 0 once it is locked for this opening of the file alone, or the errno that
// says why not: EWOULDBLOCK where another opening of it, in any process, holds the lock. Never waits.
Napi::Value lock_file(const Napi::CallbackInfo& info);

}  // namespace transfusion
