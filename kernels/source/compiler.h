// What differs between compilers.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define DSVL2_INLINE inline __attribute__((always_inline))
#else
#define DSVL2_INLINE __forceinline
#endif
#define DSVL2_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define DSVL2_UNROLL(n) DSVL2_PRAGMA(unroll n)
#elif defined(__GNUC__)
#define DSVL2_UNROLL(n) DSVL2_PRAGMA(GCC unroll n)
#else
#define DSVL2_UNROLL(n)
#endif

// Loads a line without using it: memory is on its way while something else is computed.
#if defined(__GNUC__) || defined(__clang__)
#define DSVL2_TOUCH(vector) asm volatile("" : : "x"(vector))
#else
#define DSVL2_TOUCH(vector) (void)(vector)
#endif
