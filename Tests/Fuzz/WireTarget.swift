import Foundation
import Gzip
import RPCWire

/// Framing, timeouts, percent and base64 coding, Connect's JSON and queries, status details, gzip.
/// The first byte of an input names what the rest is for, so that seeds can be read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzWire(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = bytes.first else { return 0 }
  let rest = bytes.dropFirst()
  switch Character(UnicodeScalar(first)) {
  case "f": framing(rest)
  case "r": framesComeBack(rest)
  case "t": grpcTimeouts(rest)
  case "c": connectTimeouts(rest)
  case "p": percentCoding(rest)
  case "b": base64(rest)
  case "j": connectJSON(rest)
  case "q": queries(rest)
  case "y": contentTypes(rest)
  case "s": statusDetails(rest)
  case "z": inflating(rest)
  case "d": deflating(rest)
  default: break
  }
  return 0
}

// MARK: Framing

private let limit = 300

/// What a deframer makes of pieces: its messages and the fault that ended them.
private func deframe(_ pieces: [[UInt8]]) -> ([FramedMessage], WireFault?) {
  var deframer = MessageDeframer(maximumBytes: limit)
  var messages: [FramedMessage] = []
  do throws(WireFault) {
    for piece in pieces {
      try deframer.feed(piece) { messages.append($0) }
      expect(deframer.pendingCount <= limit + 5, "at most one message is kept")
    }
    try deframer.finish()
    return (messages, nil)
  } catch {
    return (messages, error)
  }
}

private func framing(_ bytes: ArraySlice<UInt8>) {
  var input = FuzzInput(bytes)
  let pieces = input.pieces()
  let cut = deframe(pieces)
  let whole = deframe([pieces.flatMap { $0 }])
  expect(cut.0 == whole.0, "cuts change no message")
  expect(cut.1 == whole.1, "cuts change no fault")
  let single = deframe(pieces.flatMap { $0 }.map { [$0] })
  expect(single.0 == whole.0 && single.1 == whole.1, "single bytes change nothing")
  for message in whole.0 {
    expect(message.bytes.count <= limit && message.flags <= 1, "the limits hold")
  }
}

private func framesComeBack(_ bytes: ArraySlice<UInt8>) {
  var input = FuzzInput(bytes)
  let contents = input.pieces().filter { $0.count <= limit }
  let stream = contents.flatMap { MessageFraming.prefix(flags: 0, length: $0.count) + $0 }
  let (messages, fault) = deframe([stream])
  expect(fault == nil && messages.map(\.bytes) == contents, "what was framed comes back")
}

// MARK: Timeouts

private func grpcTimeouts(_ bytes: ArraySlice<UInt8>) {
  guard let time = CallTimeout.parseGRPC(bytes) else { return }
  expect(bytes.count >= 2 && bytes.count <= 9, "1 to 8 digits and a unit")
  expect(time <= CallTimeout.longest, "adding it to a clock cannot overflow")
  guard let again = CallTimeout.parseGRPC(Array(CallTimeout.formatGRPC(time).utf8)) else {
    return expect(false, "what is written can be read")
  }
  expect(again >= time, "a deadline is never shortened by writing it")
  expect(again - time <= time / 10_000 + 1, "nor lengthened by more than the unit's rounding")
}

private func connectTimeouts(_ bytes: ArraySlice<UInt8>) {
  guard let time = CallTimeout.parseConnect(bytes) else { return }
  expect(bytes.count <= 10 && Int(text(bytes)) != nil, "1 to 10 digits")
  expect(UInt64(text(bytes)).map { $0 &* 1_000_000 } == time, "milliseconds")
}

// MARK: Coding

private func percentCoding(_ bytes: ArraySlice<UInt8>) {
  for plus in [false, true] {
    expect(
      PercentCoding.decode(bytes, plusIsSpace: plus).count <= bytes.count, "decoding grows nothing")
  }
  let message = text(bytes)
  let encoded = PercentCoding.encodeMessage(message)
  expect(encoded.allSatisfy { (0x20...0x7E).contains($0) }, "what is sent is printable ASCII")
  let decoded = PercentCoding.decode(encoded)
  expect(message.utf8.starts(with: decoded), "what was encoded comes back")
  let cut = min(message.utf8.count, PercentCoding.maximumMessageBytes)
  expect(decoded.count <= cut && decoded.count > cut - 4, "all of it, or as much as fits")
  expect(String(validating: decoded, as: UTF8.self) != nil, "no character is cut")
}

private func base64(_ bytes: ArraySlice<UInt8>) {
  for padded in [false, true] {
    let encoded = Base64.encode(bytes, padded: padded)
    expect(Base64.decode(encoded) == Array(bytes), "what was encoded comes back")
    expect(!padded || text(encoded) == Data(bytes).base64EncodedString(), "as the standard has it")
  }
  guard let decoded = Base64.decode(bytes) else { return }
  expect(decoded.count <= bytes.count * 3 / 4, "decoding never grows")
  expect(Base64.decode(Base64.encode(decoded)) == decoded, "decoding is stable")
}

