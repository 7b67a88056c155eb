/// The last frame of a gRPC-Web reply, which stands for the trailers that browsers cannot read.
///
/// - Source: grpc/grpc `doc/PROTOCOL-WEB.md`.
public enum WebTrailers {
  public static let flag: UInt8 = 0x80

  /// The frame's content: `name: value` lines, lower case, no blank line at the end.
  public static func encode(
    _ fields: some Sequence<(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)>
  ) -> [UInt8] {
    var block: [UInt8] = []
    for field in fields {
      block.append(contentsOf: field.name)
      block.append(contentsOf: ": ".utf8)
      block.append(contentsOf: field.value)
      block.append(contentsOf: "\r\n".utf8)
    }
    return block
  }
}
