#ifndef CONSENTD_CZLIB_SHIM_H
#define CONSENTD_CZLIB_SHIM_H

#include <zlib.h>

/* The two initialisers are macros, which Swift cannot call. 16 added to the window bits asks for
   the gzip format instead of zlib's own. */

static inline int consentd_gzip_deflate_init(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

static inline int consentd_gzip_inflate_init(z_stream *stream) {
  return inflateInit2(stream, 15 + 16);
}

#endif
