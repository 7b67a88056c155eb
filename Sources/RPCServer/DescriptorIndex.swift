import FoundationEssentials
import SwiftProtobuf

/// The files of a descriptor set, by name, by symbol and by extension.
struct DescriptorIndex: Sendable {
  private struct File {
    let bytes: Data
    let dependencies: [String]
  }

  private struct ExtensionKey: Hashable {
    let type: String
    let number: Int32
  }

  private var files: [String: File] = [:]
  private var fileOfSymbol: [String: String] = [:]
  private var fileOfExtension: [ExtensionKey: String] = [:]

  /// - Parameter set: an encoded `google.protobuf.FileDescriptorSet`, made by `protoc
  ///   --include_imports`.
  init(set: [UInt8]) throws {
    for file in try Google_Protobuf_FileDescriptorSet(serializedBytes: set).file { add(file) }
  }

  /// The file and everything it imports, each once, the file itself first; `nil` when unknown.
  func closure(ofFile name: String) -> [Data]? {
    guard files[name] != nil else { return nil }
    var seen: Set<String> = [name]
    var queue = [name]
    var result: [Data] = []
    while let next = queue.popLast() {
      guard let file = files[next] else { continue }
      result.append(file.bytes)
      for dependency in file.dependencies where seen.insert(dependency).inserted {
        queue.append(dependency)
      }
    }
    return result
  }

  func closure(ofSymbol name: String) -> [Data]? {
    fileOfSymbol[name].flatMap { closure(ofFile: $0) }
  }

  func closure(ofExtension number: Int32, of type: String) -> [Data]? {
    fileOfExtension[ExtensionKey(type: type, number: number)].flatMap { closure(ofFile: $0) }
  }

  /// The numbers of the extensions of a message type; `nil` when the type is unknown.
  func extensionNumbers(of type: String) -> [Int32]? {
    guard fileOfSymbol[type] != nil else { return nil }
    return fileOfExtension.keys.filter { $0.type == type }.map(\.number).sorted()
  }

  // MARK: Building

  private mutating func add(_ file: Google_Protobuf_FileDescriptorProto) {
    guard let bytes: Data = try? file.serializedBytes() else { return }
    files[file.name] = File(bytes: bytes, dependencies: file.dependency)
    let scope = file.package.isEmpty ? "" : file.package + "."
    for message in file.messageType { add(message, scope, file.name) }
    for item in file.enumType { add(item, scope, file.name) }
    for field in file.extension { add(extension: field, scope, file.name) }
    for service in file.service {
      fileOfSymbol[scope + service.name] = file.name
      for method in service.method {
        fileOfSymbol["\(scope)\(service.name).\(method.name)"] = file.name
      }
    }
  }

  private mutating func add(
    _ message: Google_Protobuf_DescriptorProto, _ scope: String, _ file: String
  ) {
    let name = scope + message.name
    fileOfSymbol[name] = file
    for field in message.field { fileOfSymbol["\(name).\(field.name)"] = file }
    for oneof in message.oneofDecl { fileOfSymbol["\(name).\(oneof.name)"] = file }
    for nested in message.nestedType { add(nested, name + ".", file) }
    for item in message.enumType { add(item, name + ".", file) }
    for field in message.extension { add(extension: field, name + ".", file) }
  }

  /// The values of an enum belong to the scope around it, as in C++.
  private mutating func add(
    _ item: Google_Protobuf_EnumDescriptorProto, _ scope: String, _ file: String
  ) {
    fileOfSymbol[scope + item.name] = file
    for value in item.value {
      fileOfSymbol[scope + value.name] = file
      fileOfSymbol["\(scope)\(item.name).\(value.name)"] = file
    }
  }

  private mutating func add(
    extension field: Google_Protobuf_FieldDescriptorProto, _ scope: String, _ file: String
  ) {
    fileOfSymbol[scope + field.name] = file
    let type = field.extendee.hasPrefix(".") ? String(field.extendee.dropFirst()) : field.extendee
    fileOfExtension[ExtensionKey(type: type, number: field.number)] = file
  }
}
