// Ranks as threads of this process.
#pragma once

#ifndef _WIN32
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/communicator.h"

namespace burgeon::test {

int free_port();

// Runs every rank; the messages of those that failed, by rank.
std::vector<std::string> run_ranks(int size, const std::function<void(Communicator&)>& work, double silence = 15);

// A failure for every message; true, so that it can be checked.
bool all_empty(const std::vector<std::string>& messages);

void check_says(const std::string& message, const std::string& part);

// What follows each micro-batch of a rank's share: sums to merge, and whether to keep (lib/ranks/shares.ts).
struct Fold {
  int64_t merges;
  bool keeps;
};
std::vector<Fold> folds_of(int64_t micro_batches, int rank, int size);

}  // namespace burgeon::test

#endif
