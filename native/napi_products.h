// Choices of how products are computed (product_choices.h), for JavaScript.
#pragma once

#include <napi.h>

namespace transfusion {

// create_products() -> choices, of which JavaScript holds the handle
Napi::Value create_products(const Napi::CallbackInfo& info);
// use_products(choices or undefined): of the kernels that are called from now on
void use_products(const Napi::CallbackInfo& info);
// set_product(choices, shape, way, measured): throws where the way is none
void set_product(const Napi::CallbackInfo& info);
// list_products(choices) -> [{ shape, way, measured, calls }]
Napi::Value list_products(const Napi::CallbackInfo& info);
// measure_product(shape, samples, device) -> a promise of the JSON of [{ way, milliseconds }], as an
// ArrayBuffer
Napi::Value measure_product(const Napi::CallbackInfo& info);

}  // namespace transfusion
