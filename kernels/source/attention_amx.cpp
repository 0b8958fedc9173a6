// Attention of patches with AMX in bf16: scores and mixed values are sums of tiles in fp32; the softmax is of fp32.
//
// 32 queries at a time pass over blocks of keys, so that no more than [32, block] weights exist. Where no score of these
// queries can be so large that its power of two does not fit, weights are the powers as they are; otherwise there is a
// running maximum. A column of ones behind the values sums up the weights, as they were rounded.
#include <cstring>

#include "amx_tiles.h"
#include "attention_kernels.h"
#include "avx512_vectors.h"

namespace dsvl2::amx {
namespace {

using avx512::Vectors;

constexpr size_t kQueries = 32, kBlock = 256, kTile = 16, kPairs = 32;  // bf16 of a tile's row

constexpr float kSmallScore = 60;  // 2^60 times as many keys as there may be is far from the end of fp32 and bf16

DSVL2_INLINE size_t padded(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
DSVL2_INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

struct Sizes {
  size_t depth, width, keys;  // of a score, of a value row with a one, and how many keys; padded

  explicit Sizes(const HeadOfPrompt& h)
      : depth(padded(h.keys[0].width + h.keys[1].width, kPairs)), width(padded(h.values.width + 1, kTile)),
        keys(padded(h.key_count, kPairs)) {}
};

// 2^x with an error of 1e-4, as bf16 rounds away twenty times more: `scalef` takes the whole part, a polynomial the rest.
DSVL2_INLINE __m512 exp2(__m512 x) {
  const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(7.8024522e-2f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.2606717e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9583353e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.9992522e-1f));
  return _mm512_scalef_ps(p, x);
}

// 16 values as bf16, from row i of two parts one behind the other.
DSVL2_INLINE __m256i some_values(const Part (&parts)[2], size_t i, size_t first, float scale) {
  const auto from = [&](const Part& part, size_t at) {
    const size_t n = at < part.width ? part.width - at : 0;
    return Vectors::load_first(part.at + i * part.stride + (n ? at : 0), n);
  };
  __m512 v;
  if (first + kTile <= parts[0].width || parts[1].width == 0) {
    v = from(parts[0], first);
  } else {  // across the border, or behind it
    alignas(64) float values[kTile] = {};
    for (size_t d = 0; d < kTile; ++d) {
      const size_t at = first + d;
      if (at < parts[0].width) values[d] = parts[0].at[i * parts[0].stride + at];
      else if (at - parts[0].width < parts[1].width) values[d] = parts[1].at[i * parts[1].stride + at - parts[0].width];
    }
    v = _mm512_load_ps(values);
  }
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_mul_ps(v, _mm512_set1_ps(scale))));
}

DSVL2_INLINE __m512 add_squares(__m512 sums, __m512i pairs) {
  return _mm512_dpbf16_ps(sums, reinterpret_cast<__m512bh>(pairs), reinterpret_cast<__m512bh>(pairs));
}

// Asks for rows of a head from `first` on; each row of all heads lies on a page of its own.
template <int Write>
DSVL2_INLINE void ask(const float* at, size_t stride, size_t width, size_t first, size_t rows, size_t count) {
  for (size_t i = first; i < least(first + rows, count); ++i) {
    const float* const row = at + i * stride;
    for (size_t d = 0; d < width; d += kTile) __builtin_prefetch(row + d, Write);
    __builtin_prefetch(row + width - 1, Write);
  }
}

