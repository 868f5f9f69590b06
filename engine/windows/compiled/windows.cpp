// What Python calls: each cell's window, there and back. Arrays are dense; T steps, B lanes, H units, a multiple of 32.

#include "gru.h"
#include "lstm.h"
#include "rnn.h"

#ifdef __AMX_BF16__
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Whether tiles may be used: a process has to ask the system first.
extern "C" int has_tiles() {
#ifdef __AMX_BF16__
    constexpr int ASK = 0x1023, TILE_DATA = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
#else
    return 0;
#endif
}
