#include "options.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

void fail(const std::string& message) {
  fprintf(stderr, "bench-load: %s\n", message.c_str());
  exit(2);
}

static std::vector<int> field_numbers(const std::string& text) {
  std::vector<int> path;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, '.');) path.push_back(std::stoi(part));
  return path;
}

static std::pair<std::string, std::string> pair(const std::string& text, char separator) {
  size_t at = text.find(separator);
  if (at == std::string::npos) fail("'" + text + "' lacks '" + separator + "'");
  return {text.substr(0, at), text.substr(at + 1)};
}

Options Options::parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i++) {
    auto [name, value] = pair(argv[i], '=');
    if (name == "host") o.host = value;
    else if (name == "port") o.port = std::stoi(value);
    else if (name == "tls") o.tls = value == "1";
    else if (name == "connections") o.connections = std::stoi(value);
    else if (name == "streams") o.streams = std::stoi(value);
    else if (name == "seconds") o.seconds = std::stod(value);
    else if (name == "warmup") o.warmup = std::stod(value);
    else if (name == "rate") o.rate = std::stod(value);
    else if (name == "path") o.path = value;
    else if (name == "get") o.get = value == "1";
    else if (name == "header") o.headers.push_back(pair(value, ':'));
    else if (name == "body") o.body_file = value;
    else if (name == "keys") o.keys_file = value;
    else if (name == "key-offset") o.key_offset = std::stoul(value);
    else if (name == "zipf") o.zipf = std::stod(value);
    else if (name == "seed") o.seed = std::stoull(value);
    else if (name == "expect-number") o.expect_number = field_numbers(value);
    else if (name == "expect-key") o.expect_key = field_numbers(value);
    else if (name == "page-bytes") o.page_bytes = std::stoul(value);
    else if (name == "calls-each") o.calls_each = std::stoi(value);
    else if (name == "hold") o.hold = value == "1";
    else if (name == "cpu") {
      auto [who, pid] = pair(value, ':');
      o.cpu.emplace_back(who, std::stoi(pid));
    } else fail("unknown option " + name);
  }
  if (o.port == 0 || o.path.empty()) fail("port=N and path=/… are needed");
  if (o.connections < 1 || o.streams < 1) fail("connections and streams are at least 1");
  return o;
}
