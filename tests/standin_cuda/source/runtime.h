// What the stand-ins share. Nothing of NVIDIA's headers is needed: sizes and places of fields are those of CUDA 13.
#ifndef STANDIN_RUNTIME_H
#define STANDIN_RUNTIME_H
#include <stddef.h>

// CUDA's error codes that are given here.
enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_DEVICE_POINTER = 17,
    ILLEGAL_ADDRESS = 700,
    CAPTURE_UNSUPPORTED = 900,
};

typedef int Error;

// One line in the file that STANDIN_CUDA_LOG names: an event and what there is to say about it.
void standin_say(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Something that a GPU would compute: said, counted into a graph that is being captured, and failed where
// STANDIN_CUDA_FAIL_LAUNCH says so.
int standin_launch(const char *name);
// Keeps an error for cudaGetLastError, and gives it back.
Error standin_gives(Error error);
Error cudaPeekAtLastError(void);
// Whether a graph is being captured; what asks is counted into it.
int standin_captured(void);
// The error of a call that ends a capture (of CUDA's mode "global", whoever makes it), or one that broke the card before.
Error standin_refused_in_capture(const char *what);
// Of the card: STANDIN_CUDA_MEMORY bytes, or this many.
#define WHOLE_MEMORY 80000000000ull
size_t standin_total_bytes(void);
size_t standin_free_bytes(void);

#endif
