// Products with int8 columns with 256-bit vectors, for the two files that include this: with AVX-VNNI bytes are
// multiplied, with AVX2 alone numbers of 16 bits, whose pairs of products fit into 32 bits whatever they are.
//
// Everything lies in a namespace without a name: each file has its own, compiled with its own flags.
#include <cmath>

#include "avx2_vectors.h"
#include "column_kernels.h"

namespace dsvl2 {
namespace {

#if defined(DSVL2_AVX_VNNI)
constexpr size_t kValueBytes = 1;
#else
constexpr size_t kValueBytes = 2;
#endif
constexpr size_t kStep = 4 / kValueBytes;  // values of a column that are multiplied at a time
constexpr size_t kTile = 6;                // records at a time: 12 sums, 2 weights and an activation in the 16 registers
constexpr size_t kPart = 16;               // columns at a time
constexpr size_t kPartBytes = 4 * kPart;   // of a step

struct ColumnVectors : avx2::Vectors {
  static constexpr size_t kValueBytes = dsvl2::kValueBytes;
  static DSVL2_INLINE float square_root(float x) { return std::sqrt(x); }
  static DSVL2_INLINE void store_integers(uint8_t* at, Vector v) {
    const __m256i integers = _mm256_cvtps_epi32(v);
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
    if (kValueBytes == 2)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(at), words);
    else
      _mm_storel_epi64(reinterpret_cast<__m128i*>(at), _mm_packus_epi16(words, words));
  }
};

DSVL2_INLINE __m256i dot(__m256i sums, __m256i activations, __m256i weights) {
#if defined(DSVL2_AVX_VNNI)
  return _mm256_dpbusd_avx_epi32(sums, activations, weights);
#else
  return _mm256_add_epi32(sums, _mm256_madd_epi16(activations, weights));
#endif
}

// 16 bytes of a row, or the first of them and zeros.
DSVL2_INLINE __m128i some_bytes(const int8_t* at, size_t n) {
  if (n >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  alignas(16) int8_t bytes[16] = {};
  std::memcpy(bytes, at, n);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

// As [part of 16 columns][steps][16 columns][values of a step].
void pack(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums) {
  const size_t padded = round_up(w.depth, kDepthUnit);
  const __m256i ones = kValueBytes == 1 ? _mm256_set1_epi8(1) : _mm256_set1_epi16(1);
  for (size_t column = 0; column < kColumns; column += kPart) {
    const size_t n = columns > column ? columns - column : 0;
    __m256i totals[2] = {};
    for (size_t k = 0; k < padded; k += kStep, panel += kPartBytes) {
      __m128i r[kStep];
      for (size_t i = 0; i < kStep; ++i)
        r[i] = n > 0 && k + i < w.depth ? some_bytes(w.values + (k + i) * w.width + first + column, n) : _mm_setzero_si128();
      __m256i out[2];
#if defined(DSVL2_AVX_VNNI)
      const __m128i a = _mm_unpacklo_epi8(r[0], r[1]), b = _mm_unpackhi_epi8(r[0], r[1]);
      const __m128i c = _mm_unpacklo_epi8(r[2], r[3]), d = _mm_unpackhi_epi8(r[2], r[3]);
      out[0] = _mm256_set_m128i(_mm_unpackhi_epi16(a, c), _mm_unpacklo_epi16(a, c));
      out[1] = _mm256_set_m128i(_mm_unpackhi_epi16(b, d), _mm_unpacklo_epi16(b, d));
#else
      out[0] = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(r[0], r[1]));
      out[1] = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(r[0], r[1]));
#endif
      for (size_t j = 0; j < 2; ++j) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(panel + j * 32), out[j]);
        totals[j] = dot(totals[j], ones, out[j]);
      }
    }
    for (size_t j = 0; j < 2; ++j) _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + column + 8 * j), totals[j]);
  }
}

template <size_t R>
void tile(const uint8_t* panel, size_t steps, const uint8_t* records, size_t stride, int32_t* sums) {
  __m256i s[R][2];
  DSVL2_UNROLL(8)
  for (size_t i = 0; i < R; ++i) s[i][0] = s[i][1] = _mm256_setzero_si256();
  for (size_t k = 0; k < steps; ++k, panel += kPartBytes, records += 4) {
    const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel));
    const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + 32));
    DSVL2_UNROLL(8)
    for (size_t i = 0; i < R; ++i) {
      int32_t four;
      std::memcpy(&four, records + i * stride, 4);
      const __m256i a = _mm256_set1_epi32(four);
      s[i][0] = dot(s[i][0], a, w0);
      s[i][1] = dot(s[i][1], a, w1);
    }
  }
  DSVL2_UNROLL(8)
  for (size_t i = 0; i < R; ++i)
    for (size_t j = 0; j < 2; ++j) _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + i * kColumns + 8 * j), s[i][j]);
}

using Tile = void (*)(const uint8_t*, size_t, const uint8_t*, size_t, int32_t*);
constexpr Tile kTiles[kTile + 1] = {nullptr, tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

void product(const uint8_t* panel, size_t depth, const uint8_t* records, size_t count, int32_t* sums) {
  const size_t steps = depth / kStep, stride = depth * kValueBytes;
  for (size_t column = 0; column < kColumns; column += kPart)
    for (size_t i = 0; i < count; i += kTile)
      kTiles[count - i < kTile ? count - i : kTile](panel + column / kPart * steps * kPartBytes, steps, records + i * stride,
                                                    stride, sums + i * kColumns + column);
}

using Kernels = Columns<ColumnVectors>;
constexpr ColumnKernels kColumns256 = {kValueBytes,       1,    480 << 10, Kernels::measure, Kernels::normalize,
                                       Kernels::quantize, pack, Kernels::multiply<product>};

}  // namespace
}  // namespace dsvl2
