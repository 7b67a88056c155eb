// Latencies in buckets whose width is below one percent of their value (the idea of HdrHistogram).
#pragma once
#include <bit>
#include <cstdint>
#include <vector>

class Histogram {
 public:
  void record(uint64_t nanoseconds) {
    counts_[index(nanoseconds)]++;
    total_++;
    if (nanoseconds > maximum_) maximum_ = nanoseconds;
  }

  uint64_t total() const { return total_; }
  uint64_t maximum() const { return maximum_; }

  // The smallest recorded value, to bucket width, that at least `fraction` of all do not exceed.
  uint64_t quantile(double fraction) const {
    uint64_t wanted = static_cast<uint64_t>(fraction * static_cast<double>(total_) + 0.5), seen = 0;
    if (wanted == 0) wanted = 1;
    for (size_t i = 0; i < counts_.size(); i++) {
      seen += counts_[i];
      if (seen >= wanted) return highest(i);
    }
    return maximum_;
  }

 private:
  static constexpr int kBits = 7;  // 128 buckets for each power of two
  static constexpr uint64_t kSide = 1u << kBits;

  static size_t index(uint64_t value) {
    if (value < kSide) return value;
    int shift = 63 - std::countl_zero(value) - kBits;
    return static_cast<size_t>(shift + 1) * kSide + ((value >> shift) - kSide);
  }
  static uint64_t highest(size_t index) {
    if (index < kSide) return index;
    int shift = static_cast<int>(index / kSide) - 1;
    return ((kSide + index % kSide + 1) << shift) - 1;
  }

  std::vector<uint64_t> counts_ = std::vector<uint64_t>((64 - kBits + 1) * kSide);
  uint64_t total_ = 0, maximum_ = 0;
};
