// A decode step over cached rows of bf16 with AMX: 16 heads are one side of a tile.
//
// Tiles multiply bf16, which has 8 bits, and add up in fp32. Rows are of bf16 as they are. Queries and weights of the softmax
// are split into a high and a low part, and both are multiplied with the rows: 16 bits of them, in two products. Scores take
// rows as tiles from where they lie; for mixing, two rows at a time are put side by side, while products of those before are
// computed.
#include <cstring>

#include "amx_tiles.h"
#include "attention_kernels.h"
#include "avx512_vectors.h"

namespace dsvl2::amx {
namespace {

using avx512::Vectors;
using Fp32 = Attention<Vectors>;

constexpr size_t kTile = 16, kPair = 2, kDepth = 32;  // of a tile: rows or columns, and bf16 in a row
constexpr size_t kTileValues = kTile * kDepth;        // bf16 of a tile; the tile of low parts lies behind that of high ones
constexpr size_t kTogether = 4;                       // sums in tiles
constexpr size_t kScored = kTogether * kTile;         // rows that are scored together
constexpr size_t kColumns = kTogether * kTile;        // that are mixed together
constexpr size_t kBlock = 2 * kScored;                // rows whose weights exist at a time
constexpr size_t kFew = 8;                            // rows for which tiles would be nearly empty
constexpr size_t kPacked = kTogether * kTileValues;   // of what is packed while the same again is multiplied
constexpr size_t kAhead = size_t(192) << 10;          // bytes that are asked for before they are used
constexpr size_t kLine = 64, kStreams = 8, kStream = size_t(16) << 10;
constexpr size_t kLines = 32;                         // that are asked for beside 8 products: nearly as many as these use up

DSVL2_INLINE size_t padded(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
DSVL2_INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

// Two numbers in bf16, rounded, that together are nearly `x`: their upper halves count.
struct Split {
  __m512i high, low;

  explicit DSVL2_INLINE Split(__m512 x) {
    high = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
    const __m512i rounded = _mm512_and_si512(high, _mm512_set1_epi32(int(0xffff0000)));
    low = _mm512_add_epi32(_mm512_castps_si512(_mm512_sub_ps(x, _mm512_castsi512_ps(rounded))), _mm512_set1_epi32(0x8000));
  }
};

// Row `row` of a tile of high parts and of one of low parts: each value of `a` has that of `b` behind it.
DSVL2_INLINE void store_pairs(const Split& a, const Split& b, Bf16* tiles, size_t row) {
  const auto pairs = [](__m512i first, __m512i second) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(first, 16), second);
  };
  _mm512_store_si512(tiles + row * kDepth, pairs(a.high, b.high));
  _mm512_store_si512(tiles + kTileValues + row * kDepth, pairs(a.low, b.low));
}

struct Layout {
  Bf16 *queries, *weights;      // [strips][2 tiles], [kBlock / kDepth][2 tiles]
  Bf16 *packed, *edge, *last;   // [2][kTogether tiles], [kScored][kDepth], [kScored][row]
  float *scores, *sums;         // [kBlock][16 heads], [kTogether][16][16]

  Layout(float* scratch, size_t row)
      : queries(reinterpret_cast<Bf16*>(scratch)), weights(queries + padded(row, kDepth) / kDepth * 2 * kTileValues),
        packed(weights + kBlock / kDepth * 2 * kTileValues), edge(packed + 2 * kPacked), last(edge + kScored * kDepth),
        scores(reinterpret_cast<float*>(last + kScored * row)), sums(scores + kBlock * kHeadLanes) {}
  float* end() const { return sums + kTogether * kTile * kTile; }
};

// Rows in groups of kScored, each of which can be read to its end: of the last one there is a copy with zeros behind it.
class Rows {
 public:
  const size_t row;

  Rows(const CachedRows& rows, Bf16* last) : row(rows.row), at_(rows.halves), whole_(rows.count / kScored * kScored), last_(last) {
    const size_t left = (rows.count - whole_) * row;
    if (left == 0) return;
    std::memcpy(last, at_ + whole_ * row, left * sizeof *last);
    std::memset(last + left, 0, (kScored * row - left) * sizeof *last);
  }
  DSVL2_INLINE const Bf16* from(size_t r) const { return r < whole_ ? at_ + r * row : last_ + (r - whole_) * row; }

