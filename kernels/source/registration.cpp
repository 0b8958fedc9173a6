// The library's border: ONNX Runtime asks for the operators, and the runtime's Python for version and level.
#include "block_linear.h"
#include "column_linear.h"
#include "experts.h"
#include "latent_attention.h"
#include "latent_inputs.h"
#include "plain_step.h"
#include "vision_attention.h"

namespace {

constexpr const char* kDomain = "dsvl2";
constexpr int kLibraryVersion = DSVL2_KERNELS_VERSION;

template <class... Kernels>
void add_all(const dsvl2::Api& api, OrtCustomOpDomain* domain) {
  (
      [&] {
        static const OrtCustomOp op = dsvl2::describe<Kernels>();
        api.check(api.call<OrtStatus*, OrtCustomOpDomain*, const OrtCustomOp*>(ort::kCustomOpDomain_Add, domain, &op));
      }(),
      ...);
}

}  // namespace

DSVL2_EXPORT OrtStatus* DSVL2_ORT_CALL RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
  const OrtApi* const table = base->GetApi(ort::kVersion);
  if (!table) {
    const dsvl2::Api first(base->GetApi(1));
    return first.status(ort::kFail, "this ONNX Runtime is older than 1.17, which the dsvl2 kernels need");
  }
  const dsvl2::Api api(table);
  return dsvl2::guarded(api, kDomain, [&] {
    dsvl2::chosen_level();
    // One domain serves all sessions. It is never released: sessions refer to it until the process ends.
    static OrtCustomOpDomain* const domain = [&] {
      OrtCustomOpDomain* made = nullptr;
      api.check(api.call<OrtStatus*, const char*, OrtCustomOpDomain**>(ort::kCreateCustomOpDomain, kDomain, &made));
      add_all<dsvl2::BlockLinear, dsvl2::ColumnLinear, dsvl2::Experts, dsvl2::LatentInputs, dsvl2::LatentStep,
              dsvl2::LatentPrompt, dsvl2::PlainStep, dsvl2::VisionAttention>(api, made);
      return made;
    }();
    api.check(api.call<OrtStatus*, OrtSessionOptions*, OrtCustomOpDomain*>(ort::kAddCustomOpDomain, options, domain));
  });
}

DSVL2_EXPORT int dsvl2_kernels_version() { return kLibraryVersion; }

// Names of the levels that can run here, the slowest first, with spaces between them.
DSVL2_EXPORT const char* dsvl2_kernels_levels() {
  static const std::string names = [] {
    std::string all;
    for (const dsvl2::Level& level : dsvl2::levels()) all += (all.empty() ? "" : " ") + std::string(level.name);
    return all;
  }();
  return names.c_str();
}
