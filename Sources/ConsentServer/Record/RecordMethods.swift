import ConsentProto
import RPCServer

extension ConsentService {
  /// `consent.v1.RecordService`.
  var recordMethods: [RPCMethod] {
    let service = "/consent.v1.RecordService/"
    return [
      unary(service + "RegisterPatient", Self.registerPatient),
      unary(service + "UpdatePatient", Self.updatePatient),
      showing(service + "FindPatients", Self.findPatients),
      unary(service + "MergePatients", Self.mergePatients),
      unary(service + "UnmergePatients", Self.unmergePatients),
      showing(service + "GetPatientHistory", Self.getPatientHistory),
      unary(service + "RegisterImages", Self.registerImages),
      showing(service + "GetImage", Self.getImage),
      showing(service + "ListImages", Self.listImages),
      unary(service + "CorrectImages", Self.correctImages),
      unary(service + "PutForm", Self.putForm),
      recordingOrShowing(service + "RecordInstrument", Self.recordInstrument),
      showing(service + "GetInstrument", noSideEffects: true, Self.getInstrument),
      showing(service + "ListInstruments", Self.listInstruments),
      recordingOrShowing(service + "Revoke", Self.revoke),
      unary(service + "EndRestriction", Self.endRestriction),
      unary(service + "EnterInError", Self.enterInError),
      unary(service + "ReportFalseInformation", Self.reportFalseInformation),
      unary(service + "RecordAuthorityEvidence", Self.recordAuthorityEvidence),
      unimplemented(
        service + "RecordCopyGiven", Consent_V1_RecordCopyGivenRequest.self,
        Consent_V1_RecordCopyGivenResponse.self),
      unary(service + "DeclareExpiryEvent", Self.declareExpiryEvent),
      unary(service + "ResolveExpiryEvent", Self.resolveExpiryEvent),
      unimplemented(
        service + "PutDocument", Consent_V1_PutDocumentRequest.self,
        Consent_V1_PutDocumentResponse.self),
      unimplemented(
        service + "GetDocument", Consent_V1_GetDocumentRequest.self,
        Consent_V1_GetDocumentResponse.self),
      unary(service + "RecordDeidentification", Self.recordDeidentification),
      unary(service + "WithdrawDeidentification", Self.withdrawDeidentification),
      unary(service + "RecordDisclosure", Self.recordDisclosure),
      unimplemented(
        service + "ReviewOverride", Consent_V1_ReviewOverrideRequest.self,
        Consent_V1_ReviewOverrideResponse.self),
      unary(service + "SetPolicy", Self.setPolicy),
      unary(service + "GetPolicy", noSideEffects: true, Self.getPolicy),
    ]
  }
}
