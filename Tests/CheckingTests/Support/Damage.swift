import ConsentCore
import ConsentStore

/// What can happen to a database behind the service's back.
enum Damage {
  /// The log forgets a decision and its batch.
  static func loseDecision(_ id: DecisionID, of organization: OrganizationID) async throws {
    try await TestDatabase.shared.value.run(
      """
      DELETE FROM consentd.proof_log_batch
      WHERE organization_id = '\(organization)' AND log_id = '\(id.log)'
        AND first_leaf >= \(id.leaf);
      """)
  }

  /// The feed forgets everything above a position, as a restored backup would.
  static func goBack(to position: UInt64, of organization: OrganizationID) async throws {
    let above = "organization_id = '\(organization)' AND position > \(position)"
    try await TestDatabase.shared.value.run(
      """
      DELETE FROM consentd.feed WHERE \(above);
      DELETE FROM consentd.feed_event WHERE \(above);
      DELETE FROM consentd.grant_event WHERE \(above);
      DELETE FROM consentd.revocation_grant WHERE organization_id = '\(organization)'
        AND revocation_id IN (SELECT revocation_id FROM consentd.revocation WHERE \(above));
      DELETE FROM consentd.revocation WHERE \(above);
      DELETE FROM consentd.patient_version WHERE \(above);
      DELETE FROM consentd.image_version WHERE \(above);
      """)
  }

  /// The newest row of the feed is of a kind that this version does not know.
  static func foreignRow(of organization: OrganizationID) async throws {
    try await TestDatabase.shared.value.run(
      """
      UPDATE consentd.feed SET kind = 200, event = jsonb_set(event, '{kind}', '200')
      WHERE organization_id = '\(organization)' AND position =
        (SELECT max(position) FROM consentd.feed WHERE organization_id = '\(organization)');
      """)
  }
}