// MARK: Connect

private func connectJSON(_ bytes: ArraySlice<UInt8>) {
  var input = FuzzInput(bytes)
  let code = RPCCode(rawValue: input.byte() % 17) ?? .unknown
  let value = input.take(Int(input.byte()))
  let message = text(input.rest)
  let error = ConnectJSON.error(code, message, details: [("a.B", value)])
  var metadata = Metadata()
  metadata.add("x-a", "1")
  metadata.add("x-a", "2")
  metadata.add("x-raw-bin", bytes: value)
  let end = ConnectJSON.endOfStream(error: error, metadata: metadata)
  let parsed = try? JSONSerialization.jsonObject(with: Data(end)) as? [String: Any]
  let object = parsed?["error"] as? [String: Any]
  expect(object?["code"] as? String == code.connectName, "the code can be read")
  expect(object?["message"] as? String ?? "" == message, "the message comes back")
  let detail = (object?["details"] as? [[String: String]])?.first
  expect(
    detail?["value"].flatMap { Base64.decode($0.utf8) } == value && detail?["type"] == "a.B",
    "the details come back")
  let values = parsed?["metadata"] as? [String: [String]]
  expect(values?["x-a"] == ["1", "2"] && values?.count == 2, "names stand once")
}

private func queries(_ bytes: ArraySlice<UInt8>) {
  let query = QueryString(bytes)
  if let get = try? ConnectGetQuery(query) {
    expect(get.message.count <= bytes.count, "decoding grows nothing")
    expect(ConnectGetQuery.isPresent(in: query), "what can be read was recognised")
  }
  let plain =
    Array("a=%41&encoding=proto&message=".utf8) + bytes.flatMap(percent) + Array("&b".utf8)
  let coded = Array("base64=1&message=".utf8) + Base64.encode(bytes) + Array("&encoding=json".utf8)
  // `+` in base64 would be read as a space.
  let safe = coded.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: "-") : $0 }
  for text in [plain, safe] {
    let message = (try? ConnectGetQuery(QueryString(text[...])))?.message
    expect(message == Array(bytes), "a message comes back")
  }
}

private func percent(_ byte: UInt8) -> [UInt8] {
  let digits = Array("0123456789abcdef".utf8)
  return [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
}

private func contentTypes(_ bytes: ArraySlice<UInt8>) {
  let found = ContentType.classify(bytes)
  expect(found == ContentType.classify(ASCII.lowercased(Array(bytes))[...]), "without case")
  expect(found == ContentType.classify((bytes + Array("; charset=utf-8".utf8))[...]), "parameters")
  guard found != nil else { return }
  let name = text(ASCII.lowercased(Array(bytes.prefix { $0 != UInt8(ascii: ";") })))
    .trimmingCharacters(in: .whitespaces)
  let known = ContentType.accepted.description.components(separatedBy: ", ")
  expect(known.contains(name), "only what is announced is accepted: \(name)")
}

// MARK: Status and gzip

private func statusDetails(_ bytes: ArraySlice<UInt8>) {
  let read = StatusMessage.decodeDetails(Array(bytes))
  expect(read.reduce(0) { $0 + $1.value.count } <= bytes.count, "reading grows nothing")
  var input = FuzzInput(bytes)
  let details = input.pieces().map { (typeName: "x.Y", value: $0) }
  let encoded = StatusMessage.encode(code: .aborted, message: text(bytes), details: details)
  let again = StatusMessage.decodeDetails(encoded)
  expect(
    again.map(\.value) == details.map(\.value) && again.allSatisfy { $0.typeName == "x.Y" },
    "details come back")
}

private func inflating(_ bytes: ArraySlice<UInt8>) {
  let whole = try? Gzip.inflate(Array(bytes), limit: 1 << 20)
  let capped = try? Gzip.inflate(Array(bytes), limit: 1_000)
  expect(capped.map { $0.count <= 1_000 } ?? true, "never more than the cap")
  if let whole, whole.count <= 1_000 { expect(capped == whole, "a cap that fits changes nothing") }
}

private func deflating(_ bytes: ArraySlice<UInt8>) {
  guard let small = Gzip.deflate(Array(bytes)) else { return }
  expect(small.count < max(1, bytes.count), "deflating shortens or says no")
  expect((try? Gzip.inflate(small, limit: bytes.count)) == Array(bytes), "it comes back")
  guard !bytes.isEmpty else { return }
  expect((try? Gzip.inflate(small, limit: bytes.count - 1)) == nil, "one byte over is refused")
}
