#include "block_linear.h"

#include "records.h"

namespace dsvl2 {
namespace {

constexpr int64_t kMost = int64_t(1) << 31;
constexpr size_t kRowsAtATime = 16;  // that a task quantises

void add(const float* x, size_t count, float* y) {
  for (size_t i = 0; i < count; ++i) y[i] += x[i];
}

}  // namespace

BlockLinear::BlockLinear(const Info& info)
    : kernels_(chosen_level().blocks),
      weight_(info, 1, "the weight", 1, size_t(info.attribute("N", 1, kMost)), size_t(info.attribute("K", 1, kMost)),
              size_t(info.attribute("bits", 4, 8)), size_t(info.attribute("block_size", 16, kLargestBlock))),
      norm_(info, 3, weight_.in_features) {}

void BlockLinear::compute(const Context& context) const {
  const Tensor x = context.input(0, ort::kFloat, "x");
  const size_t width = weight_.in_features, n = weight_.rows;
  require(x.rank() > 0 && x.dim(x.rank() - 1) == width,
          std::string(kName) + ": x has the shape " + x.shape() + ", but the weight takes " + std::to_string(width) + " features");
  const size_t rows = x.rows();
  std::vector<int64_t> dims = x.dims;
  dims.back() = int64_t(n);
  norm_.check(context);
  const Tensor added = context.optional_input(4, ort::kFloat, "the residual");
  require(!added.data || added.dims == dims, std::string(kName) + ": the residual has the shape " + added.shape());
  const float* const residual = added.as<float>();
  float* const y = context.output(dims);
  if (rows == 0) return;

  const Weights weights = weight_.matrix(0);
  Records records(weight_.layout(), rows);
  context.parallel((rows + kRowsAtATime - 1) / kRowsAtATime, [&](size_t task) {
    for (size_t r = task * kRowsAtATime; r < std::min(rows, (task + 1) * kRowsAtATime); ++r) {
      const float* row = x.as<float>() + r * width;
      if (norm_) {
        float* const normed = float_scratch(width);
        norm_.row(row, normed);
        row = normed;
      }
      kernels_.quantize(row, width, records.layout, 0, records.clear(r));
    }
  });

  if (rows <= few_rows(weight_.bits)) {
    const size_t piece = std::clamp<size_t>(n / 16, 64, 1024);
    context.parallel((n + piece - 1) / piece, [&](size_t task) {
      const size_t first = task * piece, count = std::min(piece, n - first);
      const uint8_t* some[kFewRows];
      for (size_t r = 0; r < rows; ++r) some[r] = records.record(r);
      kernels_.row_products(weights, first, count, records.layout, some, rows, y + first, n);
      for (size_t r = 0; residual && r < rows; ++r) add(residual + r * n + first, count, y + r * n + first);
    });
    return;
  }

  const size_t pieces = pieces_of(rows, records.layout.stride), piece = (rows + pieces - 1) / pieces;
  const size_t panels = (n + kPanel - 1) / kPanel, together = rows <= kWaiting ? std::clamp<size_t>(panels / 16, 1, 4) : 1;
  const size_t groups = (panels + together - 1) / together;
  context.parallel(pieces * groups, [&](size_t task) {
    const size_t first = task / groups * piece, group = task % groups * together * kPanel;
    if (first >= rows) return;
    // Sums pass through memory several times: rows of y, each on a page of its own, would be slower than a copy.
    const size_t count = std::min(piece, rows - first), end = std::min(n, group + together * kPanel);
    float* const c = float_scratch(count * kPanel);
    for (size_t column = group; column < end; column += kPanel) {
      const size_t columns = std::min(kPanel, end - column);
      kernels_.panel_product(weights, {column, false}, records.layout, records.record(first), count, c, kPanel, columns,
                             panel_scratch());
      for (size_t r = 0; r < count; ++r) {
        const size_t at = (first + r) * n + column;
        std::copy_n(c + r * kPanel, columns, y + at);
        if (residual) add(residual + at, columns, y + at);
      }
    }
  });
}

}  // namespace dsvl2
