// Products with int8 columns with AMX: 32 records times 32 columns at a time in four tiles of sums.
//
// A half of a panel, 32 columns, is as [64 rows of a weight][2][tile of 16 columns]; 64 values of 16 records are a tile.
// What a square of sums becomes in y is computed between the products of the next square, as tiles and vectors are
// different parts of the processor. Rows of y lie on pages of their own: a store that waits for its line holds up
// everything behind it, so the lines are asked for a square ahead, or a large y is written past the caches.
#include "amx_tiles.h"
#include "avx512_columns.h"

namespace dsvl2::amx {

namespace {

using avx512::ColumnFunctions;
using avx512::Vectors;

constexpr size_t kTileBytes = 1024, kHalf = 32;        // columns of a half
constexpr size_t kSquare = kRecordUnit * kHalf;        // sums of 32 records and 32 columns
constexpr size_t kMostSteps = 20;                      // of 64 rows: 40 KB of a half, in the first cache
static_assert(kRecordUnit == 2 * kTileRows && kColumns == 2 * kHalf, "a square is of two tiles each way");

// Squares of sums on their way to y, a row at a time.
template <bool Gelu, bool Measure, bool Past>
class Finish {
 public:
  Finish(const ColumnBlock& b, size_t column) : width_(b.width), residual_(b.residual != nullptr) {
    for (size_t j = 0; j < 2; ++j) {
      const size_t n = column + j * 16;
      const size_t here = b.columns > n ? b.columns - n : 0;
      lanes_[j] = avx512::first_lanes(static_cast<long long>(here));
      starts_[j] = _mm512_loadu_si512(b.starts + n);
      factors_[j] = _mm512_mul_ps(_mm512_set1_ps(b.scale), Vectors::load_first(b.scales + (here ? n : 0), here));
      bias_[j] = _mm512_set1_ps(-0.f);  // which leaves every number as it is
      if (b.bias) bias_[j] = Vectors::load_first(b.bias + (here ? n : 0), here);
    }
  }

  // The square that will be finished next: `ask` asks for its rows of y.
  void expect(float* y, const float* residual, size_t rows) {
    next_y_ = y, next_other_ = residual, asked_ = 0, next_rows_ = rows;
  }
  DSVL2_INLINE void ask(size_t rows) {
    for (; rows > 0 && asked_ < next_rows_; --rows, ++asked_) {
      if constexpr (!Past) {
        __builtin_prefetch(next_y_ + asked_ * width_, 1);
        __builtin_prefetch(next_y_ + asked_ * width_ + 16, 1);
      }
      if (residual_) {
        __builtin_prefetch(next_other_ + asked_ * width_);
        __builtin_prefetch(next_other_ + asked_ * width_ + 16);
      }
    }
  }
  void begin(const int32_t* sums) { sums_ = sums, y_ = next_y_, other_ = next_other_, left_ = next_rows_; }

  DSVL2_INLINE void some(size_t rows) {
    for (; rows > 0 && left_ > 0; --rows, --left_) {
      DSVL2_UNROLL(2)
      for (size_t j = 0; j < 2; ++j) {
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_load_si512(sums_ + j * 16), starts_[j]));
        __m512 v = _mm512_add_ps(_mm512_mul_ps(sum, factors_[j]), bias_[j]);
        if constexpr (Gelu) v = ColumnFunctions::gelu_of(v);
        if (residual_) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(lanes_[j], other_ + j * 16));
        if (Past && lanes_[j] == 0xffff)
          _mm512_stream_ps(y_ + j * 16, v);
        else
          _mm512_mask_storeu_ps(y_ + j * 16, lanes_[j], v);
        if constexpr (Measure) found_.add(_mm512_maskz_mov_ps(lanes_[j], v));
      }
      sums_ += kHalf, y_ += width_;
      if (residual_) other_ += width_;
    }
  }
  void rest() { some(left_); }
  void widen(Range* range) const { found_.widen(range); }

 private:
  __m512i starts_[2];
  __m512 factors_[2], bias_[2];
  __mmask16 lanes_[2];
  ColumnFunctions::Measured found_;
  const int32_t* sums_ = nullptr;
  float *y_ = nullptr, *next_y_ = nullptr;
  const float *other_ = nullptr, *next_other_ = nullptr;
  size_t left_ = 0, asked_ = 0, next_rows_ = 0, width_;
  bool residual_;
};

struct Step {
  size_t count;          // of 64 rows of a weight
  size_t finished_rows;  // of the last square in each of them
  size_t lines;          // of weights for later, which are asked for in each
};

