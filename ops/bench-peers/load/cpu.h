// CPU time of process trees, from /proc (proc(5), "/proc/pid/stat").
#pragma once
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

struct ProcessTime {
  int parent = 0;
  // Own user and system ticks, and those of children that have ended and were waited for.
  unsigned long long ticks = 0;
};

inline std::map<int, ProcessTime> process_times() {
  std::map<int, ProcessTime> all;
  DIR* proc = opendir("/proc");
  if (!proc) return all;
  while (dirent* entry = readdir(proc)) {
    int pid = atoi(entry->d_name);
    if (pid <= 0) continue;
    char text[1024];
    FILE* file = fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
    if (!file) continue;
    size_t count = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[count] = 0;
    const char* rest = strrchr(text, ')');  // a name may hold anything
    ProcessTime time;
    unsigned long long user, system;
    long long child_user, child_system;
    if (rest && sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld",
                    &time.parent, &user, &system, &child_user, &child_system) == 5) {
      time.ticks = user + system + static_cast<unsigned long long>(child_user + child_system);
      all[pid] = time;
    }
  }
  closedir(proc);
  return all;
}

// Seconds used by each of the trees below `roots`; a root within another's tree counts for itself.
inline std::vector<double> tree_seconds(const std::vector<int>& roots) {
  const auto all = process_times();
  std::vector<unsigned long long> ticks(roots.size());
  for (const auto& [pid, time] : all) {
    int at = pid;
    for (int depth = 0; at > 1 && depth < 64; depth++) {
      auto root = std::find(roots.begin(), roots.end(), at);
      if (root != roots.end()) {
        ticks[static_cast<size_t>(root - roots.begin())] += time.ticks;
        break;
      }
      auto up = all.find(at);
      at = up == all.end() ? 0 : up->second.parent;
    }
  }
  std::vector<double> seconds;
  for (auto t : ticks) seconds.push_back(static_cast<double>(t) / sysconf(_SC_CLK_TCK));
  return seconds;
}
