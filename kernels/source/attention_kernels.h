// Attention for vectors of any width: a file of an instruction set includes this and gives its own vectors `V`, which lie
// in a namespace of that file, so that nothing compiled here can be taken for another instruction set's.
//
// Many queries: keys of a head are packed once, transposed, in blocks of kVectors vectors; a few queries at a time pass
// over the blocks with a running maximum, so that no more than [queries, block] scores exist.
#pragma once
#include "attention.h"
#include "compiler.h"
#include "power_of_two.h"

namespace dsvl2 {

template <class V>
struct Attention {
  using Vector = typename V::Vector;
  static constexpr size_t W = V::kWidth, kVectors = V::kVectors, kBlock = W * kVectors, kTile = V::kTile;
  static constexpr size_t kQueries = 8 * kTile;  // that pass over the keys together

  static DSVL2_INLINE size_t padded(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
  static DSVL2_INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }
  static DSVL2_INLINE Vector load(const float* at, size_t n) { return n >= W ? V::load(at) : V::load_first(at, n); }
  static DSVL2_INLINE void store(float* at, Vector v, size_t n) { n >= W ? V::store(at, v) : V::store_first(at, v, n); }

  static DSVL2_INLINE Vector exp2(Vector x) { return power_of_two<V>(x); }

  // ------------------------------------------------------------------------------------------------ many queries

  struct Sizes {
    size_t depth, width, blocks;  // of a score; of a value row, padded; of keys
    explicit Sizes(const HeadOfPrompt& h)
        : depth(h.keys[0].width + h.keys[1].width), width(padded(h.values.width, W)), blocks((h.key_count + kBlock - 1) / kBlock) {}
  };

  static size_t prompt_scratch(const HeadOfPrompt& h) {
    const Sizes s(h);
    return s.blocks * kBlock * (s.depth + s.width) + kQueries * (s.depth + s.width + kBlock) + 3 * W;
  }

  // Keys as [block][depth][kBlock], values as [key][width]; zeros behind the ends.
  static void pack(const HeadOfPrompt& h, const Sizes& s, float* keys, float* values) {
    for (size_t first = 0; first < s.blocks * kBlock; first += W) {
      float* to = keys + first / kBlock * kBlock * s.depth + first % kBlock;
      for (const Part& part : h.keys) {
        for (size_t d = 0; d < part.width; d += W) {
          const size_t here = least(W, part.width - d);
          Vector r[W];
          for (size_t i = 0; i < W; ++i)
            r[i] = first + i < h.key_count ? load(part.at + (first + i) * part.stride + d, here) : V::zero();
          V::transpose(r);
          for (size_t i = 0; i < here; ++i) V::store(to + (d + i) * kBlock, r[i]);
        }
        to += part.width * kBlock;
      }
    }
    for (size_t j = 0; j < s.blocks * kBlock; ++j)
      for (size_t d = 0; d < s.width; d += W) {
        const bool real = j < h.key_count;
        V::store(values + j * s.width + d, real ? load(h.values.at + j * h.values.stride + d, h.values.width - d) : V::zero());
      }
  }

