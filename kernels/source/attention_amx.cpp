// Attention of patches with AMX in bf16: scores and mixed values are sums of tiles in fp32; the softmax is of fp32.
//
// 32 queries at a time pass over blocks of keys with a running maximum, so that no more than [32, block] scores exist.
#include <cstring>

#include "amx_tiles.h"
#include "attention_kernels.h"
#include "avx512_vectors.h"

namespace dsvl2::amx {
namespace {

using avx512::Vectors;
using Bf16 = uint16_t;

constexpr size_t kQueries = 32, kBlock = 256, kTile = 16, kPairs = 32;  // bf16 of a tile's row

DSVL2_INLINE size_t padded(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
DSVL2_INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

struct Sizes {
  size_t depth, width, keys;  // of a score, of a value row and how many keys; padded

  explicit Sizes(const HeadOfPrompt& h)
      : depth(padded(h.keys[0].width + h.keys[1].width, kPairs)), width(padded(h.values.width, kTile)),
        keys(padded(h.key_count, kPairs)) {}
};

// 2^x with an error of 4e-6, as bf16 rounds away more: `scalef` takes the whole part, a polynomial the rest.
DSVL2_INLINE __m512 exp2(__m512 x) {
  const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(1.3534167e-2f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.2011464e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4144275e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9300383e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0000026f));
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

// Keys as [16 keys][depth pairs][16 keys][2]: tile rows of two depths of 16 keys.
void pack_keys(const HeadOfPrompt& h, const Sizes& s, Bf16* out) {
  for (size_t first = 0; first < s.keys; first += kTile)
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
      for (size_t i = 0; i < 16; ++i, out += kPairs) _mm512_store_si512(out, r[i]);
    }
}

// Values as [32 keys][16 columns][key pairs][16][2].
void pack_values(const HeadOfPrompt& h, const Sizes& s, Bf16* out) {
  const auto row = [&](size_t key, size_t d) {
    if (key >= h.key_count) return _mm512_setzero_si512();
    const __m512 v = Vectors::load_first(h.values.at + key * h.values.stride + d, h.values.width - d);
    return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
  };
  for (size_t first = 0; first < s.keys; first += kPairs)
    for (size_t d = 0; d < s.width; d += kTile)
      for (size_t j = 0; j < kPairs; j += 2, out += kPairs)
        _mm512_store_si512(out, _mm512_or_si512(row(first + j, d), _mm512_slli_epi32(row(first + j + 1, d), 16)));
}

// scores [32][kBlock] of 32 queries and `keys` keys, a multiple of 32.
void score(const Bf16* q, size_t depth, const Bf16* keys, size_t count, float* scores) {
  for (size_t j = 0; j < count; j += 2 * kTile) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    const Bf16* const b = keys + j * depth;
    for (size_t d = 0; d < depth; d += kPairs) {
      _tile_loadd(4, q + d, depth * 2);
      _tile_loadd(5, q + kTile * depth + d, depth * 2);
      _tile_loadd(6, b + d * kTile, 64);
      _tile_loadd(7, b + (kTile * depth) + d * kTile, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, scores + j, kBlock * 4);
    _tile_stored(1, scores + j + kTile, kBlock * 4);
    _tile_stored(2, scores + kTile * kBlock + j, kBlock * 4);
    _tile_stored(3, scores + kTile * kBlock + j + kTile, kBlock * 4);
  }
}

// mixed [32][width] += weights [32][kBlock] times `count` value rows, a multiple of 32.
void mix(const Bf16* weights, const Bf16* values, size_t count, size_t width, float* mixed) {
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

// Scores of one query to weights in bf16; what was mixed before fades.
DSVL2_INLINE void soften(const float* scores, size_t real, size_t count, Bf16* weights, float* mixed, size_t width, float& top,
                         float& sum) {
  __m512 most = _mm512_set1_ps(top);
  for (size_t j = 0; j < real; j += kTile) {
    const __m512 s = _mm512_load_ps(scores + j);
    most = Vectors::max(most, real - j >= kTile ? s : Vectors::first_or(s, real - j, most));
  }
  const float now = Vectors::largest(most);
  const __m512 tops = _mm512_set1_ps(now);
  __m512 total = _mm512_setzero_ps();
  for (size_t j = 0; j < count; j += kTile) {
    __m512 e = exp2(_mm512_sub_ps(_mm512_load_ps(scores + j), tops));
    if (j + kTile > real) e = j >= real ? _mm512_setzero_ps() : Vectors::first_or(e, real - j, _mm512_setzero_ps());
    total = _mm512_add_ps(total, e);
    _mm256_store_si256(reinterpret_cast<__m256i*>(weights + j), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(e)));
  }
  const __m512 fade = exp2(_mm512_sub_ps(_mm512_set1_ps(top), tops));
  for (size_t d = 0; d < width; d += kTile) _mm512_store_ps(mixed + d, _mm512_mul_ps(fade, _mm512_load_ps(mixed + d)));
  sum = sum * _mm512_cvtss_f32(fade) + Vectors::total(total);
  top = now;
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
  pack_keys(h, s, keys);
  pack_values(h, s, values);
  for (size_t first = 0; first < h.query_count; first += kQueries) {
    const size_t n = least(kQueries, h.query_count - first);
    float top[kQueries], sum[kQueries];
    for (size_t i = 0; i < kQueries; ++i) {
      top[i] = -1e30f, sum[i] = 0;
      for (size_t d = 0; d < s.depth; d += kTile)
        _mm256_store_si256(reinterpret_cast<__m256i*>(q + i * s.depth + d),
                           some_values(h.queries, first + (i < n ? i : 0), d, h.scale * 1.44269504f));
    }
    std::memset(mixed, 0, kQueries * s.width * sizeof *mixed);
    for (size_t at = 0; at < s.keys; at += kBlock) {
      const size_t count = least(kBlock, s.keys - at), real = least(count, h.key_count - at);
      score(q, s.depth, keys + at * s.depth, count, scores);
      for (size_t i = 0; i < kQueries; ++i)
        soften(scores + i * kBlock, real, count, weights + i * kBlock, mixed + i * s.width, s.width, top[i], sum[i]);
      mix(weights, values + at * s.width, count, s.width, mixed);
    }
    for (size_t i = 0; i < n; ++i)
      for (size_t d = 0; d < h.values.width; d += kTile)
        Vectors::store_first(h.out + (first + i) * h.out_stride + d,
                             _mm512_mul_ps(_mm512_load_ps(mixed + i * s.width + d), _mm512_set1_ps(1.f / sum[i])),
                             h.values.width - d);
  }
}

}  // namespace dsvl2::amx
