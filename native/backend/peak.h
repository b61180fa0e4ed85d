// What the machine can do at best, measured: the denominators of "% of peak" in doctor, metrics and benches.
#pragma once

#include <string>

namespace burgeon {

struct Peak {
  double flops_per_second;       // fp32 multiply-adds on registers and cache, x 2, all threads
  double bf16_flops_per_second;  // likewise with bfloat16 operands, summed in fp32
  double bytes_per_second;       // copy of memory far larger than the caches, read + written
  double processor_share;        // of the time, in which the threads ran while FLOPs were measured; less than 1: busy
};

// Takes about 0.4 s on `threads` threads; best of several runs. FLOPs go by the time that threads run, not the wall's,
// so that a busy machine has the peak of an idle one. max_isa as in select_ops.
Peak measure_peak(int threads, const std::string& max_isa);

}  // namespace burgeon
