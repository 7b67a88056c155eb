// One HTTP/2 connection of the load client: nghttp2 session, socket, and TLS if asked for.
#pragma once
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "answer.h"
#include "histogram.h"
#include "options.h"
#include "questions.h"

uint64_t now_nanoseconds();

// What all connections of a run share.
struct Run {
  const Options& options;
  Questions questions;
  std::vector<nghttp2_nv> fields;
  SSL_CTX* tls = nullptr;
  Histogram latency;
  // Calls begun (or, in an open loop, due) in this interval are recorded.
  uint64_t record_from = UINT64_MAX, record_until = UINT64_MAX;
  uint64_t completed = 0, answer_bytes = 0, outstanding = 0;
  std::map<std::string, uint64_t> failures;

  explicit Run(const Options& options);
  void fail_call(const std::string& why) { failures[why]++; }
};

struct Call {
  uint64_t due = 0;
  uint32_t key = 0;
  uint32_t received = 0;
  size_t sent = 0;
  int http_status = 0, grpc_status = -1;
  std::vector<uint8_t> body;
};

class Connection {
 public:
  Connection(Run& run, int epoll);
  ~Connection();
  Connection(const Connection&) = delete;

  bool ready() const { return ready_; }
  bool has_room() const { return ready_ && active_ < run_.options.streams; }
  int active() const { return active_; }
  void start(uint64_t due);
  void on_event(uint32_t events);
  void flush();

 private:
  bool read_some();
  void settle(Call& call, uint32_t error);
  void check(const Call& call);
  void handshake();
  void begin_session();
  void want(bool writable);
  static nghttp2_session_callbacks* callbacks();

  Run& run_;
  int epoll_, socket_;
  SSL* ssl_ = nullptr;
  nghttp2_session* session_ = nullptr;
  bool ready_ = false, waits_for_room_ = false;
  int active_ = 0;
  std::vector<std::unique_ptr<Call>> idle_;
  std::string out_;
};