 private:
  const Bf16* const at_;
  const size_t whole_;
  const Bf16* const last_;
};

// Asks for the rows while others are worked on: pieces of kStream bytes side by side, each in the order of memory, because
// the processor reads ahead by itself in each of several places.
class Ahead {
 public:
  explicit Ahead(const CachedRows& rows)
      : at_(reinterpret_cast<const char*>(rows.halves)), end_(at_ + (rows.count + rows.behind) * rows.row * sizeof(Bf16)),
        kept_(rows.ahead) {
    if (kept_ && kept_->at > at_ && kept_->at <= end_) {
      at_ = kept_->at, turn_ = kept_->turn;
      return;
    }
    for (size_t asked = 0; asked < kAhead && at_ < end_; asked += kLine, at_ += kLine) _mm_prefetch(at_, _MM_HINT_T1);
  }
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;
  ~Ahead() {
    if (kept_) *kept_ = {at_, turn_};
  }
  // For the next kLines lines; kStream is a multiple of what one place gets of them.
  DSVL2_INLINE void ask() {
    if (size_t(end_ - at_) < kStreams * kStream) {
      for (size_t i = 0; i < kLines && at_ < end_; ++i, at_ += kLine) _mm_prefetch(at_, _MM_HINT_T1);
      turn_ = 0;
      return;
    }
    for (size_t line = 0; line < kLines / kStreams; ++line, at_ += kLine)
      for (size_t i = 0; i < kStreams; ++i) _mm_prefetch(at_ + i * kStream, _MM_HINT_T1);
    turn_ += kLines / kStreams * kLine;
    if (turn_ == kStream) at_ += (kStreams - 1) * kStream, turn_ = 0;
  }

