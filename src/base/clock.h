#pragma once
#include <stdint.h>

/* The only place that reads a clock. Everything else is handed a time. */

/* Microseconds on a clock that never steps and counts suspend (CLOCK_BOOTTIME): for every
 * interval, deadline and trust. Never compared between machines. */
int64_t clock_now_us(void);

/* Microseconds since 1970 on the wall clock: for log lines and for display only. */
int64_t clock_wall_us(void);

/* CPU time of this process (user and system), microseconds. */
int64_t clock_cpu_us(void);

#define MS_US INT64_C(1000)
#define SECOND_US INT64_C(1000000)
