// Compiled only by npm run check:cuda, where NVIDIA's header is found: the numbers and sizes in cublaslt.h are its own.
#include <cublasLt.h>

#include "backend/cuda/library/cublaslt.h"
#include "backend/cuda/library/same_shape.h"

namespace burgeon::cuda::cublaslt {

#define BURGEON_SAME(ours, theirs) static_assert(static_cast<int64_t>(ours) == static_cast<int64_t>(theirs), #theirs)
BURGEON_SAME(0, CUBLAS_STATUS_SUCCESS);
BURGEON_SAME(kInvalidValue, CUBLAS_STATUS_INVALID_VALUE);
BURGEON_SAME(kNotSupported, CUBLAS_STATUS_NOT_SUPPORTED);
BURGEON_SAME(kFloat32, CUDA_R_32F);
BURGEON_SAME(kBfloat16, CUDA_R_16BF);
BURGEON_SAME(kCompute32F, CUBLAS_COMPUTE_32F);
BURGEON_SAME(kAsIs, CUBLAS_OP_N);
BURGEON_SAME(kTransposed, CUBLAS_OP_T);
BURGEON_SAME(kTransposeA, CUBLASLT_MATMUL_DESC_TRANSA);
BURGEON_SAME(kTransposeB, CUBLASLT_MATMUL_DESC_TRANSB);
BURGEON_SAME(kEpilogue, CUBLASLT_MATMUL_DESC_EPILOGUE);
BURGEON_SAME(kBiasPointer, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
BURGEON_SAME(kAuxPointer, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER);
BURGEON_SAME(kAuxStride, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD);
BURGEON_SAME(kMaxWorkspaceBytes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
BURGEON_SAME(kReductionSchemes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
BURGEON_SAME(kMinAlignmentA, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
BURGEON_SAME(kMinAlignmentB, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
BURGEON_SAME(kMinAlignmentC, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
BURGEON_SAME(kMinAlignmentD, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
BURGEON_SAME(kReduceInComputeType, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
BURGEON_SAME(kReduceInOutputType, CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE);
BURGEON_SAME(kNoEpilogue, CUBLASLT_EPILOGUE_DEFAULT);
BURGEON_SAME(kBias, CUBLASLT_EPILOGUE_BIAS);
BURGEON_SAME(kGeluAux, CUBLASLT_EPILOGUE_GELU_AUX);
BURGEON_SAME(kGeluAuxBias, CUBLASLT_EPILOGUE_GELU_AUX_BIAS);
BURGEON_SAME(kGeluSlope, CUBLASLT_EPILOGUE_DGELU);
BURGEON_SAME(kBiasGradientB, CUBLASLT_EPILOGUE_BGRADB);
BURGEON_SAME(sizeof(Algorithm), sizeof(cublasLtMatmulAlgo_t));
BURGEON_SAME(sizeof(HeuristicResult), sizeof(cublasLtMatmulHeuristicResult_t));
BURGEON_SAME(offsetof(HeuristicResult, workspace_bytes), offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
BURGEON_SAME(offsetof(HeuristicResult, state), offsetof(cublasLtMatmulHeuristicResult_t, state));
// Attributes are set by their size.
BURGEON_SAME(sizeof(Operation), sizeof(cublasOperation_t));
BURGEON_SAME(sizeof(Epilogue), sizeof(cublasLtEpilogue_t));
BURGEON_SAME(sizeof(Status), sizeof(cublasStatus_t));
#undef BURGEON_SAME

#define BURGEON_SAME(member, theirs) static_assert(same_shape<decltype(Library::member), decltype(&theirs)>(), #theirs)
BURGEON_SAME(create, cublasLtCreate);
BURGEON_SAME(destroy, cublasLtDestroy);
BURGEON_SAME(get_version, cublasLtGetVersion);
BURGEON_SAME(get_status_string, cublasLtGetStatusString);
BURGEON_SAME(desc_create, cublasLtMatmulDescCreate);
BURGEON_SAME(desc_destroy, cublasLtMatmulDescDestroy);
BURGEON_SAME(desc_set, cublasLtMatmulDescSetAttribute);
BURGEON_SAME(layout_create, cublasLtMatrixLayoutCreate);
BURGEON_SAME(layout_destroy, cublasLtMatrixLayoutDestroy);
BURGEON_SAME(preference_create, cublasLtMatmulPreferenceCreate);
BURGEON_SAME(preference_destroy, cublasLtMatmulPreferenceDestroy);
BURGEON_SAME(preference_set, cublasLtMatmulPreferenceSetAttribute);
BURGEON_SAME(get_heuristic, cublasLtMatmulAlgoGetHeuristic);
BURGEON_SAME(check_algorithm, cublasLtMatmulAlgoCheck);
BURGEON_SAME(matmul, cublasLtMatmul);
#undef BURGEON_SAME

}  // namespace burgeon::cuda::cublaslt
