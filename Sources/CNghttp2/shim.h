#ifndef CONSENTD_CNGHTTP2_SHIM_H
#define CONSENTD_CNGHTTP2_SHIM_H

#include <nghttp2/nghttp2.h>

#if NGHTTP2_VERSION_NUM < 0x013400
#error "nghttp2 1.52 or later is required (Debian 12: 1.52.0-1+deb12u3)"
#endif

/* Calls newer than 1.52 are used only where the headers offer them; callers need no condition. */

static inline void consentd_nghttp2_set_glitch_limit(
    nghttp2_option *option, uint64_t burst, uint64_t rate) {
#if NGHTTP2_VERSION_NUM >= 0x014300
  nghttp2_option_set_glitch_rate_limit(option, burst, rate);
#else
  (void)option;
  (void)burst;
  (void)rate;
#endif
}

/* Upstream named these in 1.57 and 1.61; Debian backported both to 1.52 without raising the
   version number, so the plain test of the version would wrongly leave them out there. */
static inline void consentd_nghttp2_set_reset_limit(
    nghttp2_option *option, uint64_t burst, uint64_t rate) {
  nghttp2_option_set_stream_reset_rate_limit(option, burst, rate);
}

static inline void consentd_nghttp2_set_max_continuations(nghttp2_option *option, size_t count) {
  nghttp2_option_set_max_continuations(option, count);
}

#endif
