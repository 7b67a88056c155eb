// Adds time to each round trip between a node and its database: what the server sends arrives
// DELAY microseconds later than it would. Both ends are Unix sockets.
//
// Usage: bench-delay LISTEN_SOCKET SERVER_SOCKET DELAY
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <condition_variable>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace {

sockaddr_un address(const char* path) {
  sockaddr_un made{};
  made.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof made.sun_path) {
    std::cerr << "bench-delay: the path is too long\n";
    std::exit(2);
  }
  std::strcpy(made.sun_path, path);
  return made;
}

bool write_all(int to, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = send(to, data, size, MSG_NOSIGNAL);
    if (count <= 0) return false;
    data += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

int64_t now_nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

// One connection, closed when the last of its threads ends.
class Session {
 public:
  Session(int node, int server, int64_t delay) : node_(node), server_(server), delay_(delay) {}
  ~Session() {
    close(node_);
    close(server_);
  }

  void to_server() {
    char buffer[1 << 16];
    for (ssize_t count; (count = read(node_, buffer, sizeof buffer)) > 0;)
      if (!write_all(server_, buffer, static_cast<size_t>(count))) break;
    end();
  }

  void from_server() {
    char buffer[1 << 16];
    for (ssize_t count; (count = read(server_, buffer, sizeof buffer)) > 0;) {
      std::lock_guard hold(mutex_);
      waiting_.push_back({now_nanoseconds() + delay_, {buffer, static_cast<size_t>(count)}});
      arrived_.notify_one();
    }
    std::lock_guard hold(mutex_);
    waiting_.push_back({0, ""});  // the end
    arrived_.notify_one();
  }

  void to_node() {
    while (true) {
      Part part;
      {
        std::unique_lock hold(mutex_);
        arrived_.wait(hold, [this] { return !waiting_.empty(); });
        part = std::move(waiting_.front());
        waiting_.pop_front();
      }
      if (part.bytes.empty()) break;
      const timespec due{part.due / 1'000'000'000, part.due % 1'000'000'000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr);
      if (!write_all(node_, part.bytes.data(), part.bytes.size())) break;
    }
    end();
  }

 private:
  struct Part {
    int64_t due = 0;
    std::string bytes;
  };

  void end() {
    shutdown(node_, SHUT_RDWR);
    shutdown(server_, SHUT_RDWR);
  }

  const int node_, server_;
  const int64_t delay_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Part> waiting_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: bench-delay LISTEN_SOCKET SERVER_SOCKET DELAY\n";
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const sockaddr_un own = address(argv[1]), server = address(argv[2]);
  const int64_t delay = std::stoll(argv[3]) * 1'000;
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  unlink(argv[1]);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 ||
      listen(listener, 64) != 0) {
    std::cerr << "bench-delay: cannot listen: " << std::strerror(errno) << "\n";
    return 1;
  }
  std::cout << "listening" << std::endl;
  for (int node; (node = accept(listener, nullptr, nullptr)) >= 0;) {
    const int upstream = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(upstream, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
      close(node);
      close(upstream);
      continue;
    }
    const auto session = std::make_shared<Session>(node, upstream, delay);
    std::thread([session] { session->to_server(); }).detach();
    std::thread([session] { session->from_server(); }).detach();
    std::thread([session] { session->to_node(); }).detach();
  }
  return 1;
}