 private:
  const char *at_, *const end_;
  size_t turn_ = 0;
  ReadAhead* const kept_;
};

// In strips of 32 columns, each beside the next one.
void pack_queries(const float* q, size_t row, Bf16* to) {
  const auto at = [&](size_t d) { return Split(d < row ? Vectors::load(q + d * kHeadLanes) : Vectors::zero()); };
  for (size_t d = 0; d < row; d += kDepth, to += 2 * kTileValues)
    for (size_t i = 0; i < kTile; ++i) store_pairs(at(d + kPair * i), at(d + kPair * i + 1), to, i);
}

// `n` columns; those behind them are zeros.
DSVL2_INLINE __m512i load(const Bf16* at, size_t n) {
  return n >= kDepth ? _mm512_loadu_si512(at) : _mm512_maskz_loadu_epi16(__mmask32((1ull << n) - 1), at);
}

// scores [kScored][16 heads] of rows that lie `stride` values apart.
DSVL2_INLINE void score_strip(const Bf16* rows, size_t stride, const Bf16* q) {
  constexpr int kBytes = kDepth * sizeof(Bf16);
  const long between = long(stride * sizeof *rows);
  settle();
  _tile_loadd(6, q, kBytes);
  _tile_loadd(7, q + kTileValues, kBytes);
  _tile_loadd(4, rows, between);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(0, 4, 7);
  _tile_loadd(5, rows + kTile * stride, between);
  _tile_dpbf16ps(1, 5, 6);
  _tile_dpbf16ps(1, 5, 7);
  _tile_loadd(4, rows + 2 * kTile * stride, between);
  _tile_dpbf16ps(2, 4, 6);
  _tile_dpbf16ps(2, 4, 7);
  _tile_loadd(5, rows + 3 * kTile * stride, between);
  _tile_dpbf16ps(3, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

void score(const Bf16* rows, size_t row, const Layout& at, Ahead& ahead, float* scores) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const Bf16* q = at.queries;
  size_t d = 0;
  for (; d + kDepth <= row; d += kDepth, q += 2 * kTileValues) {
    ahead.ask();
    score_strip(rows + d, row, q);
  }
  if (d < row) {
    for (size_t r = 0; r < kScored; ++r) _mm512_store_si512(at.edge + r * kDepth, load(rows + r * row + d, row - d));
    score_strip(at.edge, kDepth, q);
  }
  constexpr size_t kFloats = kTile * kHeadLanes, kBytes = kHeadLanes * sizeof *scores;
  _tile_stored(0, scores, kBytes);
  _tile_stored(1, scores + kFloats, kBytes);
  _tile_stored(2, scores + 2 * kFloats, kBytes);
  _tile_stored(3, scores + 3 * kFloats, kBytes);
}

// Scores of `count` rows to weights in the order of the values, and how much of what was mixed before is left.
__m512 soften(const float* scores, size_t count, Bf16* weights, bool fresh, Piece* out) {
  const __m512 before = fresh ? Vectors::set1(-1e30f) : Vectors::load(out->top);
  __m512 top = before;
  for (size_t r = 0; r < count; ++r) top = Vectors::max(top, Vectors::load(scores + r * kHeadLanes));
  const auto weight = [&](size_t r) {
    return r < count ? Fp32::exp2(Vectors::sub(Vectors::load(scores + r * kHeadLanes), top)) : Vectors::zero();
  };
  __m512 total = Vectors::zero();
  for (size_t first = 0; first < count; first += kDepth, weights += 2 * kTileValues) {
    __m512i high[kTile], low[kTile];
    for (size_t i = 0; i < kTile; ++i) {
      const __m512 one = weight(first + kPair * i), other = weight(first + kPair * i + 1);
      total = Vectors::add(total, Vectors::add(one, other));
      alignas(64) Bf16 both[2 * kTileValues];
      store_pairs(Split(one), Split(other), both, 0);
      high[i] = _mm512_load_si512(both), low[i] = _mm512_load_si512(both + kTileValues);
    }
    avx512::transpose16(high);
    avx512::transpose16(low);
    for (size_t h = 0; h < kTile; ++h) {
      _mm512_store_si512(weights + h * kDepth, high[h]);
      _mm512_store_si512(weights + kTileValues + h * kDepth, low[h]);
    }
  }
  const __m512 fade = Fp32::exp2(Vectors::sub(before, top));
  Vectors::store(out->top, top);
  Vectors::store(out->sum, fresh ? total : Vectors::fma(Vectors::load(out->sum), fade, total));
  return fade;
}

// 32 rows and 64 columns, of which there are `n` or more: a row and the next one side by side, 4 columns of each 8 in one tile and
// the others in the next.
template <bool kWhole>
DSVL2_INLINE void pack_rows(const Bf16* rows, size_t stride, size_t n, size_t part, Bf16* to) {
  // A quarter of the row pairs at a time.
  DSVL2_UNROLL(4)
  for (size_t i = part * kTogether; i < (part + 1) * kTogether; ++i)
    DSVL2_UNROLL(2)
    for (size_t half = 0; half < 2; ++half) {
      const Bf16* const at = rows + kPair * i * stride + half * kDepth;
      const size_t left = kWhole ? kDepth : n > half * kDepth ? n - half * kDepth : 0;
      const __m512i one = load(at, left), other = load(at + stride, left);
      _mm512_store_si512(to + 2 * half * kTileValues + i * kDepth, _mm512_unpacklo_epi16(one, other));
      _mm512_store_si512(to + (2 * half + 1) * kTileValues + i * kDepth, _mm512_unpackhi_epi16(one, other));
    }
}

// Products of 32 rows and 64 columns; what the next ones need is packed between them.
template <bool kWhole>
DSVL2_INLINE void mix_step(const Bf16* next, size_t stride, size_t n, const Bf16* weights, const Bf16* values, Bf16* packed) {
  constexpr int kBytes = kDepth * sizeof(Bf16);
  settle();
  _tile_loadd(4, weights, kBytes);
  _tile_loadd(5, weights + kTileValues, kBytes);
#define DSVL2_MIX(sum, tile)                                        \
  _tile_loadd(tile, values + (sum) * kTileValues, kBytes);          \
  _tile_dpbf16ps(sum, 4, tile);                                     \
  _tile_dpbf16ps(sum, 5, tile);                                     \
  if (next) pack_rows<kWhole>(next, stride, n, sum, packed)
  DSVL2_MIX(0, 6);
  DSVL2_MIX(1, 7);
  DSVL2_MIX(2, 6);
  DSVL2_MIX(3, 7);
#undef DSVL2_MIX
}

// The sums of 16 heads and 64 columns in the order of `pack_rows` to that of the columns.
void put_in_order(const float* sums, size_t columns, const float* fades, bool fresh, size_t stride, float* out) {
  constexpr size_t kFloats = kTile * kTile;
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  for (size_t h = 0; h < kHeadLanes; ++h, out += stride) {
    const auto add = [&](size_t d, __m512 sum) {
      if (d < columns) Vectors::store(out + d, fresh ? sum : Vectors::fma(Vectors::load(out + d), Vectors::set1(fades[h]), sum));
    };
    for (size_t half = 0; half < 2; ++half) {
      const __m512 low = Vectors::load(sums + 2 * half * kFloats + h * kTile);
      const __m512 high = Vectors::load(sums + (2 * half + 1) * kFloats + h * kTile);
      add(half * kDepth, _mm512_permutex2var_ps(low, first, high));
      add(half * kDepth + kTile, _mm512_permutex2var_ps(low, second, high));
    }
  }
}

// out [16 heads][rank] = fades * out + weights times the `count` rows from `first` on.
void mix(const Rows& rows, size_t first, size_t count, size_t rank, const Layout& at, Ahead& ahead, const float* fades, bool fresh,
         size_t stride, float* out) {
  constexpr size_t kFloats = kTile * kTile, kBytes = kTile * sizeof(float);
  const size_t steps = (count + kDepth - 1) / kDepth;
  for (size_t part = 0; part < kTogether; ++part) pack_rows<false>(rows.from(first), rows.row, rank, part, at.packed);
  size_t turn = 0;
  for (size_t d = 0; d < rank; d += kColumns) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t step = 0; step < steps; ++step, ++turn) {
      const bool turned = step + 1 == steps;
      const size_t row = first + (turned ? 0 : step + 1) * kDepth, column = turned ? d + kColumns : d;
      const Bf16* const next = column < rank ? rows.from(row) + column : nullptr;
      const Bf16 *const values = at.packed + turn % 2 * kPacked, *const weights = at.weights + 2 * step * kTileValues;
      Bf16* const packed = at.packed + (turn + 1) % 2 * kPacked;
      ahead.ask();
      if (column + kColumns <= rank) mix_step<true>(next, rows.row, kColumns, weights, values, packed);
      else mix_step<false>(next, rows.row, rank - least(column, rank), weights, values, packed);
    }
    _tile_stored(0, at.sums, kBytes);
    _tile_stored(1, at.sums + kFloats, kBytes);
    _tile_stored(2, at.sums + 2 * kFloats, kBytes);
    _tile_stored(3, at.sums + 3 * kFloats, kBytes);
    put_in_order(at.sums, rank - d, fades, fresh, stride, out + d);
  }
}

}  // namespace

size_t rows_scratch(size_t row) {
  float* const none = nullptr;
  const size_t mine = size_t(Layout(none, row).end() - none), fp32 = avx512::kAttention.rows_scratch(row);
  return mine > fp32 ? mine : fp32;
}

void attend_rows(const float* queries, const CachedRows& rows, size_t mixed_stride, Piece* out, float* scratch) {
  if (rows.floats || rows.count < kFew) return avx512::kAttention.attend_rows(queries, rows, mixed_stride, out, scratch);
  const WholeTiles whole;
  const Layout at(scratch, rows.row);
  Ahead ahead(rows);
  const Rows all(rows, at.last);
  pack_queries(queries, rows.row, at.queries);
  for (size_t first = 0; first < rows.count; first += kBlock) {
    const size_t count = least(kBlock, rows.count - first);
    for (size_t r = 0; r < count; r += kScored) score(all.from(first + r), rows.row, at, ahead, at.scores + r * kHeadLanes);
    alignas(64) float fades[kHeadLanes];
    Vectors::store(fades, soften(at.scores, count, at.weights, first == 0, out));
    mix(all, first, count, rows.rank, at, ahead, fades, first == 0, mixed_stride, out->mixed);
  }
}

}  // namespace dsvl2::amx
