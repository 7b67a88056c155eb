// What one committed append costs: inserts one row of random bytes at a time, each its own
// transaction, at most RATE a second (0: as fast as it goes), and prints one line of JSON.
//
// Usage: PEER_DATABASE=conninfo bench-append BYTES SECONDS RATE
#include <libpq-fe.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "load/histogram.h"

static uint64_t now_nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

[[noreturn]] static void die(PGconn* connection) {
  std::cerr << "bench-append: " << PQerrorMessage(connection);
  std::exit(1);
}

int main(int argc, char** argv) {
  const char* conninfo = std::getenv("PEER_DATABASE");
  if (argc != 4 || !conninfo) {
    std::cerr << "usage: PEER_DATABASE=conninfo bench-append BYTES SECONDS RATE\n";
    return 2;
  }
  std::string bytes(std::stoul(argv[1]), 0);
  std::mt19937_64 random(1);
  for (char& byte : bytes) byte = static_cast<char>(random());
  const double seconds = std::stod(argv[2]), rate = std::stod(argv[3]);

  PGconn* connection = PQconnectdb(conninfo);
  if (PQstatus(connection) != CONNECTION_OK) die(connection);
  PGresult* made = PQexec(connection,
      "CREATE TABLE IF NOT EXISTS appended (id bigserial PRIMARY KEY, record bytea NOT NULL)");
  if (PQresultStatus(made) != PGRES_COMMAND_OK) die(connection);
  PQclear(made);
  PGresult* prepared =
      PQprepare(connection, "append", "INSERT INTO appended (record) VALUES ($1)", 0, nullptr);
  if (PQresultStatus(prepared) != PGRES_COMMAND_OK) die(connection);
  PQclear(prepared);

  Histogram latency;
  const char* values[] = {bytes.data()};
  const int lengths[] = {static_cast<int>(bytes.size())}, formats[] = {1};
  const uint64_t start = now_nanoseconds(), end = start + static_cast<uint64_t>(seconds * 1e9);
  for (uint64_t count = 0, now = start; now < end; count++) {
    if (rate > 0) {
      const uint64_t due = start + static_cast<uint64_t>(1e9 / rate * static_cast<double>(count));
      timespec until{static_cast<time_t>(due / 1'000'000'000), static_cast<long>(due % 1'000'000'000)};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    }
    const uint64_t began = now_nanoseconds();
    PGresult* result = PQexecPrepared(connection, "append", 1, values, lengths, formats, 0);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) die(connection);
    PQclear(result);
    now = now_nanoseconds();
    latency.record(now - began);
  }
  printf("{\"count\":%lu,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f}\n", latency.total(),
      latency.quantile(.5) / 1e3, latency.quantile(.99) / 1e3, latency.quantile(.999) / 1e3);
  PQfinish(connection);
}
