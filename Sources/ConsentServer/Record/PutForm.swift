import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Records an approved form. A version's content never changes; the same content again changes
  /// nothing.
  static func putForm(
    _ service: ConsentService, _ request: Consent_V1_PutFormRequest, by caller: Principal
  ) async throws -> Consent_V1_PutFormResponse {
    let form = try RequestReader.read { reader -> Form? in
      reader.conventions(request)
      guard request.hasForm else {
        reader.refuse("form", "is required")
        return nil
      }
      return reader.form(request.form, "form", recordID: .random())
    }
    return try await service.record(request, by: caller) { recording in
      let facts = try recording.writer.organizationFacts(asOf: nil)
      let standing = Standing(facts)
      var response = Consent_V1_PutFormResponse()
      response.form = Consent_V1_Form(form)
      let recorded = facts.forms.first {
        $0.reference == form.reference && standing.contains(.form($0))
      }
      if let recorded, Consent_V1_Form(recorded) == response.form { return response }
      let change = try CommandFields.named { try recording.builder(facts).putForm(form) }
      try recording.writer.append(change)
      return response
    }
  }
}

extension RequestReader {
  mutating func form(
    _ value: Consent_V1_Form, _ field: StaticString, recordID: RecordID
  ) -> Form? {
    within(field) { reader in
      let id = reader.text(value.formID, "form_id", .required)
      let version = reader.text(value.version, "version", .required)
      let title = reader.text(value.title, "title", .required)
      let kind = reader.word(value.kind, "kind", .required, as: InstrumentKind.self)
      let statements = reader.statements(value.statements, "statements")
      if value.plainLanguage != .unspecified {
        reader.refuse("plain_language", "cannot be kept by this version; leave it unspecified")
      }
      guard let id, let version, let title, let kind else { return nil }
      return Form(
        recordID: recordID, reference: Form.Reference(id: id, version: version), title: title,
        kind: kind, statements: statements)
    }
  }
}
