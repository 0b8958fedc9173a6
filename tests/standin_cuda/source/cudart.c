// Stands in for CUDA's runtime on a machine without a GPU, so that ONNX Runtime's CUDA provider can be loaded and watched.
//
// No kernel computes anything, each is only written down; memory.c is the card's memory. What must not be called while a
// graph is captured is refused, as CUDA refuses it.
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

typedef struct { unsigned x, y, z; } Dim3;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// ---- the log

void standin_say(const char *event, const char *format, ...) {
    static FILE *file;
    pthread_mutex_lock(&lock);
    if (file == NULL) {
        const char *path = getenv("STANDIN_CUDA_LOG");
        file = fopen(path != NULL && *path ? path : "/dev/null", "a");
        if (file == NULL) file = stderr;
        setvbuf(file, NULL, _IOLBF, 1 << 14);
    }
    va_list values;
    va_start(values, format);
    fprintf(file, "%s ", event);
    vfprintf(file, format, values);
    fputc('\n', file);
    va_end(values);
    pthread_mutex_unlock(&lock);
}

// ---- errors

static Error last_error;
// What a kernel has broken stays broken, as on a card.
static Error sticky_error;

Error standin_gives(Error error) {
    if (error != SUCCESS) last_error = error;
    return error;
}

Error cudaGetLastError(void) {
    Error error = sticky_error ? sticky_error : last_error;
    last_error = SUCCESS;
    return error;
}

Error cudaPeekAtLastError(void) { return sticky_error ? sticky_error : last_error; }

const char *cudaGetErrorName(Error error) {
    switch (error) {
        case SUCCESS: return "cudaSuccess";
        case INVALID_VALUE: return "cudaErrorInvalidValue";
        case OUT_OF_MEMORY: return "cudaErrorMemoryAllocation";
        case ILLEGAL_ADDRESS: return "cudaErrorIllegalAddress";
        case CAPTURE_UNSUPPORTED: return "cudaErrorStreamCaptureUnsupported";
        default: return "cudaErrorUnknown";
    }
}

const char *cudaGetErrorString(Error error) {
    switch (error) {
        case SUCCESS: return "no error";
        case INVALID_VALUE: return "invalid argument";
        case OUT_OF_MEMORY: return "out of memory";
        case ILLEGAL_ADDRESS: return "an illegal memory access was encountered";
        case CAPTURE_UNSUPPORTED: return "operation not permitted when stream is capturing";
        default: return "unknown error";
    }
}

// ---- streams, events and captured graphs

typedef struct { int number; int nodes; } Graph;
static int capturing, captured_nodes, graphs_made;

int standin_captured(void) {
    captured_nodes += capturing;
    return capturing;
}


// CUDA's capture mode "global": these calls end a capture with an error, whoever makes them.
Error standin_refused_in_capture(const char *what) {
    if (!capturing) return sticky_error;
    standin_say("refused", "%s", what);
    return standin_gives(CAPTURE_UNSUPPORTED);
}

Error cudaStreamCreate(void **stream) { *stream = calloc(1, 8); return SUCCESS; }
Error cudaStreamCreateWithFlags(void **stream, unsigned flags) { (void)flags; return cudaStreamCreate(stream); }
Error cudaStreamDestroy(void *stream) { free(stream); return SUCCESS; }
Error cudaStreamWaitEvent(void *stream, void *event, unsigned flags) { (void)stream; (void)event; (void)flags; return SUCCESS; }
Error cudaStreamSynchronize(void *stream) {
    (void)stream;
    Error error = standin_refused_in_capture("cudaStreamSynchronize");
    standin_say("synchronize", "stream");
    return error;
}
Error cudaDeviceSynchronize(void) {
    Error error = standin_refused_in_capture("cudaDeviceSynchronize");
    standin_say("synchronize", "device");
    return error;
}
Error cudaStreamBeginCapture(void *stream, int mode) {
    (void)stream;
    capturing = 1;
    captured_nodes = 0;
    standin_say("capture", "begin mode %d", mode);
    return SUCCESS;
}
Error cudaStreamEndCapture(void *stream, Graph **graph) {
    (void)stream;
    capturing = 0;
    *graph = malloc(sizeof(Graph));
    (*graph)->number = ++graphs_made;
    (*graph)->nodes = captured_nodes;
    standin_say("capture", "end graph %d of %d", (*graph)->number, captured_nodes);
    return SUCCESS;
}
Error cudaStreamIsCapturing(void *stream, int *status) { (void)stream; *status = capturing; return SUCCESS; }
Error cudaGraphInstantiate(Graph **made, Graph *graph, unsigned long long flags) {
    (void)flags;
    *made = malloc(sizeof(Graph));
    **made = *graph;
    return SUCCESS;
}
Error cudaGraphLaunch(Graph *graph, void *stream) {
    (void)stream;
    standin_say("graph", "%d of %d", graph->number, graph->nodes);
    return standin_launch("captured_graph");
}
Error cudaGraphDestroy(Graph *graph) { free(graph); return SUCCESS; }
Error cudaGraphExecDestroy(Graph *graph) { free(graph); return SUCCESS; }

