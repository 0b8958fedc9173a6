#include "latent_attention.h"

#include <cmath>

#include "records.h"

namespace dsvl2 {
namespace {

constexpr int64_t kMostHeads = 4096;
constexpr size_t kManyPositions = 4;
constexpr size_t kPieces = 8, kPieceUnit = 64, kLongestPiece = 512;  // of the cache, in rows
constexpr float kLog2e = 1.44269504f;

std::string text(const char* name, const Tensor& a, const Tensor& b) {
  return std::string(name) + ": sizes do not fit: " + a.shape() + " and " + b.shape();
}

// The numbers below `count`, the first ones far apart from each other: their bits in the other order.
std::vector<size_t> far_apart(size_t count) {
  size_t bits = 0;
  while (size_t(1) << bits < count) ++bits;
  std::vector<size_t> numbers;
  for (size_t n = 0; n < size_t(1) << bits; ++n) {
    size_t turned = 0;
    for (size_t bit = 0; bit < bits; ++bit) turned |= (n >> bit & 1) << (bits - 1 - bit);
    if (turned < count) numbers.push_back(turned);
  }
  return numbers;
}

// Values of `count` heads of `width` each to [width][16], scaled; lanes without a head are zeros.
void interleave(const float* heads, size_t count, size_t width, float scale, float* out) {
  for (size_t d = 0; d < width; ++d, out += kHeadLanes) {
    for (size_t h = 0; h < count; ++h) out[h] = heads[h * width + d] * scale;
    for (size_t h = count; h < kHeadLanes; ++h) out[h] = 0;
  }
}

// Pieces of the cache into the first one, each weighed by how far its largest score lies below the largest of all.
void join(std::vector<Piece>& pieces, size_t head, size_t rank, size_t mixed_stride, float* out) {
  float top = pieces[0].top[head];
  for (const Piece& piece : pieces) top = std::max(top, piece.top[head]);
  float sum = 0;
  std::fill(out, out + rank, 0.f);
  for (const Piece& piece : pieces) {
    const float weight = std::exp2(piece.top[head] - top);
    sum += piece.sum[head] * weight;
    const float* const mixed = piece.mixed + head * mixed_stride;
    for (size_t d = 0; d < rank; ++d) out[d] += mixed[d] * weight;
  }
  for (size_t d = 0; d < rank; ++d) out[d] /= sum;
}

}  // namespace

LatentStep::LatentStep(const Info& info)
    : kernels_(chosen_level().attention),
      up_key_(info.constant(4, ort::kInt8, "up_key")),
      up_key_scales_(info.constant(5, ort::kFloat, "the scales of up_key")),
      up_value_(info.constant(6, ort::kInt8, "up_value")),
      up_value_scales_(info.constant(7, ort::kFloat, "the scales of up_value")) {
  require(up_key_.rank() == 3 && up_value_.rank() == 3, text(kName, up_key_, up_value_));
  heads_ = up_key_.dim(0), nope_ = up_key_.dim(1), rank_ = up_key_.dim(2), value_ = up_value_.dim(2);
  require(up_key_.count() > 0 && up_value_.count() > 0 && up_value_.dim(0) == heads_ && up_value_.dim(1) == rank_,
          text(kName, up_key_, up_value_));
  require(up_key_scales_.count() == heads_ * rank_, text(kName, up_key_, up_key_scales_));
  require(up_value_scales_.count() == heads_ * value_, text(kName, up_value_, up_value_scales_));
  for (const Tensor* scales : {&up_key_scales_, &up_value_scales_})
    for (size_t i = 0; i < scales->count(); ++i)
      require(std::isfinite(scales->as<float>()[i]), std::string(kName) + ": a scale is not finite");
}

void LatentStep::compute(const Context& context) const {
  const Tensor q_nope = context.input(0, ort::kFloat, "q_nope"), q_rope = context.input(1, ort::kFloat, "q_rope");
  const Tensor past = context.input(2, ort::kAny, "past"), fresh = context.input(3, ort::kAny, "new");
  require(past.type == fresh.type && (past.type == ort::kFloat || past.type == ort::kBfloat16),
          std::string(kName) + ": rows are of float or of bfloat16, all of one type");
  require(q_rope.rank() == 2 && q_rope.dim(0) % heads_ == 0, text(kName, q_nope, q_rope));
  const size_t seq = q_rope.dim(0) / heads_, rope = q_rope.dim(1), row = rank_ + rope;
  require(q_nope.count() == product(kName, {seq, heads_, nope_}), text(kName, q_nope, q_rope));
  require(past.rank() == 2 && past.dim(1) == row && fresh.count() == product(kName, {seq, row}), text(kName, past, fresh));
  const size_t past_rows = past.dim(0);
  float* const y = context.output({1, int64_t(seq), int64_t(heads_ * value_)});
  if (seq == 0) return;

  // Heads of a position in groups that share each read of a row; lanes without a head are zeros.
  const size_t groups = (heads_ + kHeadLanes - 1) / kHeadLanes, all = product(kName, {seq, groups});
  Buffer<float> queries(product(kName, {all, row, kHeadLanes})), heads(product(kName, {seq, heads_, rank_}));
  const float scale = kLog2e / std::sqrt(float(nope_ + rope));
  context.parallel(heads_ * seq, [&](size_t task) {  // all positions of a head, whose matrix stays in the cache
    const size_t h = task / seq, t = task % seq;
    kernels_.int8_columns(q_nope.as<float>() + (t * heads_ + h) * nope_, nope_, up_key_.as<int8_t>() + h * nope_ * rank_,
                          up_key_scales_.as<float>() + h * rank_, rank_, heads.data() + (t * heads_ + h) * rank_);
  });
  // Heads side by side, by one thread: of several that write into the same cache lines each waits for the others.
  context.parallel(all, [&](size_t task) {
    const size_t t = task / groups, first = task % groups * kHeadLanes, here = std::min(kHeadLanes, heads_ - first);
    float* const q = queries.data() + task * row * kHeadLanes;
    interleave(heads.data() + (t * heads_ + first) * rank_, here, rank_, scale, q);
    interleave(q_rope.as<float>() + (t * heads_ + first) * rope, here, rope, scale, q + rank_ * kHeadLanes);
  });

  // Eight pieces, so that several threads get the same share, none so long that it leaves the second cache. Several positions
  // give threads enough to do with longer pieces.
  const size_t piece_rows =
      seq >= kManyPositions ? kLongestPiece : std::min(kLongestPiece, round_up(std::max<size_t>(past_rows / kPieces, 1), kPieceUnit));
  const size_t per_group = (past_rows + piece_rows - 1) / piece_rows + 1;  // and the new rows
  const size_t mixed_stride = round_up(rank_, 16), mixed = kHeadLanes * mixed_stride;
  Buffer<float> all_mixed(product(kName, {all, per_group, mixed}));
  std::vector<std::vector<Piece>> pieces(all, std::vector<Piece>(per_group));
  const auto see = [&](size_t group, size_t i, ReadAhead* ahead) {
    const size_t first = i * piece_rows;
    Piece& piece = pieces[group][i];
    piece.mixed = all_mixed.data() + (i * all + group) * mixed;
    const bool last = i + 1 == per_group;
    const Tensor& from = last ? fresh : past;
    const size_t begin = last ? 0 : first * row, count = last ? group / groups + 1 : std::min(piece_rows, past_rows - first);
    const size_t behind = last || !ahead ? 0 : std::min(piece_rows, past_rows - first - count);
    CachedRows rows{nullptr, nullptr, row, rank_, count, behind, ahead};
    if (from.type == ort::kFloat) rows.floats = from.as<float>() + begin;
    else rows.halves = from.as<Bf16>() + begin;
    kernels_.attend_rows(queries.data() + group * row * kHeadLanes, rows, mixed_stride, &piece,
                         float_scratch(kernels_.rows_scratch(row)));
  };
  if (all == 1) {
    // A thread begins far from the others and goes on with the piece behind, whose rows it has asked for in advance.
    std::vector<std::atomic<bool>> taken(per_group);
    const std::vector<size_t> starts = far_apart(per_group);
    context.parallel(per_group, [&](size_t task) {
      ReadAhead ahead;
      for (size_t i = starts[task]; i < per_group && !taken[i].exchange(true, std::memory_order_relaxed); ++i) see(0, i, &ahead);
    });
  } else {  // all positions see a piece before the next one is read
    context.parallel(per_group * all, [&](size_t task) { see(task % all, task / all, nullptr); });
  }
  context.parallel(heads_ * seq, [&](size_t task) {
    const size_t h = task / seq, t = task % seq;
    float* const latent = heads.data() + (t * heads_ + h) * rank_;
    join(pieces[t * groups + h / kHeadLanes], h % kHeadLanes, rank_, mixed_stride, latent);
    kernels_.int8_columns(latent, rank_, up_value_.as<int8_t>() + h * rank_ * value_, up_value_scales_.as<float>() + h * value_,
                          value_, y + (t * heads_ + h) * value_);
  });
}

LatentPrompt::LatentPrompt(const Info& info)
    : kernels_(chosen_level().attention), heads_(size_t(info.attribute("heads", 1, kMostHeads))) {}

void LatentPrompt::compute(const Context& context) const {
  const Tensor q_nope = context.input(0, ort::kFloat, "q_nope"), q_rope = context.input(1, ort::kFloat, "q_rope");
  const Tensor expanded = context.input(2, ort::kFloat, "expanded"), rows = context.input(3, ort::kFloat, "rows");
  require(q_nope.rank() == 3 && q_nope.dim(0) == 1 && q_nope.dim(2) % heads_ == 0 && q_rope.rank() == 2 &&
              q_rope.dim(0) == product(kName, {q_nope.dim(1), heads_}),
          text(kName, q_nope, q_rope));
  require(expanded.rank() == 2 && rows.rank() == 2 && expanded.dim(0) == rows.dim(0) && expanded.dim(1) % heads_ == 0,
          text(kName, expanded, rows));
  const size_t seq = q_nope.dim(1), nope = q_nope.dim(2) / heads_, rope = q_rope.dim(1);
  const size_t total = rows.dim(0), row = rows.dim(1), both = expanded.dim(1) / heads_;
  require(both > nope && row >= rope && nope + rope > 0, text(kName, q_nope, expanded));
  require(total >= seq, std::string(kName) + ": more positions than rows: " + q_nope.shape() + " and " + rows.shape());
  const size_t value = both - nope;
  float* const y = context.output({1, int64_t(seq), int64_t(heads_ * value)});
  if (seq == 0) return;
  context.parallel(heads_, [&](size_t h) {
    const float* const e = expanded.as<float>() + h * both;
    const HeadOfPrompt head{{{q_nope.as<float>() + h * nope, heads_ * nope, nope}, {q_rope.as<float>() + h * rope, heads_ * rope, rope}},
                            {{e, heads_ * both, nope}, {rows.as<float>() + row - rope, row, rope}},
                            {e + nope, heads_ * both, value},
                            seq,
                            total,
                            true,
                            total - seq,
                            1.f / std::sqrt(float(nope + rope)),
                            y + h * value,
                            heads_ * value};
    kernels_.attend_prompt(head, float_scratch(kernels_.prompt_scratch(head)));
  });
}

}  // namespace dsvl2
