#include "connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

uint64_t now_nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

static nghttp2_nv field(const std::string& name, const std::string& value) {
  // Kept for the whole run: the caller's strings outlive it.
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
      reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
      NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

Run::Run(const Options& o) : options(o), questions(o) {
  static std::vector<std::pair<std::string, std::string>> text;
  text = {{":method", o.get ? "GET" : "POST"}, {":scheme", o.tls ? "https" : "http"},
      {":path", o.path}, {":authority", o.host + ":" + std::to_string(o.port)}};
  if (!o.get) {
    text.emplace_back("te", "trailers");
    text.emplace_back("content-type", "application/grpc");
  }
  text.emplace_back("user-agent", "bench-load");
  for (auto& header : o.headers) text.push_back(header);
  for (auto& [name, value] : text) fields.push_back(field(name, value));
  if (o.tls) {
    tls = SSL_CTX_new(TLS_client_method());
    // A measurement on loopback of a server this run has started: its certificate is not checked.
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_alpn_protos(tls, reinterpret_cast<const uint8_t*>("\2h2"), 3);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
}

static Call* call_of(nghttp2_session* session, int32_t stream) {
  return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream));
}

nghttp2_session_callbacks* Connection::callbacks() {
  static nghttp2_session_callbacks* shared = [] {
    nghttp2_session_callbacks* c;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_header_callback(
        c, [](nghttp2_session* s, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
               const uint8_t* value, size_t value_size, uint8_t, void*) -> int {
          Call* call = call_of(s, frame->hd.stream_id);
          if (!call) return 0;
          bool status = name_size == 7 && memcmp(name, ":status", 7) == 0;
          if (!status && !(name_size == 11 && memcmp(name, "grpc-status", 11) == 0)) return 0;
          int number = 0;
          for (size_t i = 0; i < value_size; i++) number = number * 10 + (value[i] - '0');
          (status ? call->http_status : call->grpc_status) = number;
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        c, [](nghttp2_session* s, uint8_t, int32_t stream, const uint8_t* data, size_t size,
               void*) -> int {
          if (Call* call = call_of(s, stream)) call->body.insert(call->body.end(), data, data + size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        c, [](nghttp2_session* s, int32_t stream, uint32_t error, void* me) -> int {
          if (Call* call = call_of(s, stream)) static_cast<Connection*>(me)->settle(*call, error);
          return 0;
        });
    return c;
  }();
  return shared;
}

Connection::Connection(Run& run, int epoll) : run_(run), epoll_(epoll) {
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(run.options.port));
  inet_pton(AF_INET, run.options.host.c_str(), &address.sin_addr);
  if (socket_ < 0 || connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    fail(std::string("cannot connect: ") + strerror(errno));
  fcntl(socket_, F_SETFL, O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_, &event);
  if (run.tls) {
    ssl_ = SSL_new(run.tls);
    SSL_set_fd(ssl_, socket_);
    handshake();
  } else {
    begin_session();
  }
}

Connection::~Connection() {
  if (session_) nghttp2_session_del(session_);
  if (ssl_) SSL_free(ssl_);
  close(socket_);
}

void Connection::handshake() {
  int done = SSL_connect(ssl_);
  if (done == 1) return begin_session();
  int error = SSL_get_error(ssl_, done);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) fail("TLS handshake failed");
  want(error == SSL_ERROR_WANT_WRITE);
}

void Connection::begin_session() {
  nghttp2_session_client_new(&session_, callbacks(), this);
  nghttp2_settings_entry window[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, window, 2);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 24);
  ready_ = true;
  flush();
}

void Connection::want(bool writable) {
  if (writable == waits_for_room_) return;
  waits_for_room_ = writable;
  epoll_event event{};
  event.events = EPOLLIN | (writable ? EPOLLOUT : 0u);
  event.data.ptr = this;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, socket_, &event);
}

