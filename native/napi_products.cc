#include "napi_products.h"

#include "napi_arguments.h"
#include "napi_environment.h"

namespace transfusion {
namespace {

using Handle = std::shared_ptr<ProductChoices>;

constexpr napi_type_tag kTag = {0x7472616e73667573, 0x696f6e2d70726f64};

Handle choices_argument(const Napi::CallbackInfo& info, const char* callee) {
  if (!info[0].IsExternal() || !info[0].As<Napi::External<Handle>>().CheckTypeTag(&kTag))
    reject(info[0], callee, "choices", "be choices of products");
  return *info[0].As<Napi::External<Handle>>().Data();
}

// Calls visit(name, member) for each of a shape's.
template <class Shape, class Visit>
void visit_members(Shape& shape, const Visit& visit) {
  visit("dtype", shape.dtype);
  visit("yDtype", shape.y_dtype);
  visit("transposeA", shape.transpose_a);
  visit("transposeB", shape.transpose_b);
  visit("bias", shape.bias);
  visit("accumulate", shape.accumulate);
  visit("aligned", shape.aligned);
  visit("batch", shape.batch);
  visit("m", shape.m);
  visit("n", shape.n);
  visit("k", shape.k);
}

void convert(const Napi::Value& value, bool& member) { member = value.ToBoolean(); }
void convert(const Napi::Value& value, i64& member) { member = value.ToNumber().Int64Value(); }
void convert(const Napi::Value& value, DType& member) {
  member = value.ToNumber().Int32Value() == static_cast<int>(DType::bf16) ? DType::bf16 : DType::f32;
}

ProductShape shape_from(const Napi::Value& value) {
  const auto object = value.ToObject();
  ProductShape shape;
  visit_members(shape, [&](const char* name, auto& member) { convert(object.Get(name), member); });
  return shape;
}

Napi::Object shape_object(Napi::Env env, const ProductShape& shape) {
  const auto object = Napi::Object::New(env);
  visit_members(shape, [&](const char* name, auto member) {
    if constexpr (std::is_same_v<decltype(member), bool>)
      object.Set(name, member);
    else
      object.Set(name, static_cast<double>(member));
  });
  return object;
}

std::string to_json(const std::vector<ProductTime>& times) {
  std::string json;
  for (const auto& [way, milliseconds] : times) {
    char number[32];
    std::snprintf(number, sizeof number, "%.9g", milliseconds);
    json += json.empty() ? "[" : ",";
    json += "{\"way\":\"";
    json += to_text(way);
    json += "\",\"milliseconds\":";
    json += number;
    json += "}";
  }
  return json + "]";
}

class Measurement final : public Command {
 public:
  Measurement(const ProductShape& shape, int samples, Environment& environment)
      : shape_(shape), samples_(samples), mailbox_(environment.mailbox()) {}

  Napi::Promise promise(Napi::Env env, Environment& environment) {
    return environment.open_promise(env, settlement_);
  }

  void launch(Device& device) override {
    try {
      const auto json = std::make_shared<std::string>(to_json(device.measure_product(shape_, samples_)));
      settlement_->bytes = {std::shared_ptr<void>(json, json->data()), json->size()};
    } catch (const std::exception& error) {
      fail_with(error.what());
    }
  }
  void cancel() override { settlement_->failure = cancelled_mark(); }
  void complete(const Status& status) override {
    if (status.failed) fail_with(status.message);
    mailbox_->post(std::move(settlement_));
  }
  bool is_awaited() const override { return true; }
  void describe(Work& work, Device*) override { work.name = "(measuring products)"; }

 private:
  void fail_with(const std::string& reason) {
    settlement_->failure = std::make_shared<const Failure>(Failure{"measure_product: " + reason});
  }

  const ProductShape shape_;
  const int samples_;
  std::unique_ptr<Environment::Settlement> settlement_;
  std::shared_ptr<Environment::Mailbox> mailbox_;
};

}  // namespace

Napi::Value create_products(const Napi::CallbackInfo& info) {
  const auto handle = Napi::External<Handle>::New(info.Env(), new Handle(std::make_shared<ProductChoices>()),
                                                  [](Napi::Env, Handle* handle) { delete handle; });
  handle.TypeTag(&kTag);
  return handle;
}

void use_products(const Napi::CallbackInfo& info) {
  Environment::of(info).set_products(info[0].IsUndefined() ? nullptr
                                                           : choices_argument(info, "use_products"));
}

void set_product(const Napi::CallbackInfo& info) {
  const std::string text = info[2].ToString().Utf8Value();
  const auto way = product_way(text);
  if (!way) reject(info[2], "set_product", "way", "be one of a product");
  choices_argument(info, "set_product")->set(shape_from(info[1]), *way, info[3].ToBoolean());
}

Napi::Value list_products(const Napi::CallbackInfo& info) {
  const auto list = Napi::Array::New(info.Env());
  for (const auto& [shape, choice] : choices_argument(info, "list_products")->list()) {
    const auto object = Napi::Object::New(info.Env());
    object.Set("shape", shape_object(info.Env(), shape));
    object.Set("way", to_text(choice.way));
    object.Set("measured", choice.measured);
    object.Set("calls", static_cast<double>(choice.calls));
    list.Set(list.Length(), object);
  }
  return list;
}

Napi::Value measure_product(const Napi::CallbackInfo& info) {
  Backend& backend = device_argument(info, 2, "measure_product");
  Environment& environment = Environment::of(info);
  auto command =
      std::make_unique<Measurement>(shape_from(info[0]), info[1].ToNumber().Int32Value(), environment);
  const Napi::Promise promise = command->promise(info.Env(), environment);
  environment.enqueue(backend, std::move(command));
  return promise;
}

}  // namespace transfusion
