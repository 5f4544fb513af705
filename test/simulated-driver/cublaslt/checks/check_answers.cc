// What cuBLASLt answers without a GPU: check_cublaslt_answers LIBRARY, the simulated one or the real one.
#include <dlfcn.h>

#include "checks/check.h"
#include "host/cublaslt.h"

using namespace transfusion::cuda::cublaslt;

namespace {

struct AnswerChecks : simulated::Checks {
  explicit AnswerChecks(void* file) {
#define F(name, result, arguments) \
  cublas.name = reinterpret_cast<result(*) arguments>(dlsym(file, "cublasLt" #name));
    TRANSFUSION_CUBLASLT_FUNCTIONS(F)
#undef F
  }

  void gives(const std::string& what, StatusCode expected, StatusCode found) {
    check(found == expected,
          what + ": expected " + std::to_string(expected) + ", not " + std::to_string(found));
  }

  // Of an attribute with a value of `bytes`.
  template <class Set, class Object, class Attribute>
  void check_attribute(const std::string& what, Set set, Object object, Attribute attribute, size_t bytes) {
    const uint64_t value = 1;
    gives(what, kSuccess, set(object, attribute, &value, bytes));
    gives(what + " of another size", kInvalidValue, set(object, attribute, &value, 12 - bytes));
    gives(what + " of nothing", kInvalidValue, set(object, attribute, nullptr, bytes));
  }

  template <class Set, class Object, class Attribute>
  void check_unknown(const std::string& what, Set set, Object object, Attribute attribute) {
    const uint64_t value = 1;
    gives(what, kInvalidValue, set(object, attribute, &value, 4));
  }

  void run() {
    MatmulDesc desc = nullptr;
    gives("a descriptor", kSuccess, cublas.MatmulDescCreate(&desc, kCompute32F, kF32));
    const auto set_desc = cublas.MatmulDescSetAttribute;
    check_attribute("TRANSA", set_desc, desc, kTransA, 4);
    check_attribute("TRANSB", set_desc, desc, kTransB, 4);
    check_attribute("EPILOGUE", set_desc, desc, kEpilogue, 4);
    check_attribute("BIAS_POINTER", set_desc, desc, kBiasPointer, 8);
    check_unknown("no attribute of a descriptor", set_desc, desc, static_cast<MatmulDescAttribute>(999));

    MatrixLayout layout = nullptr;
    gives("a layout", kSuccess, cublas.MatrixLayoutCreate(&layout, kBf16, 64, 32, 64));
    const auto set_layout = cublas.MatrixLayoutSetAttribute;
    check_attribute("BATCH_COUNT", set_layout, layout, kBatchCount, 4);
    check_attribute("STRIDED_BATCH_OFFSET", set_layout, layout, kStridedBatchOffset, 8);
    check_unknown("no attribute of a layout", set_layout, layout, static_cast<MatrixLayoutAttribute>(999));
    // What a product needs is asked for where one is described.
    MatrixLayout narrow = nullptr;
    gives("rows beyond the stride", kSuccess, cublas.MatrixLayoutCreate(&narrow, kBf16, 64, 32, 8));

    Preference preference = nullptr;
    gives("a preference", kSuccess, cublas.MatmulPreferenceCreate(&preference));
    const auto set_preference = cublas.MatmulPreferenceSetAttribute;
    check_attribute("MAX_WORKSPACE_BYTES", set_preference, preference, kMaxWorkspaceBytes, 8);
    for (const auto attribute :
         {kReductionSchemeMask, kMinAlignmentA, kMinAlignmentB, kMinAlignmentC, kMinAlignmentD})
      check_attribute("attribute " + std::to_string(attribute) + " of a preference", set_preference,
                      preference, attribute, 4);
    check_unknown("no attribute of a preference", set_preference, preference,
                  static_cast<PreferenceAttribute>(999));

    Handle handle = nullptr;
    gives("a handle without a GPU", kNotInitialized, cublas.Create(&handle));
    check(cublas.GetStatusName(kNotInitialized) == std::string("CUBLAS_STATUS_NOT_INITIALIZED"),
          "the name of a status");
    for (const auto made : {layout, narrow})
      gives("to destroy a layout", kSuccess, cublas.MatrixLayoutDestroy(made));
    gives("to destroy a descriptor", kSuccess, cublas.MatmulDescDestroy(desc));
    gives("to destroy a preference", kSuccess, cublas.MatmulPreferenceDestroy(preference));
  }

  Functions cublas;
};

}  // namespace

int main(int count, char** arguments) {
  void* const file = count == 2 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (!file) {
    std::printf("check_cublaslt_answers LIBRARY\n");
    return 2;
  }
  AnswerChecks checks(file);
  checks.run();
  return checks.finish();
}
