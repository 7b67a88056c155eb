// The only door to libpq, PostgreSQL's C client library. Debian keeps its header in a folder of its
// own, which pkg-config names; the second form serves machines without pkg-config.
#ifndef CLIBPQ_SHIM_H
#define CLIBPQ_SHIM_H

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

// Of the C library, for what a large COPY leaves behind: Swift's Glibc does not have it.
#include <malloc.h>

#endif
