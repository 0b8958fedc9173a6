// What differs between compilers.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define DSVL2_INLINE inline __attribute__((always_inline))
#define DSVL2_PREFETCH(at) __builtin_prefetch(at)
#else
#define DSVL2_INLINE __forceinline
#define DSVL2_PREFETCH(at) static_cast<void>(at)
#endif
// Two vectors of sums are in registers here. Without it GCC computes all products of an unrolled loop first, so that most of
// them wait in memory, and then adds them in pairs.
#if defined(__GNUC__)
#define DSVL2_SETTLE(a, b) asm("" : "+x"(a), "+x"(b))
#else
#define DSVL2_SETTLE(a, b) static_cast<void>(0)
#endif
#define DSVL2_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define DSVL2_UNROLL(n) DSVL2_PRAGMA(unroll n)
#elif defined(__GNUC__)
#define DSVL2_UNROLL(n) DSVL2_PRAGMA(GCC unroll n)
#else
#define DSVL2_UNROLL(n)
#endif

