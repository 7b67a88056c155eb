internal import CNghttp2

/// The nghttp2 options of every session.
///
/// `no_closed_streams` and NO_RFC7540_PRIORITIES stay unset: without the tree of streams nghttp2
/// forgets closed ones, accepts late frames, and sends equal streams one after the other.
enum HTTP2Options {
  // Made once, never freed, read-only afterwards.
  nonisolated(unsafe) static let shared: OpaquePointer? = {
    var option: OpaquePointer?
    guard unsafe nghttp2_option_new(&option) == 0 else { return nil }
    unsafe nghttp2_option_set_no_auto_window_update(option, 1)
    unsafe nghttp2_option_set_max_settings(option, 32)
    unsafe nghttp2_option_set_max_outbound_ack(option, 1_000)
    unsafe consentd_nghttp2_set_max_continuations(option, 8)
    unsafe consentd_nghttp2_set_reset_limit(option, 200, 20)
    return unsafe option
  }()
}