// Keys as [16 keys][depth pairs][16 keys][2]: tile rows of two depths of 16 keys. Returns the largest square of a length.
float pack_keys(const HeadOfPrompt& h, const Sizes& s, Bf16* out) {
  __m512 largest = _mm512_setzero_ps();
  for (size_t first = 0; first < s.keys; first += kTile) {
    for (const Part& part : h.keys)
      if (part.width > 0) ask<0>(part.at, part.stride, part.width, first + kTile, kTile, h.key_count);
    __m512 squares = _mm512_setzero_ps();
    for (size_t d = 0; d < s.depth; d += kPairs) {
      __m512i r[16];
      for (size_t i = 0; i < kTile; ++i) {
        if (first + i >= h.key_count) {
          r[i] = _mm512_setzero_si512();
          continue;
        }
        const __m256i low = some_values(h.keys, first + i, d, 1.f), high = some_values(h.keys, first + i, d + kTile, 1.f);
        r[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
      }
      avx512::transpose16(r);
      for (size_t i = 0; i < 16; ++i, out += kPairs) {
        _mm512_store_si512(out, r[i]);
        squares = add_squares(squares, r[i]);
      }
    }
    largest = Vectors::max(squares, largest);
  }
  return Vectors::largest(largest);
}

// Values, and a one behind those of each key, as [32 keys][16 columns][key pairs][16][2].
void pack_values(const HeadOfPrompt& h, const Sizes& s, Bf16* out) {
  const auto row = [&](size_t key, size_t d) {
    if (key >= h.key_count) return _mm512_setzero_si512();
    const size_t n = d < h.values.width ? h.values.width - d : 0;
    __m512 v = Vectors::load_first(h.values.at + key * h.values.stride + (n ? d : 0), n);
    if (n < kTile) v = _mm512_mask_mov_ps(v, __mmask16(1u << n), _mm512_set1_ps(1.f));
    return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
  };
  for (size_t first = 0; first < s.keys; first += kPairs) {
    ask<0>(h.values.at, h.values.stride, h.values.width, first + kPairs, kPairs, h.key_count);
    for (size_t d = 0; d < s.width; d += kTile)
      for (size_t j = 0; j < kPairs; j += 2, out += kPairs)
        _mm512_store_si512(out, _mm512_or_si512(row(first + j, d), _mm512_slli_epi32(row(first + j + 1, d), 16)));
  }
}

// Scores of 32 queries and 32 keys; rows of them are `stride` apart.
DSVL2_INLINE void score(const Bf16* q, size_t depth, const Bf16* keys, float* scores, size_t stride) {
  settle();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t d = 0; d < depth; d += kPairs) {
    _tile_loadd(4, q + d, depth * 2);
    _tile_loadd(6, keys + d * kTile, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, keys + (kTile * depth) + d * kTile, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, q + kTile * depth + d, depth * 2);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, scores, stride * 4);
  _tile_stored(1, scores + kTile, stride * 4);
  _tile_stored(2, scores + kTile * stride, stride * 4);
  _tile_stored(3, scores + kTile * stride + kTile, stride * 4);
}

