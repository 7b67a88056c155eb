// The peer of ops/bench ledger: what a careful C++ gRPC service does for a check without an index
// and without batches. Each CheckService.Check is one prepared select of the image's row and one
// committed insert of a decision row, on one of N connections, each with a thread of its own.
//
// Usage: PEER_DATABASE=conninfo bench-check-peer PORT CONNECTIONS
#include <grpcpp/grpcpp.h>
#include <libpq-fe.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "consent/v1/check_service.grpc.pb.h"

using consent::v1::CheckRequest;
using consent::v1::CheckResponse;
using consent::v1::CheckService;

namespace {

struct CheckCall;

// Calls that wait for a database connection.
class Waiting {
 public:
  void add(CheckCall* call) {
    {
      std::lock_guard lock(mutex_);
      calls_.push_back(call);
    }
    some_.notify_one();
  }
  CheckCall* take() {
    std::unique_lock lock(mutex_);
    some_.wait(lock, [this] { return !calls_.empty(); });
    CheckCall* call = calls_.front();
    calls_.pop_front();
    return call;
  }

 private:
  std::mutex mutex_;
  std::condition_variable some_;
  std::deque<CheckCall*> calls_;
};

Waiting waiting;

struct CheckCall {
  CheckService::AsyncService* service;
  grpc::ServerCompletionQueue* queue;
  grpc::ServerContext context;
  CheckRequest request;
  CheckResponse response;
  grpc::ServerAsyncResponseWriter<CheckResponse> writer;
  bool begun = false;

  CheckCall(CheckService::AsyncService* s, grpc::ServerCompletionQueue* q)
      : service(s), queue(q), writer(&context) {
    service->RequestCheck(&context, &request, &writer, queue, queue, this);
  }
  void proceed(bool ok) {
    if (!ok || begun) {
      delete this;
      return;
    }
    new CheckCall(service, queue);
    begun = true;
    waiting.add(this);
  }
};

[[noreturn]] void die(PGconn* connection) {
  std::cerr << "bench-check-peer: " << PQerrorMessage(connection);
  std::exit(1);
}

class Database {
 public:
  explicit Database(const char* conninfo) : connection_(PQconnectdb(conninfo)) {
    if (PQstatus(connection_) != CONNECTION_OK) die(connection_);
    prepare("image", "SELECT patient_id, effect, reason FROM image WHERE image_key = $1");
    prepare("decision",
        "INSERT INTO decision (decision_id, decided_at, image_key, effect, record)"
        " VALUES ($1, now(), $2, $3, $4)");
  }

  void answer(CheckCall& call) {
    const std::string& key = call.request.request().image().sop_instance_uid();
    const char* one[] = {key.c_str()};
    PGresult* row = PQexecPrepared(connection_, "image", 1, one, nullptr, nullptr, 0);
    if (PQresultStatus(row) != PGRES_TUPLES_OK) die(connection_);
    const bool known = PQntuples(row) == 1;
    const std::string effect = known ? PQgetvalue(row, 0, 1) : "2";
    const std::string reason = known ? PQgetvalue(row, 0, 2) : "8";
    PQclear(row);

    const std::string id = identity();
    // The question and what was answered, as the log of such a service would keep them.
    const std::string record = call.request.SerializeAsString();
    const char* values[] = {id.c_str(), key.c_str(), effect.c_str(), record.data()};
    const int lengths[] = {0, 0, 0, static_cast<int>(record.size())};
    const int formats[] = {0, 0, 0, 1};
    PGresult* inserted =
        PQexecPrepared(connection_, "decision", 4, values, lengths, formats, 0);
    if (PQresultStatus(inserted) != PGRES_COMMAND_OK) die(connection_);
    PQclear(inserted);

    auto* decision = call.response.mutable_decision();
    decision->set_decision_id(id);
    decision->set_effect(static_cast<consent::v1::Effect>(std::stoi(effect)));
    decision->set_reason(static_cast<consent::v1::Reason>(std::stoi(reason)));
    call.writer.Finish(call.response, grpc::Status::OK, &call);
  }

 private:
  void prepare(const char* name, const char* sql) {
    PGresult* result = PQprepare(connection_, name, sql, 0, nullptr);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) die(connection_);
    PQclear(result);
  }
  // Ascending in time, so that the peer's key is not charged with random page writes.
  std::string identity() {
    auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch()).count();
    char text[40];
    unsigned long long high = random_(), low = random_();
    snprintf(text, sizeof text, "%08llx-%04llx-7%03llx-8%03llx-%012llx",
        static_cast<unsigned long long>(now >> 16), static_cast<unsigned long long>(now & 0xffff),
        high & 0xfff, high >> 12 & 0xfff, low & 0xffffffffffffULL);
    return text;
  }

  PGconn* connection_;
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace

int main(int argc, char** argv) {
  const char* conninfo = std::getenv("PEER_DATABASE");
  if (argc != 3 || !conninfo) {
    std::cerr << "usage: PEER_DATABASE=conninfo bench-check-peer PORT CONNECTIONS\n";
    return 2;
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < std::stoi(argv[2]); i++)
    threads.emplace_back([conninfo] {
      Database database(conninfo);
      while (true) database.answer(*waiting.take());
    });
  CheckService::AsyncService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + argv[1], grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  auto queue = builder.AddCompletionQueue();
  auto server = builder.BuildAndStart();
  if (!server) return 1;
  for (int i = 0; i < 512; i++) new CheckCall(&service, queue.get());
  std::cout << "listening" << std::endl;
  void* tag;
  for (bool ok; queue->Next(&tag, &ok);) static_cast<CheckCall*>(tag)->proceed(ok);
}
