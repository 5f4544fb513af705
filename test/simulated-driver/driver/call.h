// What entry points begin with.
#pragma once

#include <new>

#include "driver/state.h"

namespace simulated {

// Contexts that are current on this thread, the current one last; null: cuCtxSetCurrent(nullptr).
std::vector<Context*>& context_stack();
// Whether this thread runs a function that was given to a stream.
bool& in_host_function();

// Each refuses where the call cannot begin.
void expect_initialised();
Context& current_context();
Device& device_of(CUdevice ordinal);
// Of a handle that is no context that is retained: refuses.
Context& context_of(CUcontext context);

template <class Body>
CUresult answer(const char* function, Body body) {
  try {
    body();
    return CUDA_SUCCESS;
  } catch (const Refusal& refusal) {
    if (!refusal.what.empty()) report(function, refusal.code, refusal.what);
    return refusal.code;
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
}

// A call that needs no context: body(Lock&).
template <class Body>
CUresult call(const char* function, Body body) {
  return answer(function, [&] {
    Lock lock(driver().mutex);
    expect_initialised();
    body(lock);
  });
}

// A call that needs a current context: body(Context&, Lock&). A kernel that failed is what it answers.
template <class Body>
CUresult call_in_context(const char* function, Body body) {
  return call(function, [&](Lock& lock) {
    Context& context = current_context();
    if (context.error) refuse(context.error);
    body(context, lock);
    if (context.error) refuse(context.error);
  });
}

inline void expect_pointer(const void* pointer, const char* argument) {
  if (!pointer) refuse(CUDA_ERROR_INVALID_VALUE, "%s is null", argument);
}

}  // namespace simulated
