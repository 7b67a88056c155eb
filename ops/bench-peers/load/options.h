// What a run of the load client is told.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

struct Options {
  std::string host = "127.0.0.1";
  int port = 0;
  bool tls = false;
  int connections = 8, streams = 32;
  double seconds = 3, warmup = 0.5;
  double rate = 0;  // calls a second, open loop; 0: closed loop
  std::string path;
  bool get = false;  // GET a page instead of calling gRPC
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body_file;  // a serialized message; without the five bytes before it
  std::string keys_file;  // one key a line, all of one length; after a space what is expected
  size_t key_offset = 0;  // where in the body the key stands
  double zipf = 0;        // exponent; 0: uniform
  uint64_t seed = 1;
  std::vector<int> expect_number;  // field numbers down to a number equal to what is expected
  std::vector<int> expect_key;     // field numbers down to bytes equal to the key sent
  size_t page_bytes = 0;
  std::vector<std::pair<std::string, int>> cpu;  // name and root of a process tree
  int calls_each = 0;  // hold connections: this many calls on each, then wait for end of input
  bool hold = false;

  static Options parse(int argc, char** argv);
};

[[noreturn]] void fail(const std::string& message);
