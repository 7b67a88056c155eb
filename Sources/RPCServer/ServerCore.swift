import HTTP2
import Logging
import NIOSSL
import Synchronization

/// What all loops of a server share: configuration, methods and counts.
final class ServerCore: Sendable {
  let configuration: RPCServerConfiguration
  let methods: MethodTable
  let logger: Logger
  /// Handlers running now, on all loops.
  let runningHandlers = Atomic<Int>(0)
  let admission: ConnectionAdmission
  let openConnections = Atomic<Int>(0)
  let isDraining = Atomic<Bool>(false)
  let counters = ServerCounters()
  /// What new TLS connections are made with; replaced as a whole.
  let tls = Mutex<NIOSSLContext?>(nil)
  let health: HealthState
  let pages: [String: PageHandler]
  // Out of the configuration, which a method of its own would be given a copy of.
  private let hasInterceptor: Bool
  private let promptInterceptor: PromptInterceptor?
  let compressionThread: CompressionThread
  let handlers = HandlerPool()
  private let corsOrigins: Set<[UInt8]>

  init(configuration: RPCServerConfiguration, methods: [RPCMethod], health: HealthState) {
    self.configuration = configuration
    self.methods = MethodTable(methods)
    self.health = health
    admission = ConnectionAdmission(limits: configuration.limits)
    compressionThread = CompressionThread(budget: configuration.limits.inflatedBytes)
    corsOrigins = Set(configuration.corsOrigins.map { Array($0.utf8) })
    let healthPage: PageHandler = { _ in
      // Longer than five bytes: conformance suites look for a body they can starve of window.
      health.status() == .serving
        ? PageResponse(text: "serving\n") : PageResponse(status: 503, text: "not serving\n")
    }
    pages = configuration.pages.merging(["/healthz": healthPage]) { own, _ in own }
    logger = configuration.logger
    hasInterceptor = configuration.interceptor != nil
    promptInterceptor = configuration.promptInterceptor
  }

  /// Judges a call without waiting, where that can be.
  func judgeAtOnce(
    _ method: RPCMethod.Info, _ context: inout CallContext
  ) throws(RPCError) -> PromptVerdict {
    guard hasInterceptor else { return .admitted }
    guard let promptInterceptor else { return .mustWait }
    let head = context.call.head
    return try unsafe promptInterceptor(method, &context, &head.promptMemory)
  }

  func startThreads() {
    compressionThread.start()
    handlers.start()
  }

  func stopThreads() async {
    await compressionThread.stop()
    await handlers.stop()
  }

  var answersBrowsers: Bool { !corsOrigins.isEmpty }

  func allows(origin: [UInt8]) -> Bool { corsOrigins.contains(origin) }

  /// The request's origin, when it is one that may read the reply.
  func allowedOrigin(_ fields: HTTP2Fields, _ head: RequestHead) -> [UInt8]? {
    guard head.origin >= 0, answersBrowsers else { return nil }
    let origin = Array(fields.value(head.origin))
    return allows(origin: origin) ? origin : nil
  }
}
