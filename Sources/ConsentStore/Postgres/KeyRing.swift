internal import ConsentCore
internal import Crypto
internal import ProofLog
internal import Synchronization

/// Seals demographics and hashes what they are found by, with an organization's own data keys.
///
/// A data key is kept wrapped by the master key (AES-256-GCM, associated data: what it is for).
final class KeyRing: Sendable {
  enum Purpose: Int16, CaseIterable {
    case sealing = 1
    case lookup = 2
  }

  /// Signs the roots of logs; `nil`: receipts are not signed.
  let signer: LogSigner?
  let run = NodeRun()
  /// What this process signed last of each of its logs.
  let signed = SignedLogs()
  private let masters: [SymmetricKey]
  private let unwrapped = Mutex<[OrganizationID: DataKeys]>([:])

  struct DataKeys: Sendable {
    var sealing: [Int32: SymmetricKey] = [:]
    var lookup: [Int32: SymmetricKey] = [:]
  }

  /// - Parameter masters: 32 bytes each; the first wraps new data keys, all unwrap.
  init(masters: [[UInt8]], signer: LogSigner? = nil) throws {
    guard !masters.isEmpty, masters.allSatisfy({ $0.count == 32 }) else {
      throw StoreError.unavailable("a master key has 32 bytes; check the configured key")
    }
    self.signer = signer
    self.masters = masters.map { SymmetricKey(data: $0) }
  }

  func keys(of organization: OrganizationID) -> DataKeys? {
    unwrapped.withLock { $0[organization] }
  }

  func remember(_ keys: DataKeys, of organization: OrganizationID) {
    unwrapped.withLock { $0[organization] = keys }
  }

  /// A new data key, wrapped.
  func makeKey(_ organization: OrganizationID, _ purpose: Purpose, version: Int32) throws -> [UInt8]
  {
    let key = SymmetricKey(size: .bits256)
    let bytes = unsafe key.withUnsafeBytes { unsafe Array($0) }
    return try Self.seal(
      bytes, with: masters[0], bound: Self.binding(organization, purpose, version: version))
  }

  func unwrap(
    _ wrapped: [UInt8], _ organization: OrganizationID, _ purpose: Purpose, version: Int32
  ) throws -> SymmetricKey {
    let bound = Self.binding(organization, purpose, version: version)
    for master in masters {
      if let bytes = try? Self.open(wrapped, with: master, bound: bound) {
        return SymmetricKey(data: bytes)
      }
    }
    throw StoreError.unavailable("no configured master key opens the organization's data key")
  }

  static func seal(_ plain: [UInt8], with key: SymmetricKey, bound: [UInt8]) throws -> [UInt8] {
    guard let sealed = try AES.GCM.seal(plain, using: key, authenticating: bound).combined else {
      throw StoreError.unavailable("sealing failed")
    }
    return Array(sealed)
  }

  static func open(_ sealed: [UInt8], with key: SymmetricKey, bound: [UInt8]) throws -> [UInt8] {
    Array(try AES.GCM.open(AES.GCM.SealedBox(combined: sealed), using: key, authenticating: bound))
  }

  static func hash(_ term: [UInt8], with key: SymmetricKey) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: term, using: key))
  }

  private static func binding(
    _ organization: OrganizationID, _ purpose: Purpose, version: Int32
  ) -> [UInt8] {
    var form = CanonicalBytes()
    form.append(text: "consentd data key")
    form.append(organization)
    form.append(purpose.rawValue)
    form.append(version)
    return form.bytes
  }
}
