// The load client of ops/bench: calls with changing keys, checks every answer, and prints one line
// of JSON. See options.h for what it takes, as name=value.
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "connection.h"
#include "cpu.h"

class Load {
 public:
  explicit Load(const Options& o) : options_(o), run_(o), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    for (int i = 0; i < o.connections; i++) {
      connections_.push_back(std::make_unique<Connection>(run_, epoll_));
      // One at a time, so that no server's queue of new connections is what is measured.
      while (!connections_.back()->ready()) attend(1'000'000'000);
    }
  }

  int timed() {
    const uint64_t start = now_nanoseconds();
    const uint64_t from = start + nanoseconds(options_.warmup);
    const uint64_t until = from + nanoseconds(options_.seconds);
    next_due_ = due_start_ = start;
    drive(from);
    const auto cpu_before = cpu();
    const uint64_t completed = run_.completed, bytes = run_.answer_bytes;
    const uint64_t began = now_nanoseconds();
    // Looking at /proc takes a moment, which no call shall be charged with.
    run_.record_from = began + 20'000'000;
    run_.record_until = until;
    drive(until);
    const double elapsed = static_cast<double>(now_nanoseconds() - began) / 1e9;
    const auto cpu_after = cpu();
    const uint64_t calls = run_.completed - completed;
    const uint64_t answered = run_.answer_bytes - bytes;
    const size_t late = backlog();
    finish();
    print(elapsed, calls, answered, late, cpu_before, cpu_after);
    return run_.failures.empty() ? 0 : 1;
  }

  // Opens connections, makes a few calls on each, then holds them until standard input ends.
  int hold() {
    for (int i = 0; i < options_.calls_each; i++) {
      for (auto& c : connections_) {
        c->start(now_nanoseconds());
        c->flush();
      }
      finish();
    }
    attend(100'000'000);
    printf("{\"held\":%zu,\"calls\":%lu}\n", connections_.size(), run_.completed);
    fflush(stdout);
    pollfd input{STDIN_FILENO, POLLIN, 0};
    char byte;
    while (poll(&input, 1, 0) == 0 || read(STDIN_FILENO, &byte, 1) > 0) attend(100'000'000);
    return run_.failures.empty() ? 0 : 1;
  }

 private:
  static uint64_t nanoseconds(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

  void drive(uint64_t until) {
    for (uint64_t now = now_nanoseconds(); now < until; now = now_nanoseconds()) {
      uint64_t timeout = until - now;
      if (options_.rate > 0) {
        start_due(now);
        timeout = std::min(timeout, next_due_ > now ? next_due_ - now : 50'000);
      } else {
        for (auto& c : connections_)
          while (c->has_room()) c->start(now);
      }
      for (auto& c : connections_) c->flush();
      wait(timeout);
    }
  }

  // Open loop: what is due and finds no free stream stays due, and its wait counts.
  void start_due(uint64_t now) {
    const double gap = 1e9 / options_.rate;
    while (next_due_ <= now) {
      Connection* free = nullptr;
      for (size_t tried = 0; tried < connections_.size() && !free; tried++) {
        Connection* c = connections_[turn_++ % connections_.size()].get();
        if (c->has_room()) free = c;
      }
      if (!free) return;
      free->start(next_due_);
      due_count_++;
      next_due_ = due_start_ + static_cast<uint64_t>(std::llround(gap * static_cast<double>(due_count_)));
    }
  }

  size_t backlog() const {
    uint64_t now = now_nanoseconds();
    if (options_.rate == 0 || next_due_ >= now) return 0;
    return static_cast<size_t>(static_cast<double>(now - next_due_) * options_.rate / 1e9);
  }

  // Answers what servers ask of idle connections: settings, pings. Of those alone that had something
  // to say: with thousands of connections, looking at all of them each time takes minutes.
  void attend(uint64_t nanoseconds) { wait(nanoseconds, true); }

  void wait(uint64_t nanoseconds, bool flushes = false) {
    epoll_event events[256];
    timespec timeout{static_cast<time_t>(nanoseconds / 1'000'000'000),
        static_cast<long>(nanoseconds % 1'000'000'000)};
    int count = epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
    for (int i = 0; i < count; i++) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      connection->on_event(events[i].events);
      if (flushes) connection->flush();
    }
  }

  void finish() {
    const uint64_t until = now_nanoseconds() + 10'000'000'000;
    while (run_.outstanding > 0 && now_nanoseconds() < until) {
      attend(10'000'000);
    }
    if (run_.outstanding > 0) run_.failures["unanswered"] += run_.outstanding;
  }

  std::vector<double> cpu() const {
    std::vector<int> roots;
    for (auto& [name, root] : options_.cpu) roots.push_back(root);
    auto seconds = tree_seconds(roots);
    rusage own;
    getrusage(RUSAGE_SELF, &own);
    seconds.push_back(static_cast<double>(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                      static_cast<double>(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6);
    return seconds;
  }

  void print(double elapsed, uint64_t calls, uint64_t bytes, size_t late,
      const std::vector<double>& before, const std::vector<double>& after) const {
    printf("{\"calls\":%lu,\"seconds\":%.6f,\"rate\":%.1f,\"completed\":%lu,\"answer_bytes\":%lu,\"backlog\":%zu",
        calls, elapsed, static_cast<double>(calls) / elapsed, run_.completed, bytes, late);
    const auto& h = run_.latency;
    printf(",\"latency_us\":{\"count\":%lu,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}",
        h.total(), h.quantile(.5) / 1e3, h.quantile(.9) / 1e3, h.quantile(.99) / 1e3,
        h.quantile(.999) / 1e3, h.maximum() / 1e3);
    printf(",\"cpu_seconds\":{");
    for (size_t i = 0; i < before.size(); i++)
      printf("%s\"%s\":%.4f", i ? "," : "",
          i < options_.cpu.size() ? options_.cpu[i].first.c_str() : "client", after[i] - before[i]);
    printf("},\"failures\":{");
    bool first = true;
    for (auto& [why, count] : run_.failures) {
      printf("%s\"%s\":%lu", first ? "" : ",", why.c_str(), count);
      first = false;
    }
    printf("}}\n");
  }

  const Options& options_;
  Run run_;
  int epoll_;
  std::vector<std::unique_ptr<Connection>> connections_;
  uint64_t next_due_ = 0, due_start_ = 0, due_count_ = 0;
  size_t turn_ = 0;
};

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Options options = Options::parse(argc, argv);
  Load load(options);
  return options.hold ? load.hold() : load.timed();
}
