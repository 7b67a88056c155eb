import ConsentCore

/// The asked image with all its sources, and which lines hold which of them.
struct ReferenceLineage {
  let register: ReferenceRegister
  let root: ImageRecord
  /// The image, its sources, their sources and so on; each once.
  let nodes: [Node]

  init(register: ReferenceRegister, root: ImageRecord) {
    self.register = register
    self.root = root
    nodes = ReferenceLineage.nodes(from: root.key, register)
  }

  struct Node {
    var key: ImageKey
    /// `nil`: a source that is not registered.
    var image: ImageRecord?
  }

  static func nodes(from key: ImageKey, _ register: ReferenceRegister) -> [Node] {
    var found: [Node] = []
    var waiting = [key]
    while let key = waiting.popLast() {
      if found.contains(where: { $0.key == key }) { continue }
      let image = register.image(key)
      found.append(Node(key: key, image: image))
      waiting += image?.sources ?? []
    }
    return found
  }

  /// Whether one of the two was made from the other, or they are the same.
  func isSameDescent(_ a: Node, _ b: Node) -> Bool {
    ReferenceLineage.nodes(from: a.key, register).contains { $0.key == b.key }
      || ReferenceLineage.nodes(from: b.key, register).contains { $0.key == a.key }
  }

  // MARK: Patients

  func members(_ node: Node) -> Set<PatientID> {
    guard let image = node.image else { return [] }
    return register.members(with: register.owners(of: image).restricts)
  }

  /// The patients of all images of the lineage, each with who they are merged with.
  var allMembers: Set<PatientID> { nodes.reduce(into: []) { $0.formUnion(members($1)) } }

  /// "A deny of any member restricts all members' images": a restricting line may speak of the
  /// image if one of its patients is a member. What names the image, its series or its study
  /// follows the image and is its own; only a line on the whole patient can be another member's.
  func mayRestrict(_ line: ReferenceLine, _ node: Node, withOtherMembers: Bool) -> Bool {
    guard let image = node.image else {
      // Of whom an unknown image is, nobody knows: that matches a deny.
      return line.grant.scope == .image(node.key)
    }
    if line.grant.scope == .patient, !withOtherMembers {
      return !line.restricts.isDisjoint(with: register.owners(of: image).restricts)
    }
    return !line.restricts.isDisjoint(with: members(node))
  }

  /// "A patient-scope permit covers only its own member's images; image, series and study facts
  /// follow their images."
  func mayPermit(_ line: ReferenceLine, _ node: Node) -> Bool {
    guard let image = node.image else { return false }
    let owners = register.owners(of: image).permits
    if line.grant.scope == .patient { return !line.permits.isDisjoint(with: owners) }
    return !line.permits.isDisjoint(with: register.members(with: owners))
  }

  // MARK: Scope

  func scopeHolds(_ scope: Scope, _ node: Node) -> Bool {
    switch scope {
    case .image(let key): return key == node.key
    case .series(let uid): return node.image?.seriesUID == uid
    case .study(let uid): return node.image?.studyUID == uid
    case .patient: return true
    }
  }

  /// "Present means acquired not later than the day of signing (if the acquisition time is
  /// unknown: recorded before the signing was recorded). A derivative has its source's time."
  func isPresent(_ node: Node, for line: ReferenceLine) -> Bool {
    guard let image = node.image else { return line.grant.effect == .deny }
    if !image.sources.isEmpty {
      let sources = image.sources.map { Node(key: $0, image: register.image($0)) }
      return line.grant.effect == .deny
        ? sources.contains { isPresent($0, for: line) }
        : sources.allSatisfy { isPresent($0, for: line) }
    }
    guard let acquired = image.acquiredDay else {
      return image.firstRecorded < line.instrument.stamp.recorded
    }
    return acquired <= line.signed.day
  }

  func holds(_ line: ReferenceLine, _ node: Node, ignoringPresentOnly: Bool = false) -> Bool {
    scopeHolds(line.grant.scope, node)
      && (ignoringPresentOnly || !line.grant.presentOnly || isPresent(node, for: line))
  }

  /// Image > series > study > patient, and "a grant naming the derivative itself is the more
  /// specific" than one naming what it was made from.
  func isAtLeastAsSpecific(_ permit: Scope, as deny: Scope) -> Bool {
    if case .image(let permitted) = permit, case .image(let denied) = deny {
      return permitted == denied
        || !ReferenceLineage.nodes(from: denied, register).contains { $0.key == permitted }
    }
    return permit.specificity >= deny.specificity
  }

  // MARK: Permits over the lineage

  /// "A permit flows down too", and "with several sources each must permit": for the image and for
  /// each source a line of its own patient holds it, what it was made from, or what was made of it.
  func isPermitted(by lines: [ReferenceLine]) -> Bool {
    nodes.allSatisfy { node in lines.contains { reaches($0, node) } }
  }

  /// Whether the line holds the image or anything it was made from.
  func holdsAny(_ line: ReferenceLine, ignoringPresentOnly: Bool = false) -> Bool {
    nodes.contains {
      mayPermit(line, $0) && holds(line, $0, ignoringPresentOnly: ignoringPresentOnly)
    }
  }

  /// Whether the line has a part in permitting a node: it is its patient's, and it holds the node,
  /// something it was made from or something made of it.
  func reaches(_ line: ReferenceLine, _ node: Node) -> Bool {
    guard let image = node.image else { return false }
    let people = register.members(with: register.owners(of: image).permits)
    return !line.permits.isDisjoint(with: people)
      && nodes.contains { other in
        mayPermit(line, other) && holds(line, other) && isSameDescent(other, node)
      }
  }
}
