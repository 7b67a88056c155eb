import ProofLog
import Testing

/// The examples are those of the Go package golang.org/x/mod/sumdb/note.
@Suite struct SignedNoteTests {
  static let verifier = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
  static let privateKey =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
  static let text =
    "If you think cryptography is the answer to your problem,\n"
    + "then you don't know what your problem is.\n"
  static let signature =
    "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    + "otpRZb6KE6RyyBwJnAM=\n"
  static let note = text + "\n" + signature

  private func key() throws -> VerifierKey { try #require(VerifierKey(text: Self.verifier)) }

  @Test func theExampleIsVerifiedAndSignedByteForByte() throws {
    let note = try SignedNote(parsing: Self.note)
    #expect(note.text == Self.text)
    #expect(note.formatted == Self.note)
    #expect(try note.verify([key()]) == [key()])
    #expect(try key().text == Self.verifier)
    let signer = try LogSigner(keyFile: Self.privateKey)
    #expect(signer.verifierKey.text == Self.verifier)
    #expect(try signer.sign(Self.text).formatted == Self.note)
  }

  @Test func aChangedNoteIsRefused() throws {
    let keys = [try key()]
    let changed = Self.note.replacing("problem is", with: "problem was")
    #expect(throws: SignedNote.Fault.invalidSignature(name: "PeterNeumann")) {
      try SignedNote(parsing: changed).verify(keys)
    }
    var flipped = try SignedNote(parsing: Self.note)
    flipped.signatures[0].bytes[9] ^= 1
    #expect(throws: SignedNote.Fault.invalidSignature(name: "PeterNeumann")) {
      try flipped.verify(keys)
    }
    flipped.signatures[0].bytes = []
    #expect(throws: SignedNote.Fault.invalidSignature(name: "PeterNeumann")) {
      try flipped.verify(keys)
    }
  }

  @Test func anotherKeyOrNameDoesNotVerify() throws {
    let line = try #require(LogSigner.newKey(name: "PeterNeumann"))
    let other = try LogSigner(keyFile: line).verifierKey
    let note = try SignedNote(parsing: Self.note)
    #expect(throws: SignedNote.Fault.notSigned) { try note.verify([other]) }
    let renamed = try #require(VerifierKey(name: "EnochRoot", publicKey: try key().publicKey))
    #expect(throws: SignedNote.Fault.notSigned) { try note.verify([renamed]) }
    #expect(throws: SignedNote.Fault.notSigned) { try note.verify([]) }
  }

  @Test func severalSignaturesAreTakenAndUnknownOnesPassedOver() throws {
    let line = try #require(LogSigner.newKey(name: "second.example"))
    let second = try LogSigner(keyFile: line)
    var note = try SignedNote(parsing: Self.note)
    note.signatures += try second.sign(Self.text).signatures
    let read = try SignedNote(parsing: note.formatted)
    #expect(try read.verify([second.verifierKey]) == [second.verifierKey])
    #expect(try Set(read.verify([second.verifierKey, key()])).count == 2)
  }

  @Test func theFirstKeySignsAndAllVerify() throws {
    let new = try #require(LogSigner.newKey(name: "new"))
    let rotated = try LogSigner(keyFile: "# keys, the newest first\n\n\(new)\n\(Self.privateKey)\n")
    #expect(rotated.verifierKeys.map(\.name) == ["new", "PeterNeumann"])
    let note = try rotated.sign(Self.text)
    #expect(note.signatures.map(\.name) == ["new"])
    #expect(try SignedNote(parsing: Self.note).verify(rotated.verifierKeys).count == 1)
  }

  @Test(arguments: [
    "", "\n", "text", "text\n", "text\n\n", "text\n\nno dash\n", Self.text + Self.signature,
    Self.note + "\n", Self.text + "\n" + Self.signature.dropLast(),
    Self.text + "\n\u{2014} Peter x08go\n", Self.text + "\n\u{2014} Peter Neumann AAAAAAAA\n",
    Self.text + "\n\u{2014} Peter+Neumann AAAAAAAA\n", Self.text + "\n\u{2014}  AAAAAAAA\n",
    Self.text + "\n\u{2014} Peter AAAA\n", "a\u{01}\n\n" + Self.signature,
    Self.text + "\n" + String(repeating: Self.signature, count: 101),
  ])
  func malformedNotesAreRefused(note: String) {
    #expect(throws: SignedNote.Fault.malformed) { try SignedNote(parsing: note) }
  }

  @Test(arguments: [
    "", "PeterNeumann", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "PeterNeumanx+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "PeterNeumann+c74f20a3+Apc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "a+b+c+d",
  ])
  func malformedVerifierKeysAreRefused(text: String) {
    #expect(VerifierKey(text: text) == nil)
  }

  @Test func keyFilesAreReadOrTheLineIsNamed() {
    #expect(throws: LogSigner.Fault.noKey) { try LogSigner(keyFile: "\n# nothing\n") }
    #expect(throws: LogSigner.Fault.notAKey(line: 2)) {
      try LogSigner(keyFile: Self.privateKey + "\n" + Self.verifier)
    }
    #expect(throws: LogSigner.Fault.notAKey(line: 1)) {
      try LogSigner(keyFile: Self.privateKey.replacing("c74f20a3", with: "c74f20a4"))
    }
    #expect(LogSigner.newKey(name: "two words") == nil)
  }
}

@Suite struct CheckpointTests {
  static let root = MerkleVectorTests.leaves[0]

  @Test func aSignedCheckpointIsReadBack() throws {
    let signer = try LogSigner(keyFile: SignedNoteTests.privateKey)
    let checkpoint = Checkpoint(origin: "consentd/a/b", size: 12, root: Self.root)
    #expect(checkpoint.text == "consentd/a/b\n12\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n")
    let note = try signer.sign(checkpoint.text).formatted
    let keys = signer.verifierKeys
    #expect(try Checkpoint(note: note, origin: "consentd/a/b", keys: keys) == checkpoint)
    #expect(throws: SignedNote.Fault.malformed) {
      try Checkpoint(note: note, origin: "consentd/a/c", keys: keys)
    }
    let grown = note.replacing("\n12\n", with: "\n13\n")
    #expect(throws: SignedNote.Fault.invalidSignature(name: "PeterNeumann")) {
      try Checkpoint(note: grown, origin: "consentd/a/b", keys: keys)
    }
  }

  @Test func extensionLinesAreKept() throws {
    let text = Checkpoint(origin: "o", size: 0, root: .empty).text + "more\n"
    #expect(Checkpoint(text: text)?.extensions == ["more"])
    #expect(Checkpoint(text: text)?.text == text)
  }

  @Test(arguments: [
    "", "o\n", "o\n1\n", "\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
    "o\n01\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
    "o\n+1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
    "o\n-1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
    "o\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB1=\n",
    "o\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoA==\n",
    "o\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0\n",
    "o\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
    "o\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n\n",
    "o\n18446744073709551616\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
  ])
  func otherTextsAreRefused(text: String) { #expect(Checkpoint(text: text) == nil) }
}
