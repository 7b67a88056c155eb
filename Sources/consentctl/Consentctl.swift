import ArgumentParser

/// The command line of consentd for staff, integrators and operators.
@main
struct Consentctl: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "consentctl",
    abstract: "Records, checks and reports patient consent per image and per use.",
    discussion: """
      The service and the caller's token come from the environment, never from arguments:
        CONSENTD_URL            such as http://127.0.0.1:8080 or https://consent.example
        CONSENTD_CA             https: PEM file of the authority to trust instead of the system's
        CONSENTD_CLIENT_CERTIFICATE, CONSENTD_CLIENT_KEY
                                https: PEM files of a client certificate, instead of a token
        CONSENTD_TOKEN          one token for everything, or one a role:
        CONSENTD_CHECKER_TOKEN, CONSENTD_RECORDER_TOKEN, CONSENTD_REPORTER_TOKEN,
        CONSENTD_AUDITOR_TOKEN, CONSENTD_ADMINISTRATOR_TOKEN

      Exit codes: 0 done (check: PERMIT), 1 verify: it does not hold, 3 check: DENY, 64 usage,
      65 the request or file is wrong, 69 the service is unavailable (no answer and no DENY),
      70 a fault, 77 not allowed.

      Shell completion: consentctl --generate-completion-script bash|zsh|fish
      """,
    version: "0.1.0",
    subcommands: [
      CheckCommand.self, ExplainCommand.self, RegisterCommand.self, RecordCommand.self,
      RevokeCommand.self, HistoryCommand.self, AccessesCommand.self, WatchCommand.self,
      ReportCommand.self, LogCommand.self, VerifyCommand.self, SampleCommand.self,
      TokenCommand.self, MigrateCommand.self, HealthCommand.self, DevCACommand.self,
      DevSetupCommand.self, FreePortCommand.self,
    ])
}
