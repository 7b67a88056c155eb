public import RPCWire

/// A plain HTTP resource beside the RPC methods: `/healthz`, `/metrics`, the web pages.
public struct PageRequest: Sendable {
  /// `GET`, `HEAD`, `POST` ...; HEAD runs the handler as GET and drops the body.
  public let method: String
  /// Without the query.
  public let path: String
  /// After `?`, undecoded; empty without one.
  public let query: String
  public let metadata: RequestMetadata
  public let body: [UInt8]
  public let peer: String
  public let isPlaintext: Bool
}

public struct PageResponse: Sendable {
  public var status: Int
  public var contentType: String
  /// Further fields, lower-case names, for instance `cache-control` or `location`.
  public var headers: Metadata
  public var body: [UInt8]

  public init(
    status: Int = 200, contentType: String = "text/plain; charset=utf-8",
    headers: Metadata = Metadata(), body: [UInt8]
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.body = body
  }

  public init(status: Int = 200, text: String) {
    self.init(status: status, body: Array(text.utf8))
  }
}

/// Answers a page. An error becomes a 500 with a fixed text and is logged.
public typealias PageHandler = @Sendable (PageRequest) async throws -> PageResponse
