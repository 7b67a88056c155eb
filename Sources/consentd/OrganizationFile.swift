import ConsentCore
import ConsentStore
import Foundation

/// The organizations to serve: `{"organizations":[{"id":"<uuid>","name":"...",
/// "time_zone":"America/Chicago"}]}`. Those that are not in the database yet are created at start.
struct OrganizationFile {
  var organizations: [OrganizationSettings] = []

  private struct File: Decodable {
    struct Entry: Decodable {
      var id: String
      var name: String
      var time_zone: String
    }

    var organizations: [Entry]
  }

  init(contentsOf path: String) throws(StartFailure) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw StartFailure(.configuration, "cannot read the organizations from \(path)")
    }
    let file: File
    do {
      file = try JSONDecoder().decode(File.self, from: data)
    } catch {
      throw StartFailure(
        .configuration,
        "\(path) is not {\"organizations\":[{\"id\":…,\"name\":…,\"time_zone\":…}]}")
    }
    for (index, entry) in file.organizations.enumerated() {
      guard let id = OrganizationID(entry.id) else {
        throw StartFailure(.configuration, "\(path): organizations[\(index)].id is not a UUID")
      }
      guard !entry.name.isEmpty else {
        throw StartFailure(.configuration, "\(path): organizations[\(index)].name is empty")
      }
      guard TimeZone(identifier: entry.time_zone) != nil else {
        throw StartFailure(
          .configuration,
          "\(path): organizations[\(index)].time_zone is unknown here; use an IANA name such as "
            + "America/Chicago, and install tzdata")
      }
      organizations.append(
        OrganizationSettings(id: id, name: entry.name, timeZone: entry.time_zone))
    }
  }
}
