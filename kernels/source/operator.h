// What every operator of this library stands on: tensors with their sizes, constants, threads, and refusals.
//
// Inside the library a refusal is an exception; `guarded` turns it into ONNX Runtime's status at the border, which no
// exception may cross.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "ort_api.h"

namespace dsvl2 {

// An operator whose sizes, attributes or values do not fit; the text names the operator and both values.
class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The product of sizes, refused where it does not fit into memory's address space.
inline size_t product(const std::string& what, std::initializer_list<size_t> sizes) {
  constexpr size_t most = size_t(std::numeric_limits<std::ptrdiff_t>::max());
  size_t result = 1;
  for (const size_t size : sizes) {
    if (size != 0 && result > most / size) throw Refused(what + ": its sizes overflow");
    result *= size;
  }
  return result;
}

inline void require(bool fits, const std::string& text) {
  if (!fits) throw Refused(text);
}

// Sizes of a tensor and where its values lie.
struct Tensor {
  void* data = nullptr;
  int type = ort::kAny;
  std::vector<int64_t> dims;

  size_t rank() const { return dims.size(); }
  size_t dim(size_t axis) const { return size_t(dims[axis]); }
  size_t count() const {
    size_t n = 1;
    for (const int64_t d : dims) n = product("a tensor", {n, size_t(d)});
    return n;
  }
  // All axes but the last one.
  size_t rows() const { return rank() == 0 || dims.back() == 0 ? 0 : count() / size_t(dims.back()); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  std::string shape() const {
    std::string text = "[";
    for (size_t i = 0; i < rank(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
    return text + "]";
  }
};

// Typed calls through ONNX Runtime's table.
class Api {
 public:
  explicit Api(const OrtApi* api) : api_(api) {}

  OrtStatus* status(int code, const char* text) const {
    return call<OrtStatus*, int, const char*>(ort::kCreateStatus, code, text);
  }
  // Throws what a status says; the status is not released, as a failing session goes away with it.
  void check(OrtStatus* status) const {
    if (status) throw Failed{status};
  }
  struct Failed {
    OrtStatus* status;
  };

  template <class R, class... A>
  R call(ort::Position position, A... arguments) const {
    return reinterpret_cast<R(DSVL2_ORT_CALL*)(A...)>(api_->functions[position])(arguments...);
  }

  Tensor tensor(const OrtValue* value, int type, const std::string& what) const {
    OrtTensorTypeAndShapeInfo* info = nullptr;
    check(call<OrtStatus*, const OrtValue*, OrtTensorTypeAndShapeInfo**>(ort::kGetTensorTypeAndShape, value, &info));
    Tensor out;
    size_t rank = 0;
    using Info = const OrtTensorTypeAndShapeInfo*;
    OrtStatus* status = call<OrtStatus*, Info, int*>(ort::kGetTensorElementType, info, &out.type);
    if (!status) status = call<OrtStatus*, Info, size_t*>(ort::kGetDimensionsCount, info, &rank);
    if (!status) {
      out.dims.resize(rank);
      status = call<OrtStatus*, Info, int64_t*, size_t>(ort::kGetDimensions, info, out.dims.data(), rank);
    }
    call<void, OrtTensorTypeAndShapeInfo*>(ort::kReleaseTensorTypeAndShapeInfo, info);
    check(status);
    require(type == ort::kAny || out.type == type, what + " has another element type than the operator takes");
    for (const int64_t d : out.dims) require(d >= 0, what + " has the shape " + out.shape());
    check(call<OrtStatus*, OrtValue*, void**>(ort::kGetTensorMutableData, const_cast<OrtValue*>(value), &out.data));
    return out;
  }

 private:
  const OrtApi* api_;
};

// What an operator sees when it is created.
class Info {
 public:
  Info(const Api& api, const OrtKernelInfo* info, const char* name) : api(api), name(name), info_(info) {}

  int64_t attribute(const char* attribute) const {
    int64_t value = 0;
    api.check(api.call<OrtStatus*, const OrtKernelInfo*, const char*, int64_t*>(ort::kKernelInfoGetAttribute_int64, info_,
                                                                                attribute, &value));
    return value;
  }
  int64_t attribute(const char* attribute_name, int64_t least, int64_t most) const {
    const int64_t value = attribute(attribute_name);
    require(value >= least && value <= most, std::string(name) + ": " + attribute_name + " is " + std::to_string(value) +
                                                 "; it must be from " + std::to_string(least) + " to " +
                                                 std::to_string(most));
    return value;
  }
  float real(const char* attribute_name, float least, float most) const {
    float value = 0;
    api.check(api.call<OrtStatus*, const OrtKernelInfo*, const char*, float*>(ort::kKernelInfoGetAttribute_float, info_,
                                                                              attribute_name, &value));
    require(value >= least && value <= most, std::string(name) + ": " + attribute_name + " is " + std::to_string(value));
    return value;
  }
  // Whether there is a constant at that place; an input that may be left out is none.
  bool has_constant(size_t index) const {
    int is_constant = 0;
    const OrtValue* value = nullptr;
    api.check(api.call<OrtStatus*, const OrtKernelInfo*, size_t, int*, const OrtValue**>(
        ort::kKernelInfoGetConstantInput_tensor, info_, index, &is_constant, &value));
    return is_constant && value;
  }
  // A weight. It is read where ONNX Runtime has mapped it, for as long as the session lives.
  Tensor constant(size_t index, int type, const char* what) const {
    int is_constant = 0;
    const OrtValue* value = nullptr;
    api.check(api.call<OrtStatus*, const OrtKernelInfo*, size_t, int*, const OrtValue**>(
        ort::kKernelInfoGetConstantInput_tensor, info_, index, &is_constant, &value));
    require(is_constant && value, std::string(name) + ": " + what + " must be a constant");
    return api.tensor(value, type, std::string(name) + ": " + what);
  }

  const Api api;
  const char* const name;

 private:
  const OrtKernelInfo* info_;
};

constexpr size_t kMostThreads = 64;

// What an operator sees when it runs.
class Context {
 public:
  Context(const Api& api, OrtKernelContext* context, const char* name) : api(api), name(name), context_(context) {}

  Tensor input(size_t index, int type, const char* what) const {
    const OrtValue* value = nullptr;
    api.check(api.call<OrtStatus*, const OrtKernelContext*, size_t, const OrtValue**>(ort::kKernelContext_GetInput, context_,
                                                                                      index, &value));
    return api.tensor(value, type, std::string(name) + ": " + what);
  }
  // Without data where the graph leaves it out.
  Tensor optional_input(size_t index, int type, const char* what) const {
    const OrtValue* value = nullptr;
    api.check(api.call<OrtStatus*, const OrtKernelContext*, size_t, const OrtValue**>(ort::kKernelContext_GetInput, context_,
                                                                                      index, &value));
    return value ? api.tensor(value, type, std::string(name) + ": " + what) : Tensor{};
  }
  bool has_input(size_t index) const {
    const OrtValue* value = nullptr;
    api.check(api.call<OrtStatus*, const OrtKernelContext*, size_t, const OrtValue**>(ort::kKernelContext_GetInput, context_,
                                                                                      index, &value));
    return value != nullptr;
  }
  float* output(const std::vector<int64_t>& dims) const { return optional_output(0, dims); }
  // Null where the graph leaves it out.
  float* optional_output(size_t index, const std::vector<int64_t>& dims) const {
    OrtValue* value = nullptr;
    void* data = nullptr;
    api.check(api.call<OrtStatus*, OrtKernelContext*, size_t, const int64_t*, size_t, OrtValue**>(
        ort::kKernelContext_GetOutput, context_, index, dims.data(), dims.size(), &value));
    if (!value) return nullptr;
    api.check(api.call<OrtStatus*, OrtValue*, void**>(ort::kGetTensorMutableData, value, &data));
    return static_cast<float*>(data);
  }

  // Runs work(task) for every task from 0 on the threads of the session. Tasks begin in their order, each on whichever
  // thread is free. What a task throws is thrown here, once all threads have stopped.
  template <class Work>
  void parallel(size_t tasks, const Work& work) const {
    if (tasks == 0) return;
    struct State {
      const Work* work;
      size_t tasks;
      std::atomic<size_t> next{0};
      std::atomic<bool> failed{false};
      std::exception_ptr error;
    } state;
    state.work = &work;
    state.tasks = tasks;
    const auto run = [](void* data, size_t) {
      auto& s = *static_cast<State*>(data);
      for (;;) {
        const size_t task = s.next.fetch_add(1, std::memory_order_relaxed);
        if (task >= s.tasks) return;
        try {
          (*s.work)(task);
        } catch (...) {
          s.next.store(s.tasks, std::memory_order_relaxed);
          if (!s.failed.exchange(true)) s.error = std::current_exception();
          return;
        }
      }
    };
    const size_t starts = std::min(tasks, kMostThreads);
    api.check(api.call<OrtStatus*, const OrtKernelContext*, void (*)(void*, size_t), size_t, size_t, void*>(
        ort::kKernelContext_ParallelFor, context_, run, starts, starts, &state));
    if (state.failed) std::rethrow_exception(state.error);
  }

  const Api& api;
  const char* const name;

 private:
  OrtKernelContext* context_;
};

template <class Body>
OrtStatus* guarded(const Api& api, const char* name, const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Api::Failed& failed) {
    return failed.status;
  } catch (const Refused& refused) {
    return api.status(ort::kInvalidArgument, refused.what());
  } catch (const std::bad_alloc&) {
    // ONNX Runtime's own words, by which callers know a shortage of memory.
    return api.status(ort::kFail, "Failed to allocate memory (bad_alloc)");
  } catch (const std::exception& error) {
    return api.status(ort::kFail, (std::string(name) + ": " + error.what()).c_str());
  } catch (...) {
    return api.status(ort::kFail, name);
  }
}

template <class Kernel, class = void>
struct Arity {
  static constexpr size_t required_inputs = sizeof Kernel::kInputs / sizeof *Kernel::kInputs, outputs = 1;
};
template <class Kernel>
struct Arity<Kernel, std::void_t<decltype(Kernel::kRequiredInputs), decltype(Kernel::kOutputs)>> {
  static constexpr size_t required_inputs = Kernel::kRequiredInputs, outputs = Kernel::kOutputs;
};

template <class Kernel, class = void>
struct OutputTypes {
  static int at(size_t) { return ort::kFloat; }
};
template <class Kernel>
struct OutputTypes<Kernel, std::void_t<decltype(Kernel::kOutputTypes)>> {
  static int at(size_t i) { return Kernel::kOutputTypes[i]; }
};

// A class with `kName`, `kInputs` (element types), a constructor from Info and `compute(const Context&)`, as ONNX Runtime
// takes it. Of inputs behind the first `kRequiredInputs`, and of outputs behind the first, any may be left out.
template <class Kernel>
OrtCustomOp describe() {
  struct Instance {
    Api api;
    Kernel kernel;
  };
  OrtCustomOp op{};
  op.version = ort::kVersion;
  op.GetName = [](const OrtCustomOp*) { return Kernel::kName; };
  op.GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };  // the CPU
  op.GetInputTypeCount = [](const OrtCustomOp*) { return sizeof Kernel::kInputs / sizeof *Kernel::kInputs; };
  op.GetInputType = [](const OrtCustomOp*, size_t i) -> int { return Kernel::kInputs[i]; };
  op.GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return Arity<Kernel>::outputs; };
  op.GetOutputType = [](const OrtCustomOp*, size_t i) -> int { return OutputTypes<Kernel>::at(i); };
  constexpr static int kRequired = 0, kOptional = 1;
  op.GetInputCharacteristic = [](const OrtCustomOp*, size_t i) {
    return i < Arity<Kernel>::required_inputs ? kRequired : kOptional;
  };
  op.GetOutputCharacteristic = [](const OrtCustomOp*, size_t i) { return i == 0 ? kRequired : kOptional; };
  op.GetInputMemoryType = [](const OrtCustomOp*, size_t) { return 0; };
  op.GetVariadicInputMinArity = op.GetVariadicInputHomogeneity = [](const OrtCustomOp*) { return 1; };
  op.GetVariadicOutputMinArity = op.GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 1; };
  op.GetStartVersion = [](const OrtCustomOp*) { return 1; };
  op.GetEndVersion = [](const OrtCustomOp*) { return std::numeric_limits<int>::max(); };
  op.CreateKernelV2 = [](const OrtCustomOp*, const OrtApi* table, const OrtKernelInfo* info, void** out) -> OrtStatus* {
    const Api api(table);
    return guarded(api, Kernel::kName, [&] { *out = new Instance{api, Kernel(Info(api, info, Kernel::kName))}; });
  };
  op.KernelComputeV2 = [](void* self, OrtKernelContext* context) -> OrtStatus* {
    auto& instance = *static_cast<Instance*>(self);
    return guarded(instance.api, Kernel::kName,
                   [&] { instance.kernel.compute(Context(instance.api, context, Kernel::kName)); });
  };
  op.KernelDestroy = [](void* self) { delete static_cast<Instance*>(self); };
  return op;
}

}  // namespace dsvl2
