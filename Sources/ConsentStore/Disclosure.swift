public import ConsentCore

/// A disclosure made without a check and recorded by hand, for the accounting (45 CFR 164.528).
public struct Disclosure: Hashable, Sendable, Codable {
  public enum Ground: UInt8, CaseIterable, Sendable, Codable {
    /// Permitted or required without authorization or opportunity to object, 164.512.
    case permittedByLaw = 1
    case impermissible = 2
  }

  public var id: ID<Disclosure>
  public var patient: PatientID
  /// The images, if images were disclosed.
  public var images: [ImageKey]
  public var disclosed: SignedTime
  /// When it was, or when its day began.
  public var at: Instant
  public var recipient: Party
  /// In brief.
  public var information: String
  public var purpose: String
  public var ground: Ground
  /// Such as "164.512(f)".
  public var paragraph: String?

  public init(
    id: ID<Disclosure>, patient: PatientID, images: [ImageKey], disclosed: SignedTime,
    at: Instant, recipient: Party, information: String, purpose: String, ground: Ground,
    paragraph: String?
  ) {
    self.id = id
    self.patient = patient
    self.images = images
    self.disclosed = disclosed
    self.at = at
    self.recipient = recipient
    self.information = information
    self.purpose = purpose
    self.ground = ground
    self.paragraph = paragraph
  }
}