Error cudaEventCreate(void **event) { *event = calloc(1, 8); return SUCCESS; }
Error cudaEventCreateWithFlags(void **event, unsigned flags) { (void)flags; return cudaEventCreate(event); }
Error cudaEventDestroy(void *event) { free(event); return SUCCESS; }
Error cudaEventRecord(void *event, void *stream) { (void)event; (void)stream; return SUCCESS; }
Error cudaEventRecordWithFlags(void *event, void *stream, unsigned flags) { (void)event; (void)stream; (void)flags; return SUCCESS; }
Error cudaEventSynchronize(void *event) { (void)event; return standin_refused_in_capture("cudaEventSynchronize"); }
// Kernels are timed to choose the fastest; the count of that is what the tests look at.
Error cudaEventElapsedTime(float *milliseconds, void *start, void *end) {
    (void)start;
    (void)end;
    standin_say("timed", "kernel");
    *milliseconds = 0.01f;
    return SUCCESS;
}

// ---- kernels: each is registered with its name by the library that has it

#define PLACES (1u << 17)
static struct { const void *function; const char *name; } names[PLACES];

static unsigned place_of(const void *function) {
    uint64_t hash = ((uint64_t)(uintptr_t)function >> 4) * 0x9E3779B97F4A7C15ull;
    unsigned place = (unsigned)(hash >> 40) & (PLACES - 1);
    while (names[place].function != NULL && names[place].function != function) place = (place + 1) & (PLACES - 1);
    return place;
}
static const char *name_of(const void *function) {
    const char *name = names[place_of(function)].name;
    return name != NULL ? name : "unknown";
}
// Whether a launch is the one that STANDIN_CUDA_FAIL_LAUNCH asks to fail: "NAME@N", the N-th of those with that in its name.
static int has_to_fail(const char *name) {
    static int seen;
    const char *failing = getenv("STANDIN_CUDA_FAIL_LAUNCH"), *at = failing != NULL ? strchr(failing, '@') : NULL;
    char wanted[128];
    if (at == NULL || at == failing || (size_t)(at - failing) >= sizeof wanted) return 0;
    memcpy(wanted, failing, at - failing);
    wanted[at - failing] = 0;
    return strstr(name, wanted) != NULL && ++seen == atoi(at + 1);
}
int standin_launch(const char *name) {
    if (sticky_error) return sticky_error;
    if (has_to_fail(name)) {
        standin_say("refused", "launch of %s", name);
        sticky_error = ILLEGAL_ADDRESS;
        return sticky_error;
    }
    standin_say(standin_captured() ? "captured" : "launch", "%s", name);
    return SUCCESS;
}

void **__cudaRegisterFatBinary(void *binary) { static void *handle[2]; (void)binary; return handle; }
void __cudaRegisterFatBinaryEnd(void **handle) { (void)handle; }
void __cudaUnregisterFatBinary(void **handle) { (void)handle; }
void __cudaRegisterFunction(void **handle, const char *host, char *device, const char *name, int threads, void *thread, void *block, void *block_dim, void *grid_dim, int *warp) {
    (void)handle; (void)device; (void)threads; (void)thread; (void)block; (void)block_dim; (void)grid_dim; (void)warp;
    unsigned place = place_of(host);
    names[place].function = host;
    names[place].name = name;
}
void __cudaRegisterVar(void **handle, char *host, char *device, const char *name, int external, size_t size, int constant, int global) {
    (void)handle; (void)host; (void)device; (void)name; (void)external; (void)size; (void)constant; (void)global;
}

static __thread struct { Dim3 grid, block; size_t shared; void *stream; } configurations[64];
static __thread int configured;
unsigned __cudaPushCallConfiguration(Dim3 grid, Dim3 block, size_t shared, void *stream) {
    configurations[configured].grid = grid;
    configurations[configured].block = block;
    configurations[configured].shared = shared;
    configurations[configured].stream = stream;
    configured++;
    return 0;
}
Error __cudaPopCallConfiguration(Dim3 *grid, Dim3 *block, size_t *shared, void **stream) {
    configured--;
    *grid = configurations[configured].grid;
    *block = configurations[configured].block;
    *shared = configurations[configured].shared;
    *stream = configurations[configured].stream;
    return SUCCESS;
}
Error __cudaGetKernel(const void **kernel, const void *function) { *kernel = function; return SUCCESS; }
Error __cudaLaunchKernel(const void *kernel, Dim3 grid, Dim3 block, void **arguments, size_t shared, void *stream) {
    (void)grid; (void)block; (void)arguments; (void)shared; (void)stream;
    return standin_gives(standin_launch(name_of(kernel)));
}
Error cudaLaunchKernel(const void *function, Dim3 grid, Dim3 block, void **arguments, size_t shared, void *stream) {
    return __cudaLaunchKernel(function, grid, block, arguments, shared, stream);
}
Error cudaLaunchCooperativeKernel(const void *function, Dim3 grid, Dim3 block, void **arguments, size_t shared, void *stream) {
    return __cudaLaunchKernel(function, grid, block, arguments, shared, stream);
}
Error cudaLaunchKernelExC(const void *configuration, const void *function, void **arguments) {
    (void)configuration; (void)arguments;
    return standin_gives(standin_launch(name_of(function)));
}
Error cudaLaunchHostFunc(void *stream, void (*function)(void *), void *data) { (void)stream; function(data); return SUCCESS; }
Error cudaLibraryLoadData(void **library, const void *code, void *o, void *v, unsigned n, void *p, void *w, unsigned m) {
    (void)code; (void)o; (void)v; (void)n; (void)p; (void)w; (void)m;
    *library = (void *)8;
    return SUCCESS;
}
Error cudaLibraryUnload(void *library) { (void)library; return SUCCESS; }
Error cudaLibraryGetKernel(const void **kernel, void *library, const char *name) { (void)library; (void)name; *kernel = (void *)8; return SUCCESS; }
Error cudaKernelSetAttributeForDevice(const void *kernel, int attribute, int value, int device) { (void)kernel; (void)attribute; (void)value; (void)device; return SUCCESS; }

