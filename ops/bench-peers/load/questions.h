// The messages to be sent: one template whose key changes from call to call.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "options.h"

class Questions {
 public:
  explicit Questions(const Options& o) : offset_(5 + o.key_offset) {
    if (!o.body_file.empty()) {
      std::ifstream in(o.body_file, std::ios::binary);
      if (!in) fail("cannot read " + o.body_file);
      std::stringstream text;
      text << in.rdbuf();
      std::string body = text.str();
      for (int shift : {32, 24, 16, 8, 0})  // flag 0, then the length, big-endian
        frame_.push_back(shift == 32 ? 0 : static_cast<char>(body.size() >> shift));
      frame_ += body;
    }
    if (o.keys_file.empty()) return;
    std::ifstream in(o.keys_file);
    if (!in) fail("cannot read " + o.keys_file);
    for (std::string line; std::getline(in, line);) {
      size_t space = line.find(' ');
      std::string key = line.substr(0, space);
      if (width_ == 0) width_ = key.size();
      if (key.empty() || key.size() != width_) fail("keys must have one length");
      keys_ += key;
      expected_.push_back(
          space == std::string::npos ? 0 : static_cast<uint8_t>(std::stoi(line.substr(space))));
    }
    if (expected_.empty() || offset_ + width_ > frame_.size()) fail("no keys, or no room for one");
    draw(o);
  }

  bool vary() const { return width_ > 0; }
  size_t size() const { return frame_.size(); }
  // The key of the next call; the order was drawn before the run and repeats after four million.
  uint32_t next() { return vary() ? order_[position_++ & (order_.size() - 1)] : 0; }
  void write(uint32_t key, char* to) const {
    frame_.copy(to, frame_.size());
    if (vary()) keys_.copy(to + offset_, width_, key * width_);
  }
  uint8_t expected(uint32_t key) const { return vary() ? expected_[key] : 0; }
  bool is_key(uint32_t key, const uint8_t* bytes, size_t count) const {
    return count == width_ && keys_.compare(key * width_, width_,
                                  reinterpret_cast<const char*>(bytes), count) == 0;
  }

 private:
  void draw(const Options& o) {
    std::mt19937_64 random(o.seed);
    const uint64_t n = expected_.size();
    std::vector<double> cumulative;
    if (o.zipf > 0) {
      double sum = 0;
      for (uint64_t rank = 1; rank <= n; rank++)
        cumulative.push_back(sum += std::pow(static_cast<double>(rank), -o.zipf));
    }
    // Ranks are dealt out over the register, so that the hot images are not neighbours in it.
    std::vector<uint32_t> of_rank;
    if (o.zipf > 0) {
      for (uint32_t i = 0; i < n; i++) of_rank.push_back(i);
      std::shuffle(of_rank.begin(), of_rank.end(), random);
    }
    order_.resize(1 << 22);
    for (uint32_t& key : order_) {
      if (o.zipf > 0) {
        double at = std::uniform_real_distribution<double>(0, cumulative.back())(random);
        auto rank = std::lower_bound(cumulative.begin(), cumulative.end(), at);
        key = of_rank[std::min<uint64_t>(rank - cumulative.begin(), n - 1)];
      } else {
        key = static_cast<uint32_t>(random() % n);
      }
    }
  }

  size_t offset_, width_ = 0;
  std::string frame_, keys_;
  std::vector<uint8_t> expected_;
  std::vector<uint32_t> order_;
  size_t position_ = 0;
};
