// Where cuBLASLt may be.
#pragma once

#include <string>
#include <vector>

namespace burgeon::cuda::cublaslt {

// Names for the loader, in the order in which they are tried: what it knows itself; folders of CUDA_HOME and CUDA_PATH,
// of the usual place; and of NVIDIA's Python packages, in the environment in use (VIRTUAL_ENV, CONDA_PREFIX), beside
// every python3 of PATH and in the user's own packages, where it often is and nowhere else.
std::vector<std::string> library_files();

}  // namespace burgeon::cuda::cublaslt
