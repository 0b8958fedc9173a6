// The memory part of the stand-in for CUDA's runtime. The card's memory is the computer's, so copies arrive. A copy beyond a
// block of it is refused, and so is an allocation beyond its size.
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct Block { char *start; size_t size; struct Block *next; } Block;
static Block *device_blocks, *host_blocks;
static size_t device_bytes;

size_t standin_total_bytes(void) {
    const char *bytes = getenv("STANDIN_CUDA_MEMORY");
    return bytes != NULL && *bytes ? strtoull(bytes, NULL, 10) : WHOLE_MEMORY;
}
size_t standin_free_bytes(void) {
    size_t total = standin_total_bytes();
    return total > device_bytes ? total - device_bytes : 0;
}

static void *take(Block **blocks, size_t size) {
    Block *block = malloc(sizeof(Block));
    void *start = NULL;
    // Zeros that cost no memory until they are written, since a card's memory may be larger than the computer's.
    size_t whole = size + 512;
    char *raw = calloc(1, whole);
    if (raw == NULL || block == NULL) { free(block); return NULL; }
    start = raw + (512 - (uintptr_t)raw % 512) % 512;
    block->start = start;
    block->size = size;
    pthread_mutex_lock(&lock);
    block->next = *blocks;
    *blocks = block;
    pthread_mutex_unlock(&lock);
    return start;
}

// Takes a block out of the list. Its memory stays: a stray read of it must not end the process of a test.
static size_t drop(Block **blocks, void *start) {
    size_t size = 0;
    pthread_mutex_lock(&lock);
    for (Block **place = blocks; *place != NULL; place = &(*place)->next) {
        Block *block = *place;
        if (block->start == start) {
            size = block->size ? block->size : 1;
            *place = block->next;
            free(block);
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return size;
}

static int within(Block *blocks, const void *address, size_t size) {
    int found = 0;
    pthread_mutex_lock(&lock);
    for (Block *block = blocks; block != NULL && !found; block = block->next)
        found = (const char *)address >= block->start && (const char *)address + size <= block->start + block->size;
    pthread_mutex_unlock(&lock);
    return found;
}

static Error device_malloc(void **address, size_t size) {
    if (size > standin_free_bytes()) {
        standin_say("refused", "allocation of %zu", size);
        return standin_gives(OUT_OF_MEMORY);
    }
    *address = take(&device_blocks, size);
    if (*address == NULL) return standin_gives(OUT_OF_MEMORY);
    device_bytes += size;
    standin_say("allocate", "%zu", size);
    return SUCCESS;
}
static Error device_free(void *address) {
    if (address == NULL) return SUCCESS;
    size_t size = drop(&device_blocks, address);
    if (!size) return standin_gives(INVALID_DEVICE_POINTER);
    device_bytes -= size;
    standin_say("free", "%zu", size);
    return SUCCESS;
}
Error cudaMalloc(void **address, size_t size) {
    Error error = standin_refused_in_capture("cudaMalloc");
    return error ? error : device_malloc(address, size);
}
Error cudaFree(void *address) {
    Error error = standin_refused_in_capture("cudaFree");
    return error ? error : device_free(address);
}
Error cudaMallocFromPoolAsync(void **address, size_t size, void *pool, void *stream) {
    (void)pool;
    (void)stream;
    return device_malloc(address, size);
}
Error cudaFreeAsync(void *address, void *stream) { (void)stream; return device_free(address); }
Error cudaMallocHost(void **address, size_t size) {
    *address = take(&host_blocks, size);
    return *address == NULL ? standin_gives(OUT_OF_MEMORY) : SUCCESS;
}
Error cudaHostAlloc(void **address, size_t size, unsigned flags) { (void)flags; return cudaMallocHost(address, size); }
Error cudaFreeHost(void *address) { drop(&host_blocks, address); return SUCCESS; }
Error cudaMemPoolCreate(void **pool, const void *properties) { (void)properties; *pool = (void *)8; return SUCCESS; }
Error cudaMemPoolDestroy(void *pool) { (void)pool; return SUCCESS; }
Error cudaMemPoolGetAttribute(void *pool, int attribute, void *value) { (void)pool; (void)attribute; memset(value, 0, 4); return SUCCESS; }
Error cudaMemPoolSetAttribute(void *pool, int attribute, void *value) { (void)pool; (void)attribute; (void)value; return SUCCESS; }
Error cudaMemPoolTrimTo(void *pool, size_t size) { (void)pool; (void)size; return SUCCESS; }
Error cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    *free_bytes = standin_free_bytes();
    *total = standin_total_bytes();
    return SUCCESS;
}

// cudaMemcpyKind: host to host, host to device, device to host, device to device.
static const char *const KINDS[] = {"host-host", "host-device", "device-host", "device-device"};

static Error copy(void *to, const void *from, size_t size, int kind, const char *how) {
    Error broken = cudaPeekAtLastError();
    if (broken == ILLEGAL_ADDRESS) return broken;
    if (kind < 0 || kind > 3) kind = (within(device_blocks, from, size) ? 2 : 0) + (within(device_blocks, to, size) ? 1 : 0);
    int to_device = kind & 1, from_device = kind & 2;
    if ((to_device && !within(device_blocks, to, size)) || (from_device && !within(device_blocks, from, size))) {
        standin_say("refused", "copy %s %zu beyond a block", KINDS[kind], size);
        return standin_gives(INVALID_VALUE);
    }
    standin_say(standin_captured() ? "captured-copy" : "copy", "%s %zu %s", KINDS[kind], size, how);
    memcpy(to, from, size);
    return SUCCESS;
}
Error cudaMemcpy(void *to, const void *from, size_t size, int kind) {
    Error error = standin_refused_in_capture("cudaMemcpy");
    return error ? error : copy(to, from, size, kind, "waited");
}
Error cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
    (void)stream;
    return copy(to, from, size, kind, "queued");
}
Error cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height, int kind, void *stream) {
    (void)stream;
    for (size_t row = 0; row < height; row++) {
        Error error = copy((char *)to + row * to_pitch, (const char *)from + row * from_pitch, width, kind, "queued row");
        if (error) return error;
    }
    return SUCCESS;
}
Error cudaMemcpyFromSymbol(void *to, const void *symbol, size_t size, size_t offset, int kind) {
    (void)symbol;
    (void)offset;
    (void)kind;
    memset(to, 0, size);
    return SUCCESS;
}
static Error set(void *address, int value, size_t size) {
    if (!within(device_blocks, address, size)) {
        standin_say("refused", "set %zu beyond a block", size);
        return standin_gives(INVALID_VALUE);
    }
    standin_say(standin_captured() ? "captured-set" : "set", "%zu", size);
    if (value) memset(address, value, size);  // new memory is zeros, and no kernel ever changes that
    return SUCCESS;
}
Error cudaMemset(void *address, int value, size_t size) {
    Error error = standin_refused_in_capture("cudaMemset");
    return error ? error : set(address, value, size);
}
Error cudaMemsetAsync(void *address, int value, size_t size, void *stream) { (void)stream; return set(address, value, size); }

typedef struct { int type, device; void *device_pointer, *host_pointer; long reserved[8]; } PointerAttributes;
Error cudaPointerGetAttributes(PointerAttributes *found, const void *address) {
    memset(found, 0, sizeof *found);
    if (within(device_blocks, address, 1)) {
        found->type = 2;
        found->device_pointer = (void *)address;
    } else if (within(host_blocks, address, 1)) {
        found->type = 1;
        found->host_pointer = found->device_pointer = (void *)address;
    } else {
        found->device = -1;
    }
    return SUCCESS;
}
