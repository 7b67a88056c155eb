/// One field of a request that cannot be understood or is lacking.
public struct InvalidField: Hashable, Sendable {
  /// The path from the request's root, such as `request.actor.user.system`.
  public var field: String
  /// What is wrong and what to send instead; never the value itself.
  public var description: String
  /// The name of the decision reason that asks for the field, such as `PURPOSE_REQUIRED`.
  public var reason: String?

  public init(field: String, description: String, reason: String? = nil) {
    self.field = field
    self.description = description
    self.reason = reason
  }
}