// A square over some steps; what `c` holds is added to unless `fresh`. Records are read past the first cache, in which
// the half stays.
template <class Pending>
DSVL2_INLINE void square(const uint8_t* a, size_t next_tile, const uint8_t* b, const Step& step, const uint8_t* later, int32_t* c,
                         bool fresh, Pending& pending) {
  constexpr size_t kRow = kHalf * 4;
  if (fresh) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, c, kRow);
    _tile_loadd(1, c + 16, kRow);
    _tile_loadd(2, c + 16 * kHalf, kRow);
    _tile_loadd(3, c + 16 * kHalf + 16, kRow);
  }
  for (size_t k = 0; k < step.count; ++k, a += kTileBytes, b += 2 * kTileBytes) {
    _tile_stream_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbusd(0, 4, 6);
    _tile_loadd(7, b + kTileBytes, 64);
    _tile_dpbusd(1, 4, 7);
    _tile_stream_loadd(5, a + next_tile, 64);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
    pending.some(step.finished_rows);
    pending.ask(step.finished_rows);
    for (size_t i = 0; i < step.lines; ++i, later += 64) __builtin_prefetch(later, 0, 2);
  }
  pending.rest();
  _tile_stored(0, c, kRow);
  _tile_stored(1, c + 16, kRow);
  _tile_stored(2, c + 16 * kHalf, kRow);
  _tile_stored(3, c + 16 * kHalf + 16, kRow);
}

template <bool Gelu, bool Measure, bool Past>
void multiply(const uint8_t* panel, size_t depth, const uint8_t* records, const ColumnBlock& b, int32_t* sums, Range* range) {
  const WholeTiles whole;
  const size_t steps = depth / kDepthUnit, chunks = (steps + kMostSteps - 1) / kMostSteps, chunk = (steps + chunks - 1) / chunks;
  const size_t squares = (b.rows + kRecordUnit - 1) / kRecordUnit;
  // The next chunk, or the next half, comes from far away where chunks are many.
  const size_t lines = chunks == 1 ? 0 : (2 * kTileBytes / 64 + squares - 1) / squares;
  // Sums of all records wait where a half is multiplied in several chunks, else those of this square and the last one.
  for (size_t column = 0; column < b.columns; column += kHalf) {
    Finish<Gelu, Measure, Past> finish(b, column);
    for (size_t k = 0; k < steps; k += chunk) {
      const bool last = k + chunk >= steps;
      const Step step{last ? steps - k : chunk, (kRecordUnit + chunk - 1) / chunk, lines};
      const uint8_t* const half = panel + column * depth + k * 2 * kTileBytes;
      const uint8_t* const later = half + step.count * 2 * kTileBytes;
      for (size_t s = 0; s < squares; ++s) {
        const size_t row = s * kRecordUnit, at = row * b.width + column;
        int32_t* const c = sums + (chunks > 1 ? s : s % 2) * kSquare;
        const size_t rows = b.rows - row < kRecordUnit ? b.rows - row : kRecordUnit;
        if (last) finish.expect(b.y + at, b.residual ? b.residual + at : nullptr, rows);
        square(records + row * depth + k * kTileBytes, kTileRows * depth, half, step, later + s * lines * step.count * 64, c,
               k == 0, finish);
        if (last) finish.begin(c);
      }
    }
    finish.rest();
    if constexpr (Measure) finish.widen(range);
  }
  if constexpr (Past) _mm_sfence();
}

template <bool Past>
void multiply_some(const uint8_t* panel, size_t depth, const uint8_t* records, const ColumnBlock& b, int32_t* sums, Range* range) {
  if (b.gelu && range) return multiply<true, true, Past>(panel, depth, records, b, sums, range);
  if (b.gelu) return multiply<true, false, Past>(panel, depth, records, b, sums, range);
  if (range) return multiply<false, true, Past>(panel, depth, records, b, sums, range);
  multiply<false, false, Past>(panel, depth, records, b, sums, range);
}

}  // namespace

void quantize_columns(const float* x, size_t count, float scale, int32_t zero_point, uint8_t* record) {
  avx512::quantize_units<kTileBytes>(x, count, scale, zero_point, record);
}

void pack_columns(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums) {
  const size_t half = round_up(w.depth, kDepthUnit) * kHalf;
  avx512::pack_groups(w, first, columns, panel, sums, [half](size_t group, size_t part) {
    return part / 2 * half + group / 16 * 2 * kTileBytes + part % 2 * kTileBytes + group % 16 * 64;
  });
}

void multiply_columns(const uint8_t* panel, size_t depth, const uint8_t* records, const ColumnBlock& b, int32_t* sums,
                      Range* range) {
  const bool whole_lines = reinterpret_cast<uintptr_t>(b.y) % 64 == 0 && b.width % 16 == 0;
  if (b.large && whole_lines) return multiply_some<true>(panel, depth, records, b, sums, range);
  multiply_some<false>(panel, depth, records, b, sums, range);
}

}  // namespace dsvl2::amx
