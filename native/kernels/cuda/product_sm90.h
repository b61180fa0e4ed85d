// Products of bfloat16 by wgmma, for devices of compute capability 9.0 (product_sm90.cu).
#pragma once

#include "kernels/cuda/product_shape.cuh"

namespace burgeon::cuda {

// D with the shared dimension, which is not empty, cut into `splits` pieces of split_k. Addresses and strides of
// operands are multiples of 16 bytes. There is one for each arrangement and epilogue that ops use.
template <bool kAcrossA, bool kAcrossB, class Epilogue>
void launch_sm90_product(Stream stream, const Operand<bfloat16>& a, const Operand<bfloat16>& b,
                         const ProductShape& shape, int splits, int split_k, const Epilogue& epilogue);

// With tiles of 128 x kTileN, 128 or 256, of which launch_sm90_product takes the larger where they are enough.
template <bool kAcrossA, bool kAcrossB, int kTileN, class Epilogue>
void launch_sm90_tiles(Stream stream, const Operand<bfloat16>& a, const Operand<bfloat16>& b, const ProductShape& shape,
                       int splits, int split_k, const Epilogue& epilogue);

}  // namespace burgeon::cuda