void Connection::start(uint64_t due) {
  std::unique_ptr<Call> call;
  if (idle_.empty()) {
    call = std::make_unique<Call>();
  } else {
    call = std::move(idle_.back());
    idle_.pop_back();
  }
  call->due = due;
  call->key = run_.questions.next();
  call->sent = 0;
  call->http_status = 0;
  call->grpc_status = -1;
  call->body.clear();
  nghttp2_data_provider provider{};
  provider.source.ptr = call.get();
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* buffer, size_t room,
                               uint32_t* flags, nghttp2_data_source* source, void* me) -> ssize_t {
    auto& questions = static_cast<Connection*>(me)->run_.questions;
    auto* from = static_cast<Call*>(source->ptr);
    size_t left = questions.size() - from->sent;
    if (from->sent == 0 && left <= room) {  // the common case, without a copy
      questions.write(from->key, reinterpret_cast<char*>(buffer));
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(left);
    }
    std::string whole(questions.size(), 0);
    questions.write(from->key, whole.data());
    size_t count = std::min(left, room);
    memcpy(buffer, whole.data() + from->sent, count);
    from->sent += count;
    if (from->sent == questions.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  };
  int32_t stream = nghttp2_submit_request(session_, nullptr, run_.fields.data(), run_.fields.size(),
      run_.options.get ? nullptr : &provider, call.get());
  if (stream < 0) fail(std::string("cannot call: ") + nghttp2_strerror(stream));
  active_++;
  run_.outstanding++;
  call.release();  // comes back in settle()
}

void Connection::settle(Call& call, uint32_t error) {
  active_--;
  run_.outstanding--;
  run_.completed++;
  run_.answer_bytes += call.body.size();
  if (call.due >= run_.record_from && call.due < run_.record_until)
    run_.latency.record(now_nanoseconds() - call.due);
  if (error != 0) run_.fail_call("reset " + std::to_string(error));
  else check(call);
  idle_.emplace_back(&call);
}

void Connection::check(const Call& call) {
  const Options& o = run_.options;
  if (call.http_status != 200) return run_.fail_call("http " + std::to_string(call.http_status));
  if (o.get) {
    if (call.body.size() != o.page_bytes) run_.fail_call("page of another size");
    return;
  }
  if (call.grpc_status != 0) return run_.fail_call("grpc " + std::to_string(call.grpc_status));
  const auto& b = call.body;
  uint32_t size = b.size() < 5 ? 0
      : static_cast<uint32_t>(b[1]) << 24 | static_cast<uint32_t>(b[2]) << 16 |
        static_cast<uint32_t>(b[3]) << 8 | b[4];
  if (b.size() < 5 || b[0] != 0 || size != b.size() - 5) return run_.fail_call("not one message");
  Field found;
  if (!o.expect_number.empty()) {
    if (!find_field(b.data() + 5, size, o.expect_number, found)) run_.fail_call("not decodable");
    else if (found.number != run_.questions.expected(call.key)) run_.fail_call("another answer");
  }
  if (!o.expect_key.empty() && (!find_field(b.data() + 5, size, o.expect_key, found) ||
                                   !run_.questions.is_key(call.key, found.bytes, found.count)))
    run_.fail_call("another key");
}

bool Connection::read_some() {
  static uint8_t buffer[256 * 1024];
  ssize_t count;
  if (ssl_) {
    count = SSL_read(ssl_, buffer, sizeof buffer);
    if (count <= 0) {
      if (SSL_get_error(ssl_, static_cast<int>(count)) == SSL_ERROR_WANT_READ) return false;
      fail("the server ended a TLS connection");
    }
  } else {
    count = read(socket_, buffer, sizeof buffer);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (count <= 0) fail("the server ended a connection");
  }
  ssize_t used = nghttp2_session_mem_recv(session_, buffer, static_cast<size_t>(count));
  if (used < 0) fail(std::string("bad bytes from the server: ") + nghttp2_strerror(static_cast<int>(used)));
  return ssl_ ? true : count == sizeof buffer;
}

void Connection::on_event(uint32_t events) {
  if (!ready_) return handshake();
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
    while (read_some()) {}
}

// Everything the session has to say, in one write.
void Connection::flush() {
  if (!ready_) return;
  const uint8_t* bytes;
  for (ssize_t n; (n = nghttp2_session_mem_send(session_, &bytes)) > 0;)
    out_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
  size_t done = 0;
  while (done < out_.size()) {
    ssize_t n = ssl_ ? SSL_write(ssl_, out_.data() + done, static_cast<int>(out_.size() - done))
                     : write(socket_, out_.data() + done, out_.size() - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  out_.erase(0, done);
  want(!out_.empty());
}
