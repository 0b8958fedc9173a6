// Stands in for cuBLAS: products are written down.
#include <stdlib.h>

#include "runtime.h"

// cuBLAS calls a failed launch CUBLAS_STATUS_EXECUTION_FAILED.
#define PRODUCT(name) int name(void) { return standin_launch(#name) ? 13 : SUCCESS; }
#define NOTHING(name) int name(void) { return SUCCESS; }

int cublasCreate_v2(void **handle) { *handle = calloc(1, 64); return SUCCESS; }
int cublasDestroy_v2(void *handle) { free(handle); return SUCCESS; }
int cublasGetMathMode(void *handle, int *mode) { (void)handle; *mode = 0; return SUCCESS; }
const char *cublasGetStatusName(int status) { return status ? "CUBLAS_STATUS_EXECUTION_FAILED" : "CUBLAS_STATUS_SUCCESS"; }
const char *cublasGetStatusString(int status) { return status ? "the function failed to launch on the GPU" : "success"; }
NOTHING(cublasSetMathMode)
NOTHING(cublasSetStream_v2)
PRODUCT(cublasDgeam)
PRODUCT(cublasDgemmBatched)
PRODUCT(cublasDgemmStridedBatched)
PRODUCT(cublasDgemm_v2)
PRODUCT(cublasDgetrfBatched)
PRODUCT(cublasDgetriBatched)
PRODUCT(cublasGemmBatchedEx)
PRODUCT(cublasGemmEx)
PRODUCT(cublasGemmStridedBatchedEx)
PRODUCT(cublasScopy_v2)
PRODUCT(cublasSgeam)
PRODUCT(cublasSgemmBatched)
PRODUCT(cublasSgemmStridedBatched)
PRODUCT(cublasSgemm_v2)
PRODUCT(cublasSgetrfBatched)
PRODUCT(cublasSgetriBatched)
PRODUCT(cublasSscal_v2)
