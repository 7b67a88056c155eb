import ConsentCore
import ConsentProto
import ConsentStore
import EventFeed
import SwiftProtobuf

extension Consent_V1_Event {
  /// - Parameter facts: what the store knows of the patient, where the detail needs it.
  init(_ row: FeedRow) {
    self.init()
    let event = row.event
    eventID = row.eventID.description
    position = Consent_V1_FeedPosition(position: row.position, chain: row.chain)
    kind = event.kind.proto()
    if let occurred = Google_Protobuf_Timestamp(finite: event.occurred) { effectiveAt = occurred }
    recordedAt = Google_Protobuf_Timestamp(row.known)
    if let patient = event.patient { patientID = patient.description }
    if let scope = event.scope { self.scope = Consent_V1_Scope(scope) }
    images = event.images.map(Consent_V1_ImageKey.init)
    grantIds = event.grants.map(\.description)
    uses = event.uses.proto()
    if let record = event.record {
      records = [Consent_V1_RecordReference(record, image: event.images.first)]
    }
  }
}

extension RequestReader {
  mutating func eventFilter(
    _ value: Consent_V1_EventFilter?, _ field: StaticString
  ) -> WatchFilter {
    guard let value else { return WatchFilter() }
    return within(field) { reader in
      let kinds = reader.words(value.kinds, "kinds", as: EventKind.self)
      let patients = reader.each(value.patientIds, "patient_ids") {
        $0.elementID($1, of: Patient.self)
      }
      let images = reader.imageKeys(value.images, "images")
      let uses = reader.set(value.uses, "uses", as: Use.self)
      return WatchFilter(
        kinds: Set(kinds), patients: Set(patients), images: Set(images), uses: uses)
    }
  }
}