// mixed [32][width] += weights [32][kBlock] times `count` value rows, a multiple of 32.
void mix(const Bf16* weights, const Bf16* values, size_t count, size_t width, float* mixed) {
  settle();
  for (size_t d = 0; d < width; d += 2 * kTile) {
    const bool two = d + kTile < width;
    float* const c = mixed + d;
    _tile_loadd(0, c, width * 4);
    _tile_loadd(2, c + kTile * width, width * 4);
    if (two) {
      _tile_loadd(1, c + kTile, width * 4);
      _tile_loadd(3, c + kTile * width + kTile, width * 4);
    }
    for (size_t j = 0; j < count; j += kPairs) {
      const Bf16* const b = values + j * width + d * kPairs;
      _tile_loadd(4, weights + j, kBlock * 2);
      _tile_loadd(5, weights + kTile * kBlock + j, kBlock * 2);
      _tile_loadd(6, b, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(2, 5, 6);
      if (two) {
        _tile_loadd(7, b + kTile * kPairs, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
    _tile_stored(0, c, width * 4);
    _tile_stored(2, c + kTile * width, width * 4);
    if (two) {
      _tile_stored(1, c + kTile, width * 4);
      _tile_stored(3, c + kTile * width + kTile, width * 4);
    }
  }
}

// Weights of 32 queries and `count` keys, a multiple of 32, which are powers of two of their scores: of some keys while
// tiles compute the scores of the next ones. Keys behind the last one have a weight and no values.
void weigh(const Bf16* q, size_t depth, const Bf16* keys, size_t count, float* scores, Bf16* weights) {
  const auto powers = [&](size_t j) {
    const float* const from = scores + j / kPairs % 2 * kQueries * kPairs;
    for (size_t i = 0; i < kQueries; ++i) {
      const __m512 low = exp2(_mm512_load_ps(from + i * kPairs)), high = exp2(_mm512_load_ps(from + i * kPairs + kTile));
      _mm512_store_si512(weights + i * kBlock + j, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
    }
  };
  for (size_t j = 0; j < count; j += kPairs) {
    score(q, depth, keys + j * depth, scores + j / kPairs % 2 * kQueries * kPairs, kPairs);
    if (j > 0) powers(j - kPairs);
  }
  powers(count - kPairs);
}

// Scores of one query, in powers of two, to weights in bf16 relative to the largest score; what was mixed before fades.
DSVL2_INLINE void soften(const float* scores, size_t real, size_t count, Bf16* weights, float* mixed, size_t width, float& top) {
  __m512 most = _mm512_set1_ps(top);
  for (size_t j = 0; j < real; j += kTile) {
    const __m512 s = _mm512_load_ps(scores + j);
    most = Vectors::max(most, real - j >= kTile ? s : Vectors::first_or(s, real - j, most));
  }
  const float now = Vectors::largest(most);
  const __m512 tops = _mm512_set1_ps(now);
  for (size_t j = 0; j < count; j += kTile) {
    __m512 e = exp2(_mm512_sub_ps(_mm512_load_ps(scores + j), tops));
    if (j + kTile > real) e = j >= real ? _mm512_setzero_ps() : Vectors::first_or(e, real - j, _mm512_setzero_ps());
    _mm256_store_si256(reinterpret_cast<__m256i*>(weights + j), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(e)));
  }
  const __m512 fade = exp2(_mm512_sub_ps(_mm512_set1_ps(top), tops));
  for (size_t d = 0; d < width; d += kTile) _mm512_store_ps(mixed + d, _mm512_mul_ps(fade, _mm512_load_ps(mixed + d)));
  top = now;
}

// The same weights with a running maximum.
void weigh_safely(const Bf16* q, size_t depth, const Bf16* keys, size_t real, size_t count, float* scores, Bf16* weights,
                  float* mixed, size_t width, float* top) {
  for (size_t j = 0; j < count; j += kPairs) score(q, depth, keys + j * depth, scores + j, kBlock);
  for (size_t i = 0; i < kQueries; ++i)
    soften(scores + i * kBlock, real, count, weights + i * kBlock, mixed + i * width, width, top[i]);
}

// The largest square of the length of a query.
float largest_square(const Bf16* q, size_t depth) {
  float largest = 0;
  for (size_t i = 0; i < kQueries; ++i) {
    __m512 squares = _mm512_setzero_ps();
    for (size_t d = 0; d < depth; d += kPairs) squares = add_squares(squares, _mm512_load_si512(q + i * depth + d));
    const float sum = Vectors::total(squares);
    largest = sum > largest || sum != sum ? sum : largest;
  }
  return largest;
}

}  // namespace

size_t patch_scratch(const HeadOfPrompt& h) {
  const Sizes s(h);
  return (s.keys * (s.depth + s.width) + kQueries * (s.depth + kBlock)) / 2 + kQueries * (kBlock + s.width);
}

void attend_patches(const HeadOfPrompt& h, float* scratch) {
  const Sizes s(h);
  const WholeTiles whole;
  auto* const keys = reinterpret_cast<Bf16*>(scratch);
  Bf16* const values = keys + s.keys * s.depth;
  Bf16* const q = values + s.keys * s.width;
  Bf16* const weights = q + kQueries * s.depth;
  auto* const scores = reinterpret_cast<float*>(weights + kQueries * kBlock);
  float* const mixed = scores + kQueries * kBlock;
  const float key_square = pack_keys(h, s, keys);
  pack_values(h, s, values);
  for (size_t first = 0; first < h.query_count; first += kQueries) {
    const size_t n = least(kQueries, h.query_count - first);
    float top[kQueries];
    for (size_t i = 0; i < kQueries; ++i) {
      top[i] = -1e30f;
      for (size_t d = 0; d < s.depth; d += kTile)
        _mm256_store_si256(reinterpret_cast<__m256i*>(q + i * s.depth + d),
                           some_values(h.queries, first + (i < n ? i : 0), d, h.scale * 1.44269504f));
    }
    for (const Part& part : h.queries)
      if (part.width > 0) ask<0>(part.at, part.stride, part.width, first + kQueries, kQueries, h.query_count);
    ask<1>(h.out, h.out_stride, h.values.width, first, n, h.query_count);
    // No score is larger than the lengths of its query and key multiplied; of what is no number this is not true.
    const bool small = largest_square(q, s.depth) * key_square <= kSmallScore * kSmallScore;
    std::memset(mixed, 0, kQueries * s.width * sizeof *mixed);
    for (size_t at = 0; at < s.keys; at += kBlock) {
      const size_t count = least(kBlock, s.keys - at), real = least(count, h.key_count - at);
      if (small)
        weigh(q, s.depth, keys + at * s.depth, count, scores, weights);
      else
        weigh_safely(q, s.depth, keys + at * s.depth, real, count, scores, weights, mixed, s.width, top);
      mix(weights, values + at * s.width, count, s.width, mixed);
    }
    for (size_t i = 0; i < n; ++i)
      for (size_t d = 0; d < h.values.width; d += kTile)
        Vectors::store_first(h.out + (first + i) * h.out_stride + d,
                             _mm512_mul_ps(_mm512_load_ps(mixed + i * s.width + d), _mm512_set1_ps(1.f / mixed[i * s.width + h.values.width])),
                             h.values.width - d);
  }
}

}  // namespace dsvl2::amx
