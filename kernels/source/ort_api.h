// The part of ONNX Runtime's C interface that a library of custom operators needs.
//
// ONNX Runtime hands such a library a table of function pointers to which later releases only append, so a position in
// the table means the same function in every release that has it. The library is tried once with the installed release
// before it is used, so a table that differs is found before a graph runs.
#pragma once
#include <cstddef>
#include <cstdint>

#ifdef _WIN32
#define DSVL2_ORT_CALL __stdcall
#define DSVL2_EXPORT extern "C" __declspec(dllexport)
#else
#define DSVL2_ORT_CALL
#define DSVL2_EXPORT extern "C" __attribute__((visibility("default")))
#endif

struct OrtStatus;
struct OrtValue;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtKernelInfo;
struct OrtKernelContext;
struct OrtTensorTypeAndShapeInfo;

namespace ort {

constexpr uint32_t kVersion = 17;  // the first table with KernelContext_ParallelFor; every later release still serves it

enum ElementType { kAny = 0, kFloat = 1, kUint8 = 2, kInt8 = 3, kInt64 = 7, kBfloat16 = 16 };
enum ErrorCode { kFail = 1, kInvalidArgument = 2 };

// Positions in the table.
enum Position {
  kCreateStatus = 0,
  kCreateCustomOpDomain = 26,
  kCustomOpDomain_Add = 27,
  kAddCustomOpDomain = 28,
  kGetTensorMutableData = 51,
  kGetTensorElementType = 60,
  kGetDimensionsCount = 61,
  kGetDimensions = 62,
  kGetTensorTypeAndShape = 65,
  kKernelInfoGetAttribute_float = 85,
  kKernelInfoGetAttribute_int64 = 86,
  kKernelContext_GetInput = 90,
  kKernelContext_GetOutput = 91,
  kReleaseTensorTypeAndShapeInfo = 99,
  kKernelInfoGetConstantInput_tensor = 249,
  kKernelContext_ParallelFor = 274,
};
constexpr size_t kPositions = 275;

}  // namespace ort

struct OrtApi {
  void* functions[ort::kPositions];
};

struct OrtApiBase {
  const OrtApi*(DSVL2_ORT_CALL* GetApi)(uint32_t version);
  const char*(DSVL2_ORT_CALL* GetVersionString)();
};

// What ONNX Runtime asks an operator. The order of the fields is the interface.
struct OrtCustomOp {
  uint32_t version;
  void*(DSVL2_ORT_CALL* CreateKernel)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*);
  const char*(DSVL2_ORT_CALL* GetName)(const OrtCustomOp*);
  const char*(DSVL2_ORT_CALL* GetExecutionProviderType)(const OrtCustomOp*);
  int(DSVL2_ORT_CALL* GetInputType)(const OrtCustomOp*, size_t);
  size_t(DSVL2_ORT_CALL* GetInputTypeCount)(const OrtCustomOp*);
  int(DSVL2_ORT_CALL* GetOutputType)(const OrtCustomOp*, size_t);
  size_t(DSVL2_ORT_CALL* GetOutputTypeCount)(const OrtCustomOp*);
  void(DSVL2_ORT_CALL* KernelCompute)(void*, OrtKernelContext*);
  void(DSVL2_ORT_CALL* KernelDestroy)(void*);
  int(DSVL2_ORT_CALL* GetInputCharacteristic)(const OrtCustomOp*, size_t);
  int(DSVL2_ORT_CALL* GetOutputCharacteristic)(const OrtCustomOp*, size_t);
  int(DSVL2_ORT_CALL* GetInputMemoryType)(const OrtCustomOp*, size_t);
  int(DSVL2_ORT_CALL* GetVariadicInputMinArity)(const OrtCustomOp*);
  int(DSVL2_ORT_CALL* GetVariadicInputHomogeneity)(const OrtCustomOp*);
  int(DSVL2_ORT_CALL* GetVariadicOutputMinArity)(const OrtCustomOp*);
  int(DSVL2_ORT_CALL* GetVariadicOutputHomogeneity)(const OrtCustomOp*);
  OrtStatus*(DSVL2_ORT_CALL* CreateKernelV2)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*, void**);
  OrtStatus*(DSVL2_ORT_CALL* KernelComputeV2)(void*, OrtKernelContext*);
  OrtStatus*(DSVL2_ORT_CALL* InferOutputShapeFn)(const OrtCustomOp*, void*);
  int(DSVL2_ORT_CALL* GetStartVersion)(const OrtCustomOp*);
  int(DSVL2_ORT_CALL* GetEndVersion)(const OrtCustomOp*);
  size_t(DSVL2_ORT_CALL* GetMayInplace)(int**, int**);
  void(DSVL2_ORT_CALL* ReleaseMayInplace)(int*, int*);
  size_t(DSVL2_ORT_CALL* GetAliasMap)(int**, int**);
  void(DSVL2_ORT_CALL* ReleaseAliasMap)(int*, int*);
};
