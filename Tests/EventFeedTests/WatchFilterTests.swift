import ConsentCore
import ConsentStore
import Testing

@testable import EventFeed

@Suite struct WatchFilterTests {
  private let patient = PatientID(high: 0, low: 1)
  private let image = ImageKey.sopInstance("1.2.3")

  private func event(
    _ kind: EventKind = .instrumentRecorded, patient: PatientID? = nil, images: [ImageKey] = [],
    scope: Scope? = nil, uses: ClosedSet<Use> = []
  ) -> FeedEvent {
    FeedEvent(
      kind: kind, subject: "test", patient: patient, images: images, scope: scope, uses: uses,
      occurred: Instant(microseconds: 0))
  }

  @Test func noConditionPassesEverything() {
    for kind in EventKind.allCases { #expect(WatchFilter().passes(event(kind))) }
  }

  @Test func aKindPassesOnlyIfItIsNamed() {
    let filter = WatchFilter(kinds: [.grantExpired, .grantRevoked])
    #expect(filter.passes(event(.grantExpired)))
    #expect(!filter.passes(event(.grantActivated)))
  }

  @Test func anotherPatientsEventDoesNotPassAndTheOrganizationsDoes() {
    let filter = WatchFilter(patients: [patient])
    #expect(filter.passes(event(patient: patient)))
    #expect(!filter.passes(event(patient: PatientID(high: 0, low: 2))))
    #expect(filter.passes(event(.policyChanged)))
  }

  /// It may concern a patient besides the one it names.
  @Test func aMergeUnderAnotherNamePasses() {
    let filter = WatchFilter(patients: [patient])
    #expect(filter.passes(event(.patientsMerged, patient: PatientID(high: 0, low: 2))))
  }

  @Test func anImagePassesIfListedOrIfTheListMayLeaveItOut() {
    let filter = WatchFilter(images: [image])
    let other = ImageKey.sopInstance("1.2.4")
    let many = (0..<256).map { ImageKey.sopInstance("1.3.\($0)") }
    #expect(filter.passes(event(images: [other, image])))
    #expect(!filter.passes(event(images: [other])))
    #expect(!filter.passes(event(images: Array(many.dropLast()), scope: .patient)))
    #expect(filter.passes(event(images: many, scope: .patient)))
    #expect(filter.passes(event(images: [], scope: .study(uid: "1.9"))))
    #expect(!filter.passes(event(images: [], scope: .image(other))))
  }

  @Test func anEventOfNoParticularUsePassesForEveryUse() {
    let filter = WatchFilter(uses: [.education])
    #expect(filter.passes(event(uses: [])))
    #expect(filter.passes(event(uses: [.education, .research])))
    #expect(!filter.passes(event(uses: [.diagnosis])))
  }
}