typedef struct {
    size_t shared, constant, local;
    int most_threads, registers, ptx_version, binary_version, cache_mode, most_dynamic_shared;
    int rest[23];
} FunctionAttributes;
Error cudaFuncGetAttributes(FunctionAttributes *found, const void *function) {
    (void)function;
    memset(found, 0, sizeof *found);
    found->most_threads = 1024;
    found->registers = 32;
    found->ptx_version = found->binary_version = 90;
    found->most_dynamic_shared = 232448;
    return SUCCESS;
}
Error cudaFuncSetAttribute(const void *function, int attribute, int value) { (void)function; (void)attribute; (void)value; return SUCCESS; }
Error cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *function, int threads, size_t shared, unsigned flags) {
    (void)function; (void)threads; (void)shared; (void)flags;
    *blocks = 2;
    return SUCCESS;
}

// ---- the card: figures of an H100

Error cudaGetDeviceCount(int *count) { *count = 1; return SUCCESS; }
Error cudaGetDevice(int *device) { *device = 0; return SUCCESS; }
Error cudaSetDevice(int device) { return device == 0 ? SUCCESS : standin_gives(101); }
Error cudaDriverGetVersion(int *version) { *version = 13000; return SUCCESS; }
Error cudaRuntimeGetVersion(int *version) { *version = 13000; return SUCCESS; }

enum { PROPERTIES_BYTES = 1008 };
static void put_int(char *properties, size_t at, int value) { memcpy(properties + at, &value, sizeof value); }
static void put_size(char *properties, size_t at, size_t value) { memcpy(properties + at, &value, sizeof value); }
Error cudaGetDeviceProperties(char *properties, int device) {
    (void)device;
    memset(properties, 0, PROPERTIES_BYTES);
    strcpy(properties, "Stand-in H100");
    put_size(properties, 288, standin_total_bytes());
    put_size(properties, 296, 49152);   // shared memory of a block
    put_int(properties, 304, 65536);    // registers of a block
    put_int(properties, 308, 32);       // a warp
    put_int(properties, 320, 1024);     // threads of a block
    put_int(properties, 324, 1024);
    put_int(properties, 328, 1024);
    put_int(properties, 332, 64);
    put_int(properties, 336, 2147483647);  // a grid
    put_int(properties, 340, 65535);
    put_int(properties, 344, 65535);
    put_size(properties, 352, 65536);   // constant memory
    put_int(properties, 360, 9);        // compute capability
    put_int(properties, 364, 0);
    put_int(properties, 384, 132);      // multiprocessors
    put_int(properties, 560, 1);        // concurrent kernels
    put_int(properties, 588, 1);        // unified addressing
    put_int(properties, 596, 52428800); // second cache
    put_int(properties, 604, 2048);     // threads of a multiprocessor
    put_size(properties, 624, 233472);  // shared memory of a multiprocessor
    put_int(properties, 632, 65536);    // its registers
    put_int(properties, 668, 1);        // cooperative launch
    put_size(properties, 672, 232448);  // shared memory of a block that asks for more
    put_int(properties, 688, 32);       // blocks of a multiprocessor
    put_int(properties, 720, 1);        // memory pools
    return SUCCESS;
}
Error cudaDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    switch (attribute) {  // of cudaDeviceAttr
        case 1: case 2: case 3: *value = 1024; break;
        case 4: *value = 64; break;
        case 5: *value = 2147483647; break;
        case 6: case 7: *value = 65535; break;
        case 8: *value = 49152; break;
        case 9: case 12: case 82: *value = 65536; break;
        case 10: case 106: *value = 32; break;
        case 16: *value = 132; break;
        case 38: *value = 52428800; break;
        case 39: *value = 2048; break;
        case 75: *value = 9; break;
        case 76: *value = 0; break;
        case 81: *value = 233472; break;
        case 97: *value = 232448; break;
        default: *value = 1;
    }
    return SUCCESS;
}
static int driver_function(void) { return 0; }
Error cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version, unsigned long long flags, int *found) {
    (void)name; (void)version; (void)flags;
    *function = (void *)driver_function;
    if (found != NULL) *found = 0;
    return SUCCESS;
}
