// Stands in for cuBLASLt: products are written down, and one way to compute each is found.
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

#define PRODUCT(name) int name(void) { return standin_launch(#name) ? 13 : SUCCESS; }
#define NOTHING(name) int name(void) { return SUCCESS; }
#define NEW(name) int name(void **made) { *made = calloc(1, 64); return SUCCESS; }
#define GONE(name) int name(void *made) { free(made); return SUCCESS; }
enum { HEURISTIC_BYTES = 96 };  // cublasLtMatmulHeuristicResult_t; zeros are one that needs no workspace

NEW(cublasLtCreate)
GONE(cublasLtDestroy)
PRODUCT(cublasLtMatmul)
PRODUCT(cublasLtMatrixTransform)
NOTHING(cublasLtMatmulAlgoConfigSetAttribute)
NOTHING(cublasLtMatmulAlgoInit)
NEW(cublasLtMatmulDescCreate)
GONE(cublasLtMatmulDescDestroy)
NOTHING(cublasLtMatmulDescSetAttribute)
NEW(cublasLtMatmulPreferenceCreate)
GONE(cublasLtMatmulPreferenceDestroy)
NOTHING(cublasLtMatmulPreferenceSetAttribute)
NEW(cublasLtMatrixLayoutCreate)
GONE(cublasLtMatrixLayoutDestroy)
NOTHING(cublasLtMatrixLayoutSetAttribute)
NEW(cublasLtMatrixTransformDescCreate)
GONE(cublasLtMatrixTransformDescDestroy)

int cublasLtMatmulAlgoGetHeuristic(void *handle, void *product, void *a, void *b, void *c, void *d, void *preference, int wanted, void *results, int *found) {
    (void)handle; (void)product; (void)a; (void)b; (void)c; (void)d; (void)preference;
    if (wanted > 0) memset(results, 0, HEURISTIC_BYTES);
    *found = wanted > 0;
    return SUCCESS;
}
