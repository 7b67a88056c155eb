/// A response message written out, with its compressed form where the caller takes one and it is
/// shorter.
///
/// Made where the message was written out: a megabyte takes milliseconds to deflate, which a handler
/// may take and an event loop may not.
struct EncodedMessage: Sendable {
  let bytes: [UInt8]
  let compressed: [UInt8]?

  init(_ bytes: [UInt8], for call: ServerCall) {
    self.bytes = bytes
    if let compression = call.replyCompression, bytes.count >= Compression.threshold {
      compressed = compression.deflate(bytes)
    } else {
      compressed = nil
    }
  }

  /// Of a call that has ended: nobody reads it, so nothing is made of it.
  init(ofEndedCall bytes: [UInt8]) {
    self.bytes = bytes
    compressed = nil
  }
}
