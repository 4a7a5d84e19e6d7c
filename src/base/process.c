#include "base/process.h"

#include "base/clock.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The first line of a file of /proc; "" if there is none. */
static void read_line(const char *path, char *line, int size)
{
    line[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(line, size, file) == NULL)
        line[0] = '\0';
    (void)fclose(file);
}

/* Pages in all, and of them resident. */
static void look_at_memory(long *virtual_kib, long *resident_kib)
{
    char line[128];
    char *rest = NULL;
    long page_kib = sysconf(_SC_PAGESIZE) / 1024;
    read_line("/proc/self/statm", line, sizeof line);
    *virtual_kib = strtol(line, &rest, 10) * page_kib;
    *resident_kib = strtol(rest, NULL, 10) * page_kib;
}

long process_resident_kib(void)
{
    long virtual_kib, resident_kib;
    look_at_memory(&virtual_kib, &resident_kib);
    return resident_kib;
}

static long count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    long n = -3; /* ".", ".." and the folder itself */
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        n++;
    (void)closedir(folder);
    return n;
}

/* Ticks after the boot: field 22, counted behind the name, which may hold anything. */
static int64_t started_us(void)
{
    enum { FIELDS_BEHIND_NAME = 20 };
    char line[1024];
    read_line("/proc/self/stat", line, sizeof line);
    const char *at = strrchr(line, ')');
    for (int i = 0; i < FIELDS_BEHIND_NAME && at != NULL; i++)
        at = strchr(at + 1, ' ');
    long hertz = sysconf(_SC_CLK_TCK);
    if (at == NULL || hertz <= 0)
        return 0;
    int64_t after_boot_us = strtoll(at, NULL, 10) * (SECOND_US / hertz);
    return clock_wall_us() - (clock_now_us() - after_boot_us);
}

void process_look(struct process_figures *figures)
{
    struct rlimit limit;
    *figures = (struct process_figures){
        .cpu_us = clock_cpu_us(), .started_us = started_us(), .open_fds = count_fds()};
    look_at_memory(&figures->virtual_kib, &figures->resident_kib);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        figures->max_fds = (long)limit.rlim_cur;
}

void process_seclude(bool secluded)
{
    /* The hard limit stays, so that this can be lifted. */
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = secluded ? 0 : core.rlim_max;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
    (void)prctl(PR_SET_DUMPABLE, secluded ? 0 : 1, 0, 0, 0);
}
