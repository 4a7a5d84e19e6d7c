#pragma once
#include <stdbool.h>
#include <stdint.h>

/* What the system says of this process, for metrics. What it does not say is 0. */
struct process_figures {
    int64_t cpu_us;     /* user and system */
    int64_t started_us; /* since 1970, by the wall clock */
    long resident_kib, virtual_kib;
    long open_fds, max_fds;
};

void process_look(struct process_figures *figures);
long process_resident_kib(void);

/* What is in memory stays there: no core file, and no other process of the user may look into this
 * one (ptrace, /proc/PID/mem). False lifts that. */
void process_seclude(bool secluded);
