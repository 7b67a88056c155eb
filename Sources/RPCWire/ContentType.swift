/// How a message is written.
public enum MessageEncoding: UInt8, Sendable, CaseIterable {
  case proto, json
}

/// What a request's content-type announces.
public enum ContentType: Equatable, Sendable {
  case grpc(MessageEncoding)
  case grpcWeb(MessageEncoding)
  case connectStreaming(MessageEncoding)
  /// Connect unary: the bare message.
  case bare(MessageEncoding)

  /// Compared without case, parameters ignored; `nil` for everything we answer 415 to.
  public static func classify(_ value: ArraySlice<UInt8>) -> ContentType? {
    let end = value.firstIndex(of: UInt8(ascii: ";")) ?? value.endIndex
    let type = ASCII.trimmed(value[value.startIndex..<end])
    // `application/grpc` is the common case; `application/grpc-web` shares its prefix.
    if ASCII.startsIgnoringCase(type, with: "application/grpc-web") {
      return subtype(type.dropFirst(20)).map { .grpcWeb($0) }
    }
    if ASCII.startsIgnoringCase(type, with: "application/grpc") {
      return subtype(type.dropFirst(16)).map { .grpc($0) }
    }
    if ASCII.startsIgnoringCase(type, with: "application/connect"), type.count > 19 {
      return subtype(type.dropFirst(19)).map { .connectStreaming($0) }
    }
    if ASCII.equalsIgnoringCase(type, "application/proto") { return .bare(.proto) }
    if ASCII.equalsIgnoringCase(type, "application/json") { return .bare(.json) }
    return nil
  }

  private static func subtype(_ rest: ArraySlice<UInt8>) -> MessageEncoding? {
    if rest.isEmpty || ASCII.equalsIgnoringCase(rest, "+proto") { return .proto }
    return ASCII.equalsIgnoringCase(rest, "+json") ? .json : nil
  }

  /// Every type a POST may carry, for `accept-post`.
  public static let accepted: StaticString =
    """
    application/grpc, application/grpc+proto, application/grpc+json, application/grpc-web, \
    application/grpc-web+proto, application/grpc-web+json, application/connect+proto, \
    application/connect+json, application/proto, application/json
    """
}
