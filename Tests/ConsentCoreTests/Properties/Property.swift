import ConsentCore
import Foundation

/// A statement about every decider, tried on random registers.
struct Property: Sendable {
  var name: String
  /// Registers tried by default; each with several questions.
  var iterations: Int
  /// What contradicts the property on one register, in words; `nil` = nothing.
  var contradiction: @Sendable (Decider, inout SplitMix64) -> String?

  /// The first seed from `seed` on, and what it contradicts.
  func counterexample(_ decider: Decider, settings: PropertySettings) -> String? {
    for offset in 0..<UInt64(settings.iterations ?? iterations) {
      let seed = settings.seed &+ offset
      var random = SplitMix64(seed: seed)
      if let found = contradiction(decider, &random) {
        return "\(name): \(decider.name) fails at CONSENTD_TEST_SEED=\(seed): \(found)"
      }
    }
    return nil
  }
}

/// Where property tests start and how far they go.
struct PropertySettings: Sendable {
  var seed: UInt64
  /// `nil` = as many as each property says.
  var iterations: Int?

  static let current: PropertySettings = {
    let environment = ProcessInfo.processInfo.environment
    let settings = PropertySettings(
      seed: environment["CONSENTD_TEST_SEED"].flatMap(UInt64.init) ?? 20_260_301,
      iterations: environment["CONSENTD_TEST_ITERATIONS"].flatMap(Int.init))
    print("property tests: CONSENTD_TEST_SEED=\(settings.seed)")
    return settings
  }()

  /// Mistakes have to be caught within the default number of registers.
  static let byDefault = PropertySettings(seed: 20_260_301, iterations: nil)
}
