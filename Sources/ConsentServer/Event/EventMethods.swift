import ConsentProto
import RPCServer

extension ConsentService {
  /// `consent.v1.EventService`.
  var eventMethods: [RPCMethod] {
    let service = "/consent.v1.EventService/"
    return [
      showingStream(service + "Watch", Self.watchEvents),
      showing(service + "ListEvents", Self.listEvents),
      unimplemented(
        service + "CreateWebhook", Consent_V1_CreateWebhookRequest.self,
        Consent_V1_CreateWebhookResponse.self),
      unimplemented(
        service + "ListWebhooks", Consent_V1_ListWebhooksRequest.self,
        Consent_V1_ListWebhooksResponse.self),
      unimplemented(
        service + "DeleteWebhook", Consent_V1_DeleteWebhookRequest.self,
        Consent_V1_DeleteWebhookResponse.self),
      unimplemented(
        service + "RedeliverWebhook", Consent_V1_RedeliverWebhookRequest.self,
        Consent_V1_RedeliverWebhookResponse.self),
    ]
  }
}
