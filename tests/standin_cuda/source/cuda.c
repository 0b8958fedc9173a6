// Stands in for the driver's library: what the runtime of this project asks it for.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

// The runtime's library may lie elsewhere and be loaded later; until then nothing of the card's memory is taken.
static size_t bytes(const char *name) {
    size_t (*asked)(void) = (size_t (*)(void))dlsym(RTLD_DEFAULT, name);
    const char *size = getenv("STANDIN_CUDA_MEMORY");
    if (asked != NULL) return asked();
    return size != NULL && *size ? strtoull(size, NULL, 10) : WHOLE_MEMORY;
}

int cuInit(unsigned flags) { (void)flags; return SUCCESS; }
int cuDriverGetVersion(int *version) { *version = 13000; return SUCCESS; }
int cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
int cuDeviceGet(int *device, int number) { *device = number; return SUCCESS; }
int cuDeviceGetName(char *name, int length, int device) { (void)device; strncpy(name, "Stand-in H100", length); return SUCCESS; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { (void)device; *value = attribute == 75 ? 9 : 0; return SUCCESS; }
int cuDeviceTotalMem_v2(size_t *total, int device) { (void)device; *total = bytes("standin_total_bytes"); return SUCCESS; }
int cuDevicePrimaryCtxRetain(void **context, int device) { (void)device; *context = (void *)8; return SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return SUCCESS; }
int cuCtxPushCurrent_v2(void *context) { (void)context; return SUCCESS; }
int cuCtxPopCurrent_v2(void **context) { *context = NULL; return SUCCESS; }
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) { *free_bytes = bytes("standin_free_bytes"); *total = bytes("standin_total_bytes"); return SUCCESS; }
int cuTensorMapEncodeTiled(void) { return SUCCESS; }