  template <size_t R>
  static DSVL2_INLINE void score_tile(const float* q, size_t depth, const float* keys, float* scores) {
    Vector sums[R][kVectors];
    DSVL2_UNROLL(8)
    for (size_t i = 0; i < R; ++i)
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < kVectors; ++v) sums[i][v] = V::zero();
    for (size_t d = 0; d < depth; ++d, keys += kBlock) {
      Vector k[kVectors];
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < kVectors; ++v) k[v] = V::load(keys + v * W);
      DSVL2_UNROLL(8)
      for (size_t i = 0; i < R; ++i) {
        const Vector a = V::set1(q[i * depth + d]);
        DSVL2_UNROLL(4)
        for (size_t v = 0; v < kVectors; ++v) sums[i][v] = V::fma(a, k[v], sums[i][v]);
      }
    }
    DSVL2_UNROLL(8)
    for (size_t i = 0; i < R; ++i)
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < kVectors; ++v) V::store(scores + i * kBlock + v * W, sums[i][v]);
  }

  // mixed[i] = fade[i] * mixed[i] + weights[i] * values, N vectors of R rows.
  template <size_t R, size_t N>
  static DSVL2_INLINE void mix_tile(const float* weights, size_t keys, const float* values, size_t width, const float* fade,
                                    float* mixed) {
    Vector sums[R][N];
    DSVL2_UNROLL(8)
    for (size_t i = 0; i < R; ++i)
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < N; ++v) sums[i][v] = V::mul(V::set1(fade[i]), V::load(mixed + i * width + v * W));
    for (size_t j = 0; j < keys; ++j, values += width) {
      Vector x[N];
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < N; ++v) x[v] = V::load(values + v * W);
      DSVL2_UNROLL(8)
      for (size_t i = 0; i < R; ++i) {
        const Vector a = V::set1(weights[i * kBlock + j]);
        DSVL2_UNROLL(4)
        for (size_t v = 0; v < N; ++v) sums[i][v] = V::fma(a, x[v], sums[i][v]);
      }
    }
    DSVL2_UNROLL(8)
    for (size_t i = 0; i < R; ++i)
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < N; ++v) V::store(mixed + i * width + v * W, sums[i][v]);
  }

  template <size_t R>
  static void mix_rows(const float* weights, size_t keys, const float* values, size_t width, const float* fade, float* mixed) {
    size_t d = 0;
    for (; d + kVectors * W <= width; d += kVectors * W) mix_tile<R, kVectors>(weights, keys, values + d, width, fade, mixed + d);
    for (; d < width; d += W) mix_tile<R, 1>(weights, keys, values + d, width, fade, mixed + d);
  }

  // Row by row: scores to weights, in place; what earlier blocks have mixed fades by fade[i].
  static void soften(float* scores, size_t rows, size_t first_key, const size_t* seen, float* top, float* sum, float* fade) {
    for (size_t i = 0; i < rows; ++i, scores += kBlock) {
      const size_t here = seen[i] <= first_key ? 0 : least(kBlock, seen[i] - first_key);
      Vector most = V::set1(top[i]);
      for (size_t j = 0; j < here; j += W)
        most = V::max(most, here - j >= W ? V::load(scores + j) : V::first_or(V::load(scores + j), here - j, V::set1(top[i])));
      const float now = V::largest(most);
      alignas(64) float before[W];
      V::store(before, exp2(V::sub(V::set1(top[i]), V::set1(now))));
      fade[i] = before[0];
      Vector total = V::zero();
      for (size_t j = 0; j < kBlock; j += W) {
        Vector e = exp2(V::sub(V::load(scores + j), V::set1(now)));
        if (j + W > here) e = j >= here ? V::zero() : V::first_or(e, here - j, V::zero());
        V::store(scores + j, e);
        total = V::add(total, e);
      }
      top[i] = now;
      sum[i] = sum[i] * fade[i] + V::total(total);
    }
  }

  static void attend_prompt(const HeadOfPrompt& h, float* scratch) {
    const Sizes s(h);
    float* const keys = scratch;
    float* const values = keys + s.blocks * kBlock * s.depth;
    float* const scores = values + s.blocks * kBlock * s.width;
    float* const mixed = scores + kQueries * kBlock;
    float* const q = mixed + kQueries * s.width;
    pack(h, s, keys, values);
    for (size_t first = 0; first < h.query_count; first += kQueries) {
      const size_t n = least(kQueries, h.query_count - first);
      float top[kQueries], sum[kQueries], fade[kQueries];
      size_t seen[kQueries];
      for (size_t i = 0; i < n; ++i) {
        seen[i] = h.causal ? h.past + first + i + 1 : h.key_count;
        top[i] = -1e30f, sum[i] = 0;
        size_t d = 0;
        for (const Part& part : h.queries)
          for (size_t c = 0; c < part.width; ++c)
            q[i * s.depth + d++] = part.at[(first + i) * part.stride + c] * (h.scale * 1.44269504f);
      }
      for (size_t i = 0; i < n * s.width; ++i) mixed[i] = 0;
      for (size_t b = 0; b * kBlock < seen[n - 1]; ++b) {
        const float* const block = keys + b * kBlock * s.depth;
        for (size_t i = 0; i < n; i += kTile) score_some(least(kTile, n - i), q + i * s.depth, s.depth, block, scores + i * kBlock);
        soften(scores, n, b * kBlock, seen, top, sum, fade);
        const size_t used = least(kBlock, seen[n - 1] - b * kBlock);
        for (size_t i = 0; i < n; i += kTile)
          mix_some(least(kTile, n - i), scores + i * kBlock, used, values + b * kBlock * s.width, s.width, fade + i,
                   mixed + i * s.width);
      }
      for (size_t i = 0; i < n; ++i)
        for (size_t d = 0; d < h.values.width; d += W)
          store(h.out + (first + i) * h.out_stride + d, V::mul(V::load(mixed + i * s.width + d), V::set1(1.f / sum[i])),
                h.values.width - d);
    }
  }

  static void score_some(size_t rows, const float* q, size_t depth, const float* keys, float* scores) {
    if (rows == kTile) return score_tile<kTile>(q, depth, keys, scores);
    for (size_t i = 0; i < rows; ++i) score_tile<1>(q + i * depth, depth, keys, scores + i * kBlock);
  }
  static void mix_some(size_t rows, const float* weights, size_t keys, const float* values, size_t width, const float* fade,
                       float* mixed) {
    if (rows == kTile) return mix_rows<kTile>(weights, keys, values, width, fade, mixed);
    for (size_t i = 0; i < rows; ++i) mix_rows<1>(weights + i * kBlock, keys, values, width, fade + i, mixed + i * width);
  }

  // ----------------------------------------------------------------------------------------------- a decode step

  static constexpr size_t kColumnVectors = 8;           // of columns, whose sums stand in registers
  static constexpr size_t kRowBytes = size_t(4) << 10;  // of rows at a time, so that memory is read in its own order
  static constexpr size_t kAhead = size_t(2) << 10;     // and that far in advance of its use

  // sums[n] += x[k] * w[k * width + n] of N vectors of columns; the rows behind these are asked for.
  template <size_t N>
  static DSVL2_INLINE void add_columns(const float* x, size_t rows, const int8_t* w, size_t width, bool fresh, float* sums) {
    Vector v[N];
    DSVL2_UNROLL(8)
    for (size_t j = 0; j < N; ++j) v[j] = fresh ? V::zero() : V::load(sums + j * W);
    for (size_t k = 0; k < rows; ++k, w += width) {
      for (size_t byte = 0; byte < N * W; byte += 64) DSVL2_PREFETCH(w + kAhead + byte);
      const Vector a = V::set1(x[k]);
      DSVL2_UNROLL(8)
      for (size_t j = 0; j < N; ++j) v[j] = V::fma(a, V::load_int8(w + j * W), v[j]);
    }
    DSVL2_UNROLL(8)
    for (size_t j = 0; j < N; ++j) V::store(sums + j * W, v[j]);
  }

  static void int8_columns(const float* x, size_t depth, const int8_t* w, const float* scales, size_t width, float* y) {
    const size_t together = width < kRowBytes ? kRowBytes / width : 1;
    for (size_t first = 0; first < depth; first += together) {
      const size_t rows = least(together, depth - first);
      const int8_t* const at = w + first * width;
      size_t n = 0;
      for (; n + kColumnVectors * W <= width; n += kColumnVectors * W)
        add_columns<kColumnVectors>(x + first, rows, at + n, width, first == 0, y + n);
      for (; n + W <= width; n += W) add_columns<1>(x + first, rows, at + n, width, first == 0, y + n);
      for (; n < width; ++n) {
        float sum = first == 0 ? 0.f : y[n];
        for (size_t k = 0; k < rows; ++k) sum += x[first + k] * float(at[k * width + n]);
        y[n] = sum;
      }
    }
    for (size_t n = 0; n < width; n += W) {
      const size_t here = least(W, width - n);
      store(y + n, V::mul(load(y + n, here), load(scales + n, here)), here);
    }
  }

  static constexpr size_t kLaneVectors = kHeadLanes / W;
  static constexpr size_t kRows = 64;                         // at a time, so that they are read from memory once
  static constexpr size_t kScoreRows = V::kScoreRows;         // whose scores stand in registers
  static constexpr size_t kMixHeads = V::kMixHeads;           // whose mixed rows do

  template <size_t R>
  static DSVL2_INLINE void score_rows(const float* q, const float* rows, size_t row, float* scores) {
    Vector sums[R][kLaneVectors];
    DSVL2_UNROLL(16)
    for (size_t i = 0; i < R; ++i)
      DSVL2_UNROLL(2)
      for (size_t v = 0; v < kLaneVectors; ++v) sums[i][v] = V::zero();
    for (size_t d = 0; d < row; ++d) {
      DSVL2_UNROLL(2)
      for (size_t v = 0; v < kLaneVectors; ++v) {
        const Vector heads = V::load(q + d * kHeadLanes + v * W);
        DSVL2_UNROLL(16)
        for (size_t i = 0; i < R; ++i) sums[i][v] = V::fma(heads, V::set1(rows[i * row + d]), sums[i][v]);
      }
    }
    DSVL2_UNROLL(16)
    for (size_t i = 0; i < R; ++i)
      DSVL2_UNROLL(2)
      for (size_t v = 0; v < kLaneVectors; ++v) V::store(scores + i * kHeadLanes + v * W, sums[i][v]);
  }

  // `n` rows as they are, or widened: reading bf16 from memory costs more than this.
  static const float* some_rows(const CachedRows& rows, size_t first, size_t n, float* scratch) {
    if (rows.floats) return rows.floats + first * rows.row;
    const Bf16* const from = rows.halves + first * rows.row;
    for (size_t i = 0; i < n * rows.row; ++i) scratch[i] = widen(from[i]);
    return scratch;
  }

  static size_t rows_scratch(size_t row) { return kRows * row; }
  static void attend_rows(const float* q, const CachedRows& rows, size_t mixed_stride, Piece* out, float* scratch) {
    const size_t row = rows.row, rank = rows.rank, count = rows.count;
    alignas(64) float weights[kRows * kHeadLanes];
    alignas(64) float fade[kHeadLanes];
    Vector top[kLaneVectors], sum[kLaneVectors];
    for (size_t v = 0; v < kLaneVectors; ++v) top[v] = V::set1(-1e30f), sum[v] = V::zero();
    for (size_t first = 0; first < count; first += kRows) {
      const size_t n = least(kRows, count - first);
      const float* const at = some_rows(rows, first, n, scratch);
      size_t r = 0;
      for (; r + kScoreRows <= n; r += kScoreRows) score_rows<kScoreRows>(q, at + r * row, row, weights + r * kHeadLanes);
      for (; r < n; ++r) score_rows<1>(q, at + r * row, row, weights + r * kHeadLanes);
      for (size_t v = 0; v < kLaneVectors; ++v) {
        Vector most = top[v];
        for (r = 0; r < n; ++r) most = V::max(most, V::load(weights + r * kHeadLanes + v * W));
        const Vector faded = exp2(V::sub(top[v], most));
        V::store(fade + v * W, faded);
        top[v] = most;
        sum[v] = V::mul(sum[v], faded);
        for (r = 0; r < n; ++r) {
          const Vector e = exp2(V::sub(V::load(weights + r * kHeadLanes + v * W), most));
          V::store(weights + r * kHeadLanes + v * W, e);
          sum[v] = V::add(sum[v], e);
        }
      }
      for (size_t d = 0; d < rank; d += W) {
        const size_t here = least(W, rank - d);
        for (size_t h = 0; h < kHeadLanes; h += kMixHeads) {
          float* const mixed = out->mixed + h * mixed_stride + d;
          Vector sums[kMixHeads];
          DSVL2_UNROLL(16)
          for (size_t i = 0; i < kMixHeads; ++i)
            sums[i] = first == 0 ? V::zero() : V::mul(V::set1(fade[h + i]), V::load(mixed + i * mixed_stride));
          for (r = 0; r < n; ++r) {
            const Vector x = load(at + r * row + d, here);
            DSVL2_UNROLL(16)
            for (size_t i = 0; i < kMixHeads; ++i) sums[i] = V::fma(x, V::set1(weights[r * kHeadLanes + h + i]), sums[i]);
          }
          DSVL2_UNROLL(16)
          for (size_t i = 0; i < kMixHeads; ++i) V::store(mixed + i * mixed_stride, sums[i]);
        }
      }
    }
    for (size_t v = 0; v < kLaneVectors; ++v) {
      V::store(out->top + v * W, top[v]);
      V::store(out->sum + v * W, sum[v]);
    }
  }

  static constexpr AttentionKernels kernels() { return {prompt_scratch, attend_prompt, prompt_scratch, attend_prompt, int8_columns, rows_scratch, attend_rows}; }
};

}  // namespace dsvl2
