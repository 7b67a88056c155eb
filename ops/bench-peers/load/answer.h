// Reads just enough of a protobuf answer to tell whether it is the right one (protobuf encoding
// guide, "Message Structure").
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

struct Field {
  uint64_t number = 0;             // of a varint
  const uint8_t* bytes = nullptr;  // of a length-delimited field
  size_t count = 0;
};

inline bool varint(const uint8_t*& at, const uint8_t* end, uint64_t& value) {
  value = 0;
  for (int shift = 0; at < end && shift < 64; shift += 7) {
    uint8_t byte = *at++;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// Walks down `path`; an absent last field is zero, as proto3 has it. False: not decodable. The whole
// message is walked at each level, so that a cut one is found.
inline bool find_field(const uint8_t* at, size_t count, const std::vector<int>& path, Field& found) {
  const uint8_t* end = at + count;
  for (size_t level = 0; level < path.size(); level++) {
    Field here;
    while (at < end) {
      uint64_t tag, value;
      if (!varint(at, end, tag)) return false;
      Field field;
      switch (tag & 7) {
        case 0:
          if (!varint(at, end, value)) return false;
          field.number = value;
          break;
        case 1:
        case 5: {
          size_t width = (tag & 7) == 1 ? 8 : 4;
          if (static_cast<size_t>(end - at) < width) return false;
          at += width;
          break;
        }
        case 2:
          if (!varint(at, end, value) || value > static_cast<size_t>(end - at)) return false;
          field.bytes = at;
          field.count = value;
          at += value;
          break;
        default: return false;
      }
      if (static_cast<int>(tag >> 3) == path[level]) here = field;
    }
    found = here;
    at = here.bytes;
    end = at + here.count;
    if (level + 1 < path.size() && at == nullptr) return false;
  }
  return true;
}
