import RPCWire
import Testing

@Suite struct TimeoutTests {
  @Test(arguments: [
    ("1H", 3_600_000_000_000), ("2M", 120_000_000_000), ("3S", 3_000_000_000),
    ("4m", 4_000_000), ("5u", 5_000), ("6n", 6), ("0n", 0), ("00000001S", 1_000_000_000),
    ("99999999H", CallTimeout.longest),
  ])
  func wellFormedTimeoutsAreRead(text: String, nanoseconds: UInt64) {
    #expect(CallTimeout.parseGRPC(Array(text.utf8)) == nanoseconds)
  }

  @Test(arguments: ["", "S", "1", "1s", "-1S", "+1S", "1.0S", " 1S", "123456789S", "1SS", "éS"])
  func malformedTimeoutsAreNot(text: String) {
    #expect(CallTimeout.parseGRPC(Array(text.utf8)) == nil)
  }

  @Test func whatIsWrittenIsReadAsAtLeastAsLong() {
    for value: UInt64 in [0, 1, 99_999_999, 100_000_000, 100_000_001, 1 << 40, 1 << 55, 1 << 61] {
      let text = Array(CallTimeout.formatGRPC(value).utf8)
      #expect((CallTimeout.parseGRPC(text) ?? 0) >= value)
    }
  }

  @Test func connectTimeoutsAreMilliseconds() {
    #expect(CallTimeout.parseConnect(Array("9999999999".utf8)) == 9_999_999_999_000_000)
    #expect(CallTimeout.parseConnect(Array("10000000000".utf8)) == nil)
    #expect(CallTimeout.parseConnect(Array("1s".utf8)) == nil)
  }
}

@Suite struct Base64Tests {
  @Test(arguments: [
    ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"),
    ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy"),
  ])
  func theVectorsOfTheStandardHold(plain: String, coded: String) {
    #expect(Base64.encode(Array(plain.utf8)) == Array(coded.utf8))
    #expect(Base64.decode(Array(coded.utf8)) == Array(plain.utf8))
    let padded = Base64.encode(Array(plain.utf8), padded: true)
    #expect(padded.count % 4 == 0 && Base64.decode(padded) == Array(plain.utf8))
  }

  @Test func bothAlphabetsAreRead() {
    #expect(Base64.decode(Array("-_8".utf8)) == Base64.decode(Array("+/8".utf8)))
  }

  @Test(arguments: ["a", "ab=c", "a===", "ab==c", "ab===", "a b", "ab\n", "====", "abc=="])
  func everythingElseIsRefused(text: String) {
    #expect(Base64.decode(Array(text.utf8)) == nil)
  }

  @Test func everyByteStringSurvives() {
    for length in 0..<70 {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }
  }
}

@Suite struct PercentCodingTests {
  @Test func printableTextStays() {
    let text = String(decoding: (0x20...0x7E).filter { $0 != 0x25 }, as: UTF8.self)
    #expect(PercentCoding.encodeMessage(text) == Array(text.utf8))
  }

  @Test func theRestIsEncodedInUpperCase() {
    #expect(PercentCoding.encodeMessage("%☃\n") == Array("%25%E2%98%83%0A".utf8))
  }

  @Test func longMessagesAreCutBetweenCharacters() {
    let coded = PercentCoding.encodeMessage(String(repeating: "☃", count: 500))
    #expect(coded.count == 1_023 * 3)
    #expect(String(validating: PercentCoding.decode(coded), as: UTF8.self)?.count == 341)
  }

  @Test func decodingNeverFails() {
    #expect(PercentCoding.decode(Array("a%2".utf8)) == Array("a%2".utf8))
    #expect(PercentCoding.decode(Array("%zz%41%".utf8)) == Array("%zzA%".utf8))
    for first in UInt8.min ... .max {
      _ = PercentCoding.decode([0x25, first, 0x25, first, first])
    }
  }
}

@Suite struct ContentTypeTests {
  @Test(arguments: [
    ("application/grpc", ContentType.grpc(.proto)),
    ("application/grpc+proto", .grpc(.proto)),
    ("application/grpc+json", .grpc(.json)),
    ("Application/GRPC; x=y", .grpc(.proto)),
    ("application/grpc-web", .grpcWeb(.proto)),
    ("application/grpc-web+proto", .grpcWeb(.proto)),
    ("application/grpc-web+json", .grpcWeb(.json)),
    ("application/connect+proto", .connectStreaming(.proto)),
    ("application/connect+json", .connectStreaming(.json)),
    ("application/proto", .bare(.proto)),
    ("application/json; charset=utf-8", .bare(.json)),
  ])
  func knownTypesAreTold(text: String, type: ContentType) {
    #expect(ContentType.classify(Array(text.utf8)[...]) == type)
  }

  @Test(arguments: [
    "", "application/grpcfoo", "application/grpc+foo", "application/grpc-web-text",
    "application/connect", "application/connect+xml", "application/jsonx", "text/html",
  ])
  func otherTypesAreNot(text: String) {
    #expect(ContentType.classify(Array(text.utf8)[...]) == nil)
  }
}

