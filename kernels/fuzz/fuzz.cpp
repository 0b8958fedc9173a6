// Feeds the operators random sizes, wrong sizes and wild values, on every level, under the sanitizers.
//
//     fuzz [rounds] [seed]
//
// A round draws an operator whose tensors fit, and runs it on every level: all must give the same bits. Then one size, one
// attribute or one value is spoiled, and the operator must refuse it or, where the change still fits, run.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include "../source/levels.h"
#include "cases.h"

extern "C" OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base);

namespace {

struct Outcome {
  std::string refused;  // empty where it ran
  std::vector<std::unique_ptr<OrtValue>> outputs;
};

std::string text_of(OrtStatus* status) {
  std::string text = status->text;
  delete status;
  return text;
}

Outcome run(const OrtCustomOp* op, const fuzz::Case& c) {
  OrtKernelInfo info{c.attributes, c.reals, {}};
  OrtKernelContext context;
  for (const auto& input : c.inputs) {
    info.constants.push_back(input.constant ? input.value.get() : nullptr);
    context.inputs.push_back(input.value.get());
  }
  context.threads = c.threads;
  context.op = op;
  void* kernel = nullptr;
  if (OrtStatus* status = op->CreateKernelV2(op, fake::table(ort::kVersion), &info, &kernel)) return {text_of(status), {}};
  OrtStatus* const status = op->KernelComputeV2(kernel, &context);
  op->KernelDestroy(kernel);
  if (status) return {text_of(status), {}};
  Outcome outcome;
  for (auto& output : context.outputs)
    if (output) outcome.outputs.push_back(std::move(output));
  return outcome;
}

// Bits, but any NaN is like any other.
bool same(const OrtValue& a, const OrtValue& b, float tolerance) {
  if (a.info.dims != b.info.dims || a.info.type != b.info.type) return false;
  if (a.info.type != ort::kFloat) return std::memcmp(a.bytes.get(), b.bytes.get(), a.length) == 0;
  const auto *x = reinterpret_cast<const float*>(a.bytes.get()), *y = reinterpret_cast<const float*>(b.bytes.get());
  float largest = 0;
  for (size_t i = 0; i < a.length / 4; ++i)
    if (std::abs(x[i]) > largest) largest = std::abs(x[i]);
  for (size_t i = 0; i < a.length / 4; ++i) {
    if (x[i] != x[i] && y[i] != y[i]) continue;
    if (tolerance == 0 ? x[i] != y[i] : !(x[i] == y[i] || std::abs(x[i] - y[i]) <= tolerance * largest)) return false;
  }
  return true;
}

bool same(const std::vector<std::unique_ptr<OrtValue>>& a, const std::vector<std::unique_ptr<OrtValue>>& b, float tolerance) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!same(*a[i], *b[i], tolerance)) return false;
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 300;
  const unsigned seed = count > 2 ? unsigned(std::atoi(arguments[2])) : 1;
  OrtSessionOptions options;
  OrtApiBase base{fake::table, nullptr};
  if (OrtStatus* status = RegisterCustomOps(&options, &base)) {
    std::printf("not registered: %s\n", text_of(status).c_str());
    return 1;
  }
  int ran = 0, refused = 0, spoiled_ran = 0;
  for (int round = 0; round < rounds; ++round) {
    std::mt19937 random(seed * 1000003u + unsigned(round));
    fuzz::Case c = fuzz::draw(random);
    const OrtCustomOp* const op = options.domain->operators.at(c.name);
    std::vector<std::unique_ptr<OrtValue>> first;
    for (const dsvl2::Level& level : dsvl2::levels()) {
      setenv("DSVL2_KERNELS", level.name, 1);
      Outcome outcome = run(op, c);
      if (!outcome.refused.empty() || (!first.empty() && !same(first, outcome.outputs, c.tolerance))) {
        std::printf("round %d, seed %u: %s on %s: %s\n", round, seed, c.name.c_str(), level.name,
                    outcome.refused.empty() ? "differs from the reference" : outcome.refused.c_str());
        return 1;
      }
      if (first.empty()) first = std::move(outcome.outputs);
      ++ran;
    }
    fuzz::spoil(c, random);
    for (const dsvl2::Level& level : dsvl2::levels()) {
      setenv("DSVL2_KERNELS", level.name, 1);
      ++(run(op, c).refused.empty() ? spoiled_ran : refused);
    }
  }
  std::printf("%d runs equal on all levels; of the spoiled ones %d refused and %d ran\n", ran, refused, spoiled_ran);
  return refused > 0 ? 0 : 1;
}
