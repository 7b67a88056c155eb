import HTTP2
import RPCWire

/// Header lists: what `RequestHead` finds in one pass is what a plain search finds, and metadata
/// is decoded as it says. An input is a list of lines `name:value`.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHead(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  var list: [(name: [UInt8], value: [UInt8])] = []
  for line in bytes.split(separator: UInt8(ascii: "\n")).prefix(128) {
    // A pseudo-header begins with a colon of its own.
    let colon = line.dropFirst().firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    list.append((Array(line[..<colon]), Array(line[colon...].dropFirst())))
  }
  var fields = HTTP2Fields()
  for (name, value) in list { fields.add(name, value) }
  readsBack(fields, list)
  headIsWhatASearchFinds(RequestHead(fields), list)
  metadata(RequestMetadata(fields: fields), list)
  return 0
}

private func readsBack(_ fields: HTTP2Fields, _ list: [(name: [UInt8], value: [UInt8])]) {
  expect(fields.count == list.count, "every field is there")
  var size = 0
  for (index, field) in list.enumerated() {
    expect(fields.name(index).elementsEqual(field.name), "names come back")
    expect(fields.value(index).elementsEqual(field.value), "values come back")
    size += field.name.count + field.value.count + 32
  }
  expect(fields.listSize == size, "the size is that of RFC 9113")
}

private func headIsWhatASearchFinds(
  _ head: RequestHead, _ list: [(name: [UInt8], value: [UInt8])]
) {
  func last(_ name: String) -> Int { list.lastIndex { $0.name == Array(name.utf8) } ?? -1 }
  func times(_ name: String) -> Int { list.filter { $0.name == Array(name.utf8) }.count }
  let found: [(Int, String)] = [
    (head.method, ":method"), (head.path, ":path"), (head.contentType, "content-type"),
    (head.grpcTimeout, "grpc-timeout"), (head.grpcEncoding, "grpc-encoding"),
    (head.grpcAcceptEncoding, "grpc-accept-encoding"), (head.connectTimeout, "connect-timeout-ms"),
    (head.connectVersion, "connect-protocol-version"),
    (head.connectEncoding, "connect-content-encoding"),
    (head.connectAcceptEncoding, "connect-accept-encoding"),
    (head.contentEncoding, "content-encoding"), (head.acceptEncoding, "accept-encoding"),
    (head.origin, "origin"), (head.preflightMethod, "access-control-request-method"),
  ]
  for (index, name) in found { expect(index == last(name), "\(name) is found") }
  expect(head.authorities == times(":authority") && head.hosts == times("host"), "counted")
  let isBad = list.contains { field in
    text(field.name).hasSuffix("-bin") && values(field.value).contains { Base64.decode($0) == nil }
  }
  expect(head.hasBadBinary == isBad, "values that are not base64 are noticed")
}

private func values(_ value: [UInt8]) -> [ArraySlice<UInt8>] {
  value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    .map { ASCII.trimmed($0) }
}

private func metadata(
  _ metadata: RequestMetadata, _ list: [(name: [UInt8], value: [UInt8])]
) {
  let all = metadata.all()
  expect(
    all.entries.reduce(0) { $0 + $1.value.count } <= list.reduce(0) { $0 + $1.value.count },
    "decoding grows nothing")
  for entry in all.entries {
    expect(!Metadata.isReserved(entry.name), "the protocol's names stay out")
    expect(list.contains { $0.name == entry.name }, "every name was there")
  }
  let authorization = list.filter { $0.name == Array("authorization".utf8) }
  expect(metadata.count("authorization") == authorization.count, "credentials are counted")
  expect(
    metadata.bytes("authorization").map(Array.init) == authorization.first?.value,
    "the first one is given")
}
