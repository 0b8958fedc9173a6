#include "column_linear.h"

#include <cmath>

#include "records.h"

namespace dsvl2 {
namespace {

constexpr size_t kRowsAtATime = 8;     // that a task normalises or quantises

constexpr size_t kLargeValues = size_t(1) << 20;  // of y: 4 MB

// Scale and zero point of values in a range; the scale is no number where a value is none.
void choose(const Range& range, float* scale, int32_t* zero_point) {
  *zero_point = 0;
  *scale = range.finite ? 1.f : NAN;
  const float span = range.most - range.least;
  if (!range.finite || span < kSmallestBlockMaximum) return;
  *scale = span / 255.f;
  *zero_point = int32_t(std::nearbyint(std::clamp(0.f - range.least / *scale, 0.f, 255.f)));
}

}  // namespace

ColumnLinear::ColumnLinear(const Info& info)
    : kernels_(chosen_level().columns), epsilon_(info.real("epsilon", 0.f, 1.f)), gelu_(info.attribute("gelu", 0, 1) == 1) {
  const std::string name = kName;
  const Tensor weight = info.constant(1, ort::kInt8, "the weight");
  require(weight.rank() == 2 && weight.count() > 0, name + ": the weight has the shape " + weight.shape());
  weight_ = {weight.as<int8_t>(), weight.dim(0), weight.dim(1)};
  require(weight_.depth <= kMostDepth, name + ": the weight has the shape " + weight.shape() + "; at most " +
                                           std::to_string(kMostDepth) + " features fit into a sum");
  const auto vector = [&](size_t index, const char* what, size_t length) -> const float* {
    if (index != 2 && !info.has_constant(index)) return nullptr;
    const Tensor found = info.constant(index, ort::kFloat, what);
    require(found.count() == length, name + ": " + what + " has the shape " + found.shape() + ", but the weight " + weight.shape());
    for (size_t i = 0; i < length; ++i)
      require(std::isfinite(found.as<float>()[i]), name + ": a value of " + what + " is not finite");
    return found.as<float>();
  };
  scales_ = vector(2, "the scales", weight_.width);
  bias_ = vector(3, "the bias", weight_.width);
  gamma_ = vector(4, "gamma", weight_.depth);
  beta_ = vector(5, "beta", weight_.depth);
  require((gamma_ == nullptr) == (beta_ == nullptr), name + ": gamma and beta belong together");
}

void ColumnLinear::prepare(const Context& context, const Tensor& x, const Tensor& range, uint8_t* records, float* scale,
                           int32_t* zero_point) const {
  const size_t rows = x.rows(), depth = weight_.depth;
  const RecordLayout layout(kernels_, depth);
  const size_t tasks = (rows + kRowsAtATime - 1) / kRowsAtATime;
  const float* values = x.as<float>();
  // Normalised values are computed twice, as that takes less time than to write them and to read them again.
  const auto row_of = [&](size_t row) {
    const float* const at = values + row * depth;
    if (!gamma_) return at;
    float* const normed = float_scratch(depth);
    kernels_.normalize(at, depth, gamma_, beta_, epsilon_, normed);
    return static_cast<const float*>(normed);
  };
  Range all;
  if (range.data && !gamma_) {
    all = {std::min(0.f, range.as<float>()[0]), std::max(0.f, range.as<float>()[1]),
           std::isfinite(range.as<float>()[0]) && std::isfinite(range.as<float>()[1])};
  } else {
    std::vector<Range> ranges(tasks);
    context.parallel(tasks, [&](size_t task) {
      for (size_t r = task * kRowsAtATime; r < std::min(rows, (task + 1) * kRowsAtATime); ++r)
        kernels_.measure(row_of(r), depth, &ranges[task]);
    });
    for (const Range& found : ranges) all.widen(found);
  }
  choose(all, scale, zero_point);
  context.parallel(tasks, [&](size_t task) {
    for (size_t r = task * kRowsAtATime; r < std::min(rows, (task + 1) * kRowsAtATime); ++r)
      kernels_.quantize(row_of(r), depth, *scale, *zero_point, records + layout.at(r));
  });
}

void ColumnLinear::compute(const Context& context) const {
  const Tensor x = context.input(0, ort::kFloat, "x");
  const size_t depth = weight_.depth, width = weight_.width;
  require(x.rank() > 0 && x.dim(x.rank() - 1) == depth, std::string(kName) + ": x has the shape " + x.shape() +
                                                            ", but the weight takes " + std::to_string(depth) + " features");
  const size_t rows = x.rows();
  std::vector<int64_t> dims = x.dims;
  dims.back() = int64_t(width);
  const Tensor residual = context.optional_input(6, ort::kFloat, "the residual");
  require(!residual.data || residual.dims == dims, std::string(kName) + ": the residual has the shape " + residual.shape());
  const Tensor range = context.optional_input(7, ort::kFloat, "the range");
  require(!range.data || range.count() == 2, std::string(kName) + ": the range has the shape " + range.shape());
  float* const y = context.output(dims);
  float* const y_range = context.optional_output(1, {2});

  const RecordLayout layout(kernels_, depth);
  const size_t room = round_up(rows, kRecordUnit), padded = round_up(depth, kDepthUnit);
  Buffer<uint8_t> records(product(kName, {room, layout.stride}));
  for (size_t r = rows; r < room; ++r)
    for (size_t k = 0, at = layout.at(r); k < layout.stride; k += layout.unit, at += layout.rows * layout.unit)
      std::memset(records.data() + at, 0, layout.unit);
  float scale = 1;
  int32_t zero_point = 0;
  if (rows > 0) prepare(context, x, range, records.data(), &scale, &zero_point);

  const size_t wanted = std::max<size_t>(1, (rows * layout.stride + kernels_.piece_bytes - 1) / kernels_.piece_bytes);
  const size_t piece = round_up((rows + wanted - 1) / wanted, kRecordUnit), pieces = rows ? (rows + piece - 1) / piece : 0;
  const size_t panels = (width + kColumns - 1) / kColumns;
  const size_t panel_bytes = product(kName, {padded, kColumns, kernels_.value_bytes});
  const size_t sum_bytes = sums_of(piece) * sizeof(int32_t);
  // Columns that several pieces pass under are packed once for all of them.
  const bool together = pieces > 1;
  Buffer<uint8_t> packed(together ? product(kName, {panels, panel_bytes}) : 0);
  Buffer<int32_t> all_starts(panels * kColumns);
  const auto pack = [&](size_t panel, uint8_t* to) {
    int32_t* const starts = all_starts.data() + panel * kColumns;
    kernels_.pack(weight_, panel * kColumns, std::min(kColumns, width - panel * kColumns), to, starts);
    for (size_t n = 0; n < kColumns; ++n) starts[n] *= -zero_point;
  };
  if (together) context.parallel(panels, [&](size_t panel) { pack(panel, packed.data() + panel * panel_bytes); });
  std::vector<Range> ranges(y_range ? pieces * panels : 0);
  context.parallel(pieces * panels, [&](size_t task) {
    const size_t first = task / panels * piece, panel = task % panels, column = panel * kColumns, at = first * width + column;
    uint8_t* values = packed.data() + panel * panel_bytes;
    auto* const sums = reinterpret_cast<int32_t*>(byte_scratch(sum_bytes + (together ? 0 : panel_bytes)));
    if (!together) pack(panel, values = reinterpret_cast<uint8_t*>(sums) + sum_bytes);
    kernels_.multiply(values, padded, records.data() + first * layout.stride,
                      {all_starts.data() + column, std::min(piece, rows - first), std::min(kColumns, width - column), scale,
                       scales_ + column, bias_ ? bias_ + column : nullptr,
                       residual.data ? residual.as<float>() + at : nullptr, gelu_, y + at, width, rows * width >= kLargeValues},
                      sums, y_range ? &ranges[task] : nullptr);
  });
  if (!y_range) return;
  Range all;
  for (const Range& found : ranges) all.widen(found);
  y_range[0] = all.finite ? all.least : NAN;
  y_range[1] = all.finite ? all.most : NAN;
}

}  // namespace dsvl2
