// As much of ONNX Runtime as the operators ask for: tensors of exactly the bytes that they say, so that a sanitizer sees
// every read beyond an end.
#pragma once
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../source/ort_api.h"

struct OrtStatus {
  std::string text;
};

struct OrtTensorTypeAndShapeInfo {
  int type;
  std::vector<int64_t> dims;
};

struct OrtValue {
  OrtTensorTypeAndShapeInfo info;
  std::unique_ptr<uint8_t[]> bytes;

  static size_t size_of(int type) { return type == ort::kFloat ? 4 : type == ort::kInt64 ? 8 : type == ort::kBfloat16 ? 2 : 1; }
  OrtValue(int type, std::vector<int64_t> dims) : info{type, std::move(dims)} {
    size_t count = size_of(type);
    for (const int64_t d : info.dims) count *= size_t(d);
    bytes.reset(new uint8_t[count]);
    length = count;
  }
  size_t length;
  float* floats() { return reinterpret_cast<float*>(bytes.get()); }
};

struct OrtCustomOpDomain {
  std::map<std::string, const OrtCustomOp*> operators;
};
struct OrtSessionOptions {
  OrtCustomOpDomain* domain = nullptr;
};
struct OrtKernelInfo {
  std::map<std::string, int64_t> attributes;
  std::map<std::string, float> reals;
  std::vector<const OrtValue*> constants;  // null where an input is none
};
struct OrtKernelContext {
  std::vector<const OrtValue*> inputs;
  std::unique_ptr<OrtValue> outputs[3];
  const OrtCustomOp* op = nullptr;
  size_t threads = 2;
};

namespace fake {

inline OrtStatus* refuse(const std::string& text) { return new OrtStatus{text}; }

inline const OrtApi* table(uint32_t version) {
  static OrtApi api{};
  static const bool filled = [] {
    const auto set = [](ort::Position at, auto* function) { api.functions[at] = reinterpret_cast<void*>(function); };
    set(ort::kCreateStatus, +[](int, const char* text) { return refuse(text); });
    set(ort::kCreateCustomOpDomain, +[](const char*, OrtCustomOpDomain** out) -> OrtStatus* {
      *out = new OrtCustomOpDomain;
      return nullptr;
    });
    set(ort::kCustomOpDomain_Add, +[](OrtCustomOpDomain* domain, const OrtCustomOp* op) -> OrtStatus* {
      domain->operators[op->GetName(op)] = op;
      return nullptr;
    });
    set(ort::kAddCustomOpDomain, +[](OrtSessionOptions* options, OrtCustomOpDomain* domain) -> OrtStatus* {
      options->domain = domain;
      return nullptr;
    });
    set(ort::kGetTensorMutableData, +[](OrtValue* value, void** out) -> OrtStatus* {
      *out = value->bytes.get();
      return nullptr;
    });
    set(ort::kGetTensorTypeAndShape, +[](const OrtValue* value, OrtTensorTypeAndShapeInfo** out) -> OrtStatus* {
      *out = new OrtTensorTypeAndShapeInfo(value->info);
      return nullptr;
    });
    set(ort::kGetTensorElementType, +[](const OrtTensorTypeAndShapeInfo* info, int* out) -> OrtStatus* {
      *out = info->type;
      return nullptr;
    });
    set(ort::kGetDimensionsCount, +[](const OrtTensorTypeAndShapeInfo* info, size_t* out) -> OrtStatus* {
      *out = info->dims.size();
      return nullptr;
    });
    set(ort::kGetDimensions, +[](const OrtTensorTypeAndShapeInfo* info, int64_t* out, size_t count) -> OrtStatus* {
      std::copy(info->dims.begin(), info->dims.begin() + std::ptrdiff_t(count), out);
      return nullptr;
    });
    set(ort::kReleaseTensorTypeAndShapeInfo, +[](OrtTensorTypeAndShapeInfo* info) { delete info; });
    set(ort::kKernelInfoGetAttribute_float, +[](const OrtKernelInfo* info, const char* name, float* out) -> OrtStatus* {
      const auto found = info->reals.find(name);
      if (found == info->reals.end()) return refuse("no such attribute");
      *out = found->second;
      return nullptr;
    });
    set(ort::kKernelInfoGetAttribute_int64, +[](const OrtKernelInfo* info, const char* name, int64_t* out) -> OrtStatus* {
      const auto found = info->attributes.find(name);
      if (found == info->attributes.end()) return refuse("no such attribute");
      *out = found->second;
      return nullptr;
    });
    set(ort::kKernelInfoGetConstantInput_tensor,
        +[](const OrtKernelInfo* info, size_t index, int* is_constant, const OrtValue** out) -> OrtStatus* {
          *out = index < info->constants.size() ? info->constants[index] : nullptr;
          *is_constant = *out != nullptr;
          return nullptr;
        });
    set(ort::kKernelContext_GetInput, +[](const OrtKernelContext* context, size_t index, const OrtValue** out) -> OrtStatus* {
      *out = index < context->inputs.size() ? context->inputs[index] : nullptr;
      return nullptr;
    });
    set(ort::kKernelContext_GetOutput,
        +[](OrtKernelContext* context, size_t index, const int64_t* dims, size_t rank, OrtValue** out) -> OrtStatus* {
          context->outputs[index].reset(new OrtValue(context->op->GetOutputType(context->op, index), {dims, dims + rank}));
          *out = context->outputs[index].get();
          return nullptr;
        });
    set(ort::kKernelContext_ParallelFor,
        +[](const OrtKernelContext* context, void (*run)(void*, size_t), size_t total, size_t, void* data) -> OrtStatus* {
          std::vector<std::thread> threads;
          for (size_t t = 1; t < context->threads; ++t)
            threads.emplace_back([=] {
              for (size_t i = t; i < total; i += context->threads) run(data, i);
            });
          for (size_t i = 0; i < total; i += context->threads) run(data, i);
          for (std::thread& thread : threads) thread.join();
          return nullptr;
        });
    return true;
  }();
  return filled && version <= ort::kVersion ? &api : nullptr;
}

}  // namespace fake
