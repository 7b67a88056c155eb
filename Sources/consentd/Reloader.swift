import ConsentServer
import Foundation
import Logging

/// Reads files again on SIGHUP and when they change. What cannot be used is logged and counted, and
/// what was read before stays in force.
///
/// Files are compared once a second by what `stat` tells, in a task of its own: no event loop waits.
/// They are read when they were the same at two looks, so that a file half written, or a key whose
/// certificate still has to follow, is not taken for a fault.
struct Reloader: Sendable {
  struct Source: Sendable {
    /// For the log and metrics: `certificate`, `callers`, `issuers`.
    var what: String
    /// As the files were before they were last read, so that no change in between is missed.
    var seen: FileMarks
    /// Reads the files, puts what they hold into force, and tells which ones to watch.
    var load: @Sendable () async throws -> [String]
  }

  var sources: [Source]
  var metrics: Metrics
  var logger: Logger

  /// Until the task is cancelled.
  /// - Parameter isAsked: whether a reload of everything was asked for since the last look.
  func run(isAsked: @Sendable () -> Bool) async {
    var sources = sources
    var unsettled: [Int: FileMarks] = [:]
    while !Task.isCancelled {
      try? await Task.sleep(for: .seconds(1))
      let isAsked = isAsked()
      for index in sources.indices {
        let marks = FileMarks(sources[index].seen.paths)
        guard !Task.isCancelled, isAsked || marks != sources[index].seen else {
          unsettled[index] = nil
          continue
        }
        guard isAsked || unsettled[index] == marks else {
          unsettled[index] = marks
          continue
        }
        unsettled[index] = nil
        sources[index].seen = await reload(sources[index], marks)
      }
    }
  }

  private func reload(_ source: Source, _ marks: FileMarks) async -> FileMarks {
    do {
      let paths = try await source.load()
      logger.notice("read again", metadata: ["what": "\(source.what)"])
      metrics.reloaded(source.what, succeeded: true)
      // A file named for the first time is read once more, since it was not marked before.
      return Set(paths) == Set(marks.paths) ? marks : FileMarks(unseen: paths)
    } catch {
      logger.error(
        "cannot be used; the old one stays in force",
        metadata: ["what": "\(source.what)", "why": "\(StartFailure(error).text)"])
      metrics.reloaded(source.what, succeeded: false)
      return marks
    }
  }
}

/// What tells one content of some files from another without reading them.
struct FileMarks: Equatable, Sendable {
  private struct Mark: Equatable {
    var inode: UInt64
    var size: Int64
    /// Of the last change of content or status: also a change of the mode alone counts, since it
    /// decides whether a key may be read.
    var seconds: Int
    var nanoseconds: Int
  }

  let paths: [String]
  private var marks: [Mark?]

  init(_ paths: [String]) {
    self.paths = paths
    marks = paths.map { path in
      var status = stat()
      guard unsafe stat(path, &status) == 0 else { return nil }
      return Mark(
        inode: UInt64(status.st_ino), size: Int64(status.st_size),
        seconds: status.st_ctim.tv_sec, nanoseconds: status.st_ctim.tv_nsec)
    }
  }

  /// Differs from whatever is seen next, as long as one of the files exists.
  init(unseen paths: [String]) {
    self.paths = paths
    marks = paths.map { _ in nil }
  }
}