@Suite struct ConnectTests {
  @Test func errorsLeaveOutWhatIsEmpty() {
    let json = ConnectJSON.error(.notFound, "", details: [])
    #expect(String(decoding: json, as: UTF8.self) == #"{"code":"not_found"}"#)
  }

  @Test func errorsCarryDetailsAsUnpaddedBase64() {
    let json = ConnectJSON.error(
      .aborted, "a \"b\"\n", details: [(typeName: "x.Y", value: [1]), (typeName: "Z", value: [])])
    let expected =
      #"{"code":"aborted","message":"a \"b\"\u000a","details":"#
      + #"[{"type":"x.Y","value":"AQ"},{"type":"Z","value":""}]}"#
    #expect(String(decoding: json, as: UTF8.self) == expected)
  }

  @Test func theEndOfASuccessfulStreamIsAnEmptyObject() {
    #expect(ConnectJSON.endOfStream(error: nil, metadata: Metadata()) == Array("{}".utf8))
  }

  @Test func theEndOfAStreamGroupsMetadata() {
    var metadata = Metadata()
    metadata.add("a", "1")
    metadata.add("b-bin", bytes: [0, 1])
    metadata.add("a", "2")
    let json = ConnectJSON.endOfStream(error: Array("{}".utf8), metadata: metadata)
    #expect(
      String(decoding: json, as: UTF8.self)
        == #"{"error":{},"metadata":{"a":["1","2"],"b-bin":["AAE"]}}"#)
  }

  @Test func aQueryIsReadInAnyOrder() throws {
    let query = QueryString(
      Array("message=eyJ9&base64=1&unknown=x&encoding=json&connect=v1".utf8)[...])
    #expect(ConnectGetQuery.isPresent(in: query))
    let get = try ConnectGetQuery(query)
    #expect(get.message == Array("{\"}".utf8) && get.encoding == .json)
  }

  @Test(arguments: [
    "encoding=proto", "message=", "encoding=xml&message=", "connect=v2",
    "encoding=json&message=a&base64=1",
  ])
  func incompleteQueriesAreInvalid(text: String) {
    let fault = #expect(throws: WireFault.self) {
      try ConnectGetQuery(QueryString(Array(text.utf8)[...]))
    }
    #expect(fault?.code == .invalidArgument)
  }
}

@Suite struct StatusMessageTests {
  @Test func detailsComeBackAsTheyWere() {
    let details: [StatusMessage.Detail] = [
      ("a.B", [1, 2, 3]), ("c.D", Array(repeating: 7, count: 300)), ("e.F", []),
    ]
    let bytes = StatusMessage.encode(code: .aborted, message: "text", details: details)
    let read = StatusMessage.decodeDetails(bytes)
    #expect(read.map(\.typeName) == ["a.B", "c.D", "e.F"])
    #expect(read.map(\.value) == details.map(\.value))
  }

  @Test func damagedBytesAreReadWithoutATrap() {
    let bytes = StatusMessage.encode(
      code: .aborted, message: "text", details: [("a.B", Array(repeating: 1, count: 200))])
    for length in 0..<bytes.count { _ = StatusMessage.decodeDetails(Array(bytes[..<length])) }
    for index in bytes.indices {
      for value: UInt8 in [0, 0x7F, 0x80, 0xFF] {
        var damaged = bytes
        damaged[index] = value
        _ = StatusMessage.decodeDetails(damaged)
      }
    }
  }
}

@Suite struct MetadataTests {
  @Test(arguments: [
    "grpc-status", ":path", "te", "content-type", "user-agent", "connection", "host", "",
    "transfer-encoding", "connect-timeout-ms",
  ])
  func reservedNamesAreNoUserMetadata(name: String) {
    #expect(Metadata.isReserved(Array(name.utf8)))
  }

  @Test func userNamesAreLowerCaseTokens() {
    #expect(Metadata.isLegalUserName(Array("x-ok_1.bin".utf8)))
    for name in ["X-Upper", "sp ace", "é", "a:b", ""] {
      #expect(!Metadata.isLegalUserName(Array(name.utf8)))
    }
  }

  @Test func valuesAreVisibleASCII() {
    #expect(Metadata.isLegalASCIIValue(Array("a b~".utf8)))
    for value in [" a", "a ", "a\n", "é", "\u{7F}"] {
      #expect(!Metadata.isLegalASCIIValue(Array(value.utf8)))
    }
  }
}

@Suite struct CodeTests {
  @Test func everyCodeHasAnHTTPStatusAndAName() {
    #expect(Set(RPCCode.allCases.map(\.connectName)).count == 17)
    for code in RPCCode.allCases where code != .ok { #expect(code.httpStatus >= 400) }
  }

  @Test(arguments: [
    (400, RPCCode.internal), (401, .unauthenticated), (403, .permissionDenied),
    (404, .unimplemented), (429, .unavailable), (431, .internal), (502, .unavailable),
    (503, .unavailable), (504, .unavailable), (200, .unknown), (302, .unknown), (500, .unknown),
  ])
  func aReplyWithoutStatusIsReadByItsHTTPStatus(status: Int, code: RPCCode) {
    #expect(RPCCode(httpStatusWithoutGRPCStatus: status) == code)
  }
}
