// Stands in for cuDNN. Its graphs of operations, in which ONNX Runtime asks it for attention, can be built and executed:
// for each of them one engine without knobs and without a workspace is found.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

#define KERNEL(name) int name(void) { return standin_launch(#name) ? 5000 : SUCCESS; }
#define NOTHING(name) int name(void) { return SUCCESS; }
#define NEW(name) int name(void **made) { *made = calloc(1, 256); return SUCCESS; }
#define GONE(name) int name(void *made) { free(made); return SUCCESS; }
enum { HEURISTIC_RESULTS = 202, INT64_TYPE = 3, DESCRIPTOR_TYPE = 15, INT32_TYPE = 23 };  // of cudnnBackendAttributeName_t and …Type_t

size_t cudnnGetVersion(void) { return 91900; }
const char *cudnnGetErrorString(int status) { return status ? "a stand-in's error" : "success"; }
void cudnnGetLastErrorString(char *message, size_t size) { if (size) message[0] = 0; }
NEW(cudnnCreate)
GONE(cudnnDestroy)
NOTHING(cudnnSetStream)
NOTHING(cudnnGetStream)
int cudnnBackendCreateDescriptor(int type, void **made) { (void)type; *made = calloc(1, 256); return SUCCESS; }
GONE(cudnnBackendDestroyDescriptor)
// A card's cuDNN may compile a kernel here, which takes it longer than many answers.
int cudnnBackendFinalize(void *descriptor) {
    (void)descriptor;
    standin_say("built", "cudnn descriptor");
    return SUCCESS;
}
NOTHING(cudnnBackendSetAttribute)
KERNEL(cudnnBackendExecute)
// Numbers are 0. A list of descriptors has one where it is of engines, and is empty elsewhere; whoever asks brings them.
int cudnnBackendGetAttribute(void *descriptor, int name, int type, int64_t wanted, int64_t *found, void *values) {
    (void)descriptor;
    int number = type == INT64_TYPE || type == INT32_TYPE;
    int64_t count = name == HEURISTIC_RESULTS || (wanted == 1 && (type == DESCRIPTOR_TYPE || number));
    if (number && count && values != NULL) memset(values, 0, type == INT64_TYPE ? sizeof(int64_t) : sizeof(int32_t));
    if (found != NULL) *found = count;
    return SUCCESS;
}
NEW(cudnnCreateActivationDescriptor)
NEW(cudnnCreateConvolutionDescriptor)
NEW(cudnnCreateDropoutDescriptor)
NEW(cudnnCreateFilterDescriptor)
NEW(cudnnCreateLRNDescriptor)
NEW(cudnnCreatePoolingDescriptor)
NEW(cudnnCreateRNNDataDescriptor)
NEW(cudnnCreateRNNDescriptor)
NEW(cudnnCreateReduceTensorDescriptor)
NEW(cudnnCreateTensorDescriptor)
GONE(cudnnDestroyActivationDescriptor)
GONE(cudnnDestroyConvolutionDescriptor)
GONE(cudnnDestroyDropoutDescriptor)
GONE(cudnnDestroyFilterDescriptor)
GONE(cudnnDestroyLRNDescriptor)
GONE(cudnnDestroyPoolingDescriptor)
GONE(cudnnDestroyRNNDataDescriptor)
GONE(cudnnDestroyRNNDescriptor)
GONE(cudnnDestroyReduceTensorDescriptor)
GONE(cudnnDestroyTensorDescriptor)
KERNEL(cudnnActivationForward)
KERNEL(cudnnAddTensor)
KERNEL(cudnnBatchNormalizationForwardInference)
KERNEL(cudnnBatchNormalizationForwardTraining)
KERNEL(cudnnConvolutionBiasActivationForward)
KERNEL(cudnnConvolutionForward)
KERNEL(cudnnLRNCrossChannelForward)
KERNEL(cudnnPoolingForward)
KERNEL(cudnnRNNForward)
KERNEL(cudnnReduceTensor)
KERNEL(cudnnSoftmaxForward)
NOTHING(cudnnDeriveBNTensorDescriptor)
NOTHING(cudnnDropoutGetStatesSize)
NOTHING(cudnnFindConvolutionForwardAlgorithmEx)
NOTHING(cudnnGetConvolutionForwardAlgorithm_v7)
NOTHING(cudnnGetConvolutionForwardWorkspaceSize)
NOTHING(cudnnGetRNNTempSpaceSizes)
NOTHING(cudnnGetRNNWeightParams)
NOTHING(cudnnGetReductionIndicesSize)
NOTHING(cudnnGetReductionWorkspaceSize)
NOTHING(cudnnGetTensorNdDescriptor)
NOTHING(cudnnSetActivationDescriptor)
NOTHING(cudnnSetConvolutionGroupCount)
NOTHING(cudnnSetConvolutionMathType)
NOTHING(cudnnSetConvolutionNdDescriptor)
NOTHING(cudnnSetDropoutDescriptor)
NOTHING(cudnnSetFilterNdDescriptor)
NOTHING(cudnnSetLRNDescriptor)
NOTHING(cudnnSetPoolingNdDescriptor)
NOTHING(cudnnSetRNNDataDescriptor)
NOTHING(cudnnSetRNNDescriptor_v8)
NOTHING(cudnnSetReduceTensorDescriptor)
NOTHING(cudnnSetTensorNdDescriptor)
