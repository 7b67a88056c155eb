// Preloaded by `ops/test --thread-sanitizer`: how a thread waits for a taken Mutex of Swift's
// Synchronization.
//
// The quick way in and out of a Mutex is compiled into its user, where ThreadSanitizer sees it. The
// wait is not: there the kernel hands the lock over (FUTEX_LOCK_PI), so that what one thread did
// under the lock and the next one does look like a race. This one takes the lock as the quick way
// does, by an exchange that the sanitizer sees, and tries until it has it. The word never says that
// somebody waits, so nobody needs waking.
#include <sched.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

// Synchronization._MutexHandle._lockSlow(UInt32) -> ()
SWIFT void wait_for_mutex(uint32_t self_id, SELF void *handle) __asm__(
    "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");

// Of the sanitizer's runtime. The programs that the tests start have none, and never come here.
__attribute__((weak)) int __tsan_atomic32_compare_exchange_strong(
    volatile uint32_t *word, uint32_t *expected, uint32_t desired, int order, int failure_order);

SWIFT void wait_for_mutex(uint32_t self_id, SELF void *handle) {
  for (;;) {
    uint32_t free = 0;
    if (__tsan_atomic32_compare_exchange_strong(handle, &free, self_id, __ATOMIC_ACQUIRE,
                                                __ATOMIC_RELAXED))
      return;
    sched_yield();
  }
}
