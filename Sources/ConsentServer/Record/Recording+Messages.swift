import ConsentProto

// Which messages follow the conventions of writes, and which answers name their state.

extension Consent_V1_RegisterPatientRequest: RecordingRequest {}
extension Consent_V1_UpdatePatientRequest: RecordingRequest {}
extension Consent_V1_MergePatientsRequest: RecordingRequest {}
extension Consent_V1_UnmergePatientsRequest: RecordingRequest {}
extension Consent_V1_RegisterImagesRequest: RecordingRequest {}
extension Consent_V1_CorrectImagesRequest: RecordingRequest {}
extension Consent_V1_PutFormRequest: RecordingRequest {}
extension Consent_V1_RecordInstrumentRequest: RecordingRequest {}
extension Consent_V1_RevokeRequest: RecordingRequest {}
extension Consent_V1_EndRestrictionRequest: RecordingRequest {}
extension Consent_V1_EnterInErrorRequest: RecordingRequest {}
extension Consent_V1_ReportFalseInformationRequest: RecordingRequest {}
extension Consent_V1_RecordAuthorityEvidenceRequest: RecordingRequest {}
extension Consent_V1_DeclareExpiryEventRequest: RecordingRequest {}
extension Consent_V1_ResolveExpiryEventRequest: RecordingRequest {}
extension Consent_V1_RecordDeidentificationRequest: RecordingRequest {}
extension Consent_V1_WithdrawDeidentificationRequest: RecordingRequest {}
extension Consent_V1_RecordDisclosureRequest: RecordingRequest {}
extension Consent_V1_SetPolicyRequest: RecordingRequest {}

extension Consent_V1_RegisterPatientResponse: PositionedResponse {}
extension Consent_V1_UpdatePatientResponse: PositionedResponse {}
extension Consent_V1_MergePatientsResponse: PositionedResponse {}
extension Consent_V1_UnmergePatientsResponse: PositionedResponse {}
extension Consent_V1_RegisterImagesResponse: PositionedResponse {}
extension Consent_V1_CorrectImagesResponse: PositionedResponse {}
extension Consent_V1_PutFormResponse: PositionedResponse {}
extension Consent_V1_RecordInstrumentResponse: PositionedResponse {}
extension Consent_V1_RevokeResponse: PositionedResponse {}
extension Consent_V1_EndRestrictionResponse: PositionedResponse {}
extension Consent_V1_EnterInErrorResponse: PositionedResponse {}
extension Consent_V1_ReportFalseInformationResponse: PositionedResponse {}
extension Consent_V1_RecordAuthorityEvidenceResponse: PositionedResponse {}
extension Consent_V1_DeclareExpiryEventResponse: PositionedResponse {}
extension Consent_V1_ResolveExpiryEventResponse: PositionedResponse {}
extension Consent_V1_RecordDeidentificationResponse: PositionedResponse {}
extension Consent_V1_WithdrawDeidentificationResponse: PositionedResponse {}
extension Consent_V1_RecordDisclosureResponse: PositionedResponse {}
extension Consent_V1_SetPolicyResponse: PositionedResponse {}
extension Consent_V1_FindPatientsResponse: PositionedResponse {}
extension Consent_V1_GetPatientHistoryResponse: PositionedResponse {}
extension Consent_V1_GetImageResponse: PositionedResponse {}
extension Consent_V1_ListImagesResponse: PositionedResponse {}
extension Consent_V1_GetInstrumentResponse: PositionedResponse {}
extension Consent_V1_ListInstrumentsResponse: PositionedResponse {}
extension Consent_V1_GetPolicyResponse: PositionedResponse {}
