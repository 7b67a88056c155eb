// The peer of ops/bench: what C++ gRPC does for an empty service. Answers wire.echo.v1.EchoService
// with the text it got and as many bytes of payload as asked for, by the asynchronous API, one
// completion queue a thread.
//
// Usage: bench-echo PORT THREADS [PEM-FILE]
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>
#include <vector>

#include "echo.grpc.pb.h"

using wire::echo::v1::EchoRequest;
using wire::echo::v1::EchoResponse;
using wire::echo::v1::EchoService;

namespace {

// One call from its acceptance to its end; asks for the next one as soon as it has begun.
class UnaryCall {
 public:
  UnaryCall(EchoService::AsyncService* service, grpc::ServerCompletionQueue* queue)
      : service_(service), queue_(queue), writer_(&context_) {
    service_->RequestUnary(&context_, &request_, &writer_, queue_, queue_, this);
  }

  void proceed(bool ok) {
    if (!ok || answered_) {
      delete this;
      return;
    }
    new UnaryCall(service_, queue_);
    answered_ = true;
    response_.set_text(request_.text());
    if (request_.payload_bytes() > 0)
      response_.set_payload(std::string(request_.payload_bytes(), 'x'));
    writer_.Finish(response_, grpc::Status::OK, this);
  }

 private:
  EchoService::AsyncService* service_;
  grpc::ServerCompletionQueue* queue_;
  grpc::ServerContext context_;
  EchoRequest request_;
  EchoResponse response_;
  grpc::ServerAsyncResponseWriter<EchoResponse> writer_;
  bool answered_ = false;
};

std::shared_ptr<grpc::ServerCredentials> credentials(const char* pem_file) {
  if (!pem_file) return grpc::InsecureServerCredentials();
  std::stringstream text;
  text << std::ifstream(pem_file).rdbuf();
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({text.str(), text.str()});
  return grpc::SslServerCredentials(options);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: bench-echo PORT THREADS [PEM-FILE]\n";
    return 2;
  }
  EchoService::AsyncService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + argv[1], credentials(argc > 3 ? argv[3] : nullptr));
  builder.RegisterService(&service);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int i = 0; i < std::stoi(argv[2]); i++) queues.push_back(builder.AddCompletionQueue());
  auto server = builder.BuildAndStart();
  if (!server) return 1;
  std::vector<std::thread> threads;
  for (auto& queue : queues)
    threads.emplace_back([&service, &queue] {
      for (int i = 0; i < 512; i++) new UnaryCall(&service, queue.get());
      void* tag;
      for (bool ok; queue->Next(&tag, &ok);) static_cast<UnaryCall*>(tag)->proceed(ok);
    });
  std::cout << "listening" << std::endl;
  for (auto& thread : threads) thread.join();
}
