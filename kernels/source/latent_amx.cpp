// A decode step over cached rows with AMX: 16 heads are one side of a tile.
//
// Tiles multiply bf16, which has 8 bits. So every number is split into a high and a low part, and high times high, high times
// low and low times high are added up in fp32: 16 bits of each factor, in three products that together are still five times as
// fast as one in fp32. Rows are split as they are read, once for scores and once more for mixing: what is written in between
// stays in the first cache, and the rows themselves in the second.
#include <cstring>

#include "amx_tiles.h"
#include "attention_kernels.h"
#include "avx512_vectors.h"

namespace dsvl2::amx {
namespace {

using avx512::Vectors;
using Fp32 = Attention<Vectors>;
using Bf16 = uint16_t;

constexpr size_t kTile = 16, kPair = 2, kDepth = 32;  // of a tile: rows or columns, and bf16 in a row
constexpr size_t kTileValues = kTile * kDepth;        // bf16 of a tile; the tile of low parts lies behind that of high ones
constexpr size_t kTogether = 4;                       // tiles of rows
constexpr size_t kScored = kTogether * kTile;         // rows that are scored together
constexpr size_t kMixed = kTogether * kDepth;         // rows that are mixed together
constexpr size_t kFew = 8;                            // rows for which tiles would be nearly empty
constexpr size_t kPacked = 2 * kTogether * kTileValues;  // of what is packed while the same again is multiplied
constexpr size_t kAhead = size_t(192) << 10;              // bytes that are asked for before they are used
constexpr size_t kLine = 64, kStreams = 8, kStream = size_t(16) << 10;

DSVL2_INLINE size_t padded(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
DSVL2_INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

// The high halves of `high` are a number rounded to bf16, those of `low` are what is left of it, cut off.
struct Split {
  __m512i high, low;

  explicit DSVL2_INLINE Split(__m512 x) {
    high = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
    const __m512i rounded = _mm512_and_si512(high, _mm512_set1_epi32(int(0xffff0000)));
    low = _mm512_castps_si512(_mm512_sub_ps(x, _mm512_castsi512_ps(rounded)));
  }
  // The low part rounded as well: for what there is little of.
  DSVL2_INLINE Split rounded() const {
    Split both = *this;
    both.low = _mm512_add_epi32(low, _mm512_set1_epi32(0x8000));
    return both;
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

// Rows of the cache; those behind the last one are that one again, as nothing is made of them.
struct Rows {
  const float* at;
  size_t row, count;

  bool have(size_t first, size_t n, size_t d, size_t columns) const { return first + n <= count && d + columns <= row; }
  // 16 columns from d on. Where it is not known that there are as many, the columns behind a row are zeros.
  template <bool kWhole>
  DSVL2_INLINE __m512 load(size_t r, size_t d) const {
    if (kWhole) return Vectors::load(at + r * row + d);
    return d < row ? Vectors::load_first(at + least(r, count - 1) * row + d, row - d) : Vectors::zero();
  }
};

// Asks for the rows while others are worked on: pieces of kStream bytes side by side, each in the order of memory, because
// the processor reads ahead by itself in each of several places.
class Ahead {
 public:
  explicit Ahead(const CachedRows& rows)
      : at_(reinterpret_cast<const char*>(rows.at)), end_(at_ + rows.count * rows.row * sizeof(float)) {}
  void begin() {
    for (const char* const to = at_ + kAhead; at_ < to && at_ < end_; at_ += kLine) _mm_prefetch(at_, _MM_HINT_T1);
  }
  // Where the next 16 lines begin.
  DSVL2_INLINE const char* next() {
    const char* const at = at_;
    if (at + kStreams * kStream <= end_) {
      at_ += kTile / kStreams * kLine, turn_ += kTile / kStreams * kLine;
      if (turn_ == kStream) at_ += (kStreams - 1) * kStream, turn_ = 0;
    }
    return at;
  }
  static DSVL2_INLINE void ask(const char* at, size_t i) {
    _mm_prefetch(at + i % kStreams * kStream + i / kStreams * kLine, _MM_HINT_T1);
  }

 private:
  const char *at_, *const end_;
  size_t turn_ = 0;
};

struct Layout {
  Bf16 *queries, *rows, *weights;  // [strips][2 tiles], [2][kTogether][2 tiles], [kTogether][2 tiles]
  float *scores, *sums;            // [kMixed][16 heads], [4][16][16]

  Layout(float* scratch, size_t row)
      : queries(reinterpret_cast<Bf16*>(scratch)), rows(queries + padded(row, kDepth) / kDepth * 2 * kTileValues),
        weights(rows + 2 * kPacked), scores(reinterpret_cast<float*>(weights + kPacked)),
        sums(scores + kMixed * kHeadLanes) {}
  float* end() const { return sums + kTogether * kTile * kTile; }
};

// In strips of 32 columns; column c lies beside c + 16.
void pack_queries(const float* q, size_t row, Bf16* to) {
  const auto at = [&](size_t d) { return Split(d < row ? Vectors::load(q + d * kHeadLanes) : Vectors::zero()).rounded(); };
  for (size_t d = 0; d < row; d += kDepth, to += 2 * kTileValues)
    for (size_t i = 0; i < kTile; ++i) store_pairs(at(d + i), at(d + kTile + i), to, i);
}

// 16 rows and 32 columns in the order of the queries.
template <bool kWhole>
DSVL2_INLINE void pack_keys(const Rows& rows, size_t first, size_t d, const char* ahead, Bf16* to) {
  DSVL2_UNROLL(16)
  for (size_t i = 0; i < kTile; ++i) {
    Ahead::ask(ahead, i);
    store_pairs(Split(rows.load<kWhole>(first + i, d)), Split(rows.load<kWhole>(first + i, d + kTile)), to, i);
  }
}

// 32 rows and 16 columns, a row and the next one side by side.
template <bool kWhole>
DSVL2_INLINE void pack_values(const Rows& rows, size_t first, size_t d, const char* ahead, Bf16* to) {
  DSVL2_UNROLL(16)
  for (size_t i = 0; i < kTile; ++i) {
    Ahead::ask(ahead, i);
    store_pairs(Split(rows.load<kWhole>(first + kPair * i, d)), Split(rows.load<kWhole>(first + kPair * i + 1, d)), to, i);
  }
}

// What the compiler does not know: tiles are read from memory.
DSVL2_INLINE void settle() { __asm__ volatile("" : : : "memory"); }

// What the next strip needs is packed between the products of this one.
template <bool kWhole>
DSVL2_INLINE void score_strip(const Rows& rows, size_t first, size_t next, const Bf16* q, const Bf16* keys, Bf16* packed, Ahead& ahead) {
  constexpr int kBytes = kDepth * sizeof(Bf16);
  _tile_loadd(6, q, kBytes);
  _tile_loadd(7, q + kTileValues, kBytes);
#define DSVL2_SCORE(sum)                                                                                                  \
  if (packed) pack_keys<kWhole>(rows, first + (sum) * kTile, next, ahead.next(), packed + 2 * (sum) * kTileValues);        \
  settle();                                                                                                               \
  _tile_loadd(4, keys + 2 * (sum) * kTileValues, kBytes);                                                                 \
  _tile_loadd(5, keys + (2 * (sum) + 1) * kTileValues, kBytes);                                                           \
  _tile_dpbf16ps(sum, 4, 6);                                                                                              \
  _tile_dpbf16ps(sum, 4, 7);                                                                                              \
  _tile_dpbf16ps(sum, 5, 6)
  DSVL2_SCORE(0);
  DSVL2_SCORE(1);
  DSVL2_SCORE(2);
  DSVL2_SCORE(3);
#undef DSVL2_SCORE
}

// scores [kScored][16 heads] of the rows from `first` on.
void score(const Rows& rows, size_t first, const Layout& at, Ahead& ahead, float* scores) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const bool whole = rows.have(first, kScored, 0, kDepth);
  for (size_t i = 0; i < kTogether; ++i) {
    Bf16* const to = at.rows + 2 * i * kTileValues;
    if (whole) pack_keys<true>(rows, first + i * kTile, 0, ahead.next(), to);
    else pack_keys<false>(rows, first + i * kTile, 0, ahead.next(), to);
  }
  const Bf16* q = at.queries;
  for (size_t d = 0, turn = 0; d < rows.row; d += kDepth, ++turn, q += 2 * kTileValues) {
    const size_t next = d + kDepth;
    const Bf16* const keys = at.rows + turn % 2 * kPacked;
    Bf16* const packed = next < rows.row ? at.rows + (turn + 1) % 2 * kPacked : nullptr;
    if (rows.have(first, kScored, next, kDepth)) score_strip<true>(rows, first, next, q, keys, packed, ahead);
    else score_strip<false>(rows, first, next, q, keys, packed, ahead);
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
      store_pairs(Split(one).rounded(), Split(other).rounded(), both, 0);
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

// Products of 32 rows and 64 columns; what the next ones need is packed between them.
template <bool kWhole>
DSVL2_INLINE void mix_step(const Rows& rows, size_t row, size_t next, const Bf16* weights, const Bf16* values, Bf16* packed, Ahead& ahead) {
  constexpr int kBytes = kDepth * sizeof(Bf16);
  settle();
  _tile_loadd(4, weights, kBytes);
  _tile_loadd(5, weights + kTileValues, kBytes);
#define DSVL2_MIX(sum)                                                                                                    \
  if (packed) pack_values<kWhole>(rows, row, next + (sum) * kTile, ahead.next(), packed + 2 * (sum) * kTileValues);        \
  settle();                                                                                                               \
  _tile_loadd(6, values + 2 * (sum) * kTileValues, kBytes);                                                               \
  _tile_loadd(7, values + (2 * (sum) + 1) * kTileValues, kBytes);                                                         \
  _tile_dpbf16ps(sum, 4, 6);                                                                                              \
  _tile_dpbf16ps(sum, 4, 7);                                                                                              \
  _tile_dpbf16ps(sum, 5, 6)
  DSVL2_MIX(0);
  DSVL2_MIX(1);
  DSVL2_MIX(2);
  DSVL2_MIX(3);
#undef DSVL2_MIX
}

// out [16 heads][rank] = fades * out + weights times the `count` rows from `first` on.
void mix(const Rows& rows, size_t first, size_t count, size_t rank, const Layout& at, Ahead& ahead, const float* fades, bool fresh,
         size_t stride, float* out) {
  constexpr size_t kColumns = kTogether * kTile, kFloats = kTile * kTile;
  const size_t steps = (count + kDepth - 1) / kDepth;
  const bool whole = rows.have(first, kDepth, 0, kColumns);
  for (size_t i = 0; i < kTogether; ++i) {
    Bf16* const to = at.rows + 2 * i * kTileValues;
    if (whole) pack_values<true>(rows, first, i * kTile, ahead.next(), to);
    else pack_values<false>(rows, first, i * kTile, ahead.next(), to);
  }
  size_t turn = 0;
  for (size_t d = 0; d < rank; d += kColumns) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t step = 0; step < steps; ++step, ++turn) {
      const bool turned = step + 1 == steps;
      const size_t row = first + (turned ? 0 : step + 1) * kDepth, next = turned ? d + kColumns : d;
      const Bf16 *const values = at.rows + turn % 2 * kPacked, *const weights = at.weights + 2 * step * kTileValues;
      Bf16* const packed = next < rank ? at.rows + (turn + 1) % 2 * kPacked : nullptr;
      if (rows.have(row, kDepth, next, kColumns)) mix_step<true>(rows, row, next, weights, values, packed, ahead);
      else mix_step<false>(rows, row, next, weights, values, packed, ahead);
    }
    const bool straight = fresh && d + kColumns <= rank;
    float* const to = straight ? out + d : at.sums;
    const size_t step = straight ? kTile : kFloats, bytes = (straight ? stride : kTile) * sizeof *to;
    _tile_stored(0, to, bytes);
    _tile_stored(1, to + step, bytes);
    _tile_stored(2, to + 2 * step, bytes);
    _tile_stored(3, to + 3 * step, bytes);
    for (size_t part = 0; !straight && part < kTogether && d + part * kTile < rank; ++part)
      for (size_t h = 0; h < kHeadLanes; ++h) {
        float* const mixed = out + h * stride + d + part * kTile;
        const __m512 sum = Vectors::load(at.sums + part * kFloats + h * kTile);
        Vectors::store(mixed, fresh ? sum : Vectors::fma(Vectors::load(mixed), Vectors::set1(fades[h]), sum));
      }
  }
}

}  // namespace

size_t rows_scratch(size_t row) {
  float* const none = nullptr;
  return size_t(Layout(none, row).end() - none);
}

void attend_rows(const float* queries, const CachedRows& rows, size_t mixed_stride, Piece* out, float* scratch) {
  if (rows.count < kFew) return avx512::kAttention.attend_rows(queries, rows, mixed_stride, out, scratch);
  const WholeTiles whole;
  const Layout at(scratch, rows.row);
  const Rows all{rows.at, rows.row, rows.count};
  Ahead ahead(rows);
  ahead.begin();
  pack_queries(queries, rows.row, at.queries);
  for (size_t first = 0; first < rows.count; first += kMixed) {
    const size_t count = least(kMixed, rows.count - first);
    for (size_t r = 0; r < count; r += kScored) score(all, first + r, at, ahead, at.scores + r * kHeadLanes);
    alignas(64) float fades[kHeadLanes];
    Vectors::store(fades, soften(at.scores, count, at.weights, first == 0, out));
    mix(all, first, count, rows.rank, at, ahead, fades, first == 0, mixed_stride, out->mixed);
  }
}

}  // namespace dsvl2::amx
