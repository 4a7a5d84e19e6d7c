#include "faults.h"
#include "model.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* holdfast-sim: runs one simulated cluster after the other, each from the next seed, until a
 * promise is broken, the steps are done or the time is up. */

enum { TRACE_LINES = 60, SHRINK_RUNS = 400 };

struct options {
    uint64_t seed, steps;
    double minutes;
    int runs;
    enum db_rule broken;
    const char *trace, *only;
    bool verbose;
};

static double wall_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- a failure ---------------------------------------------------------------------------- */

static void print_last_lines(const char *text, size_t n)
{
    size_t lines = 0, from = n;
    while (from > 0 && lines <= TRACE_LINES)
        if (text[--from] == '\n')
            lines++;
    (void)fwrite(text + from, 1, n - from, stdout);
}

static void print_trace(const struct plan *plan, const char *path)
{
    char *text = NULL;
    size_t n = 0;
    FILE *memory = path != NULL ? fopen(path, "we") : open_memstream(&text, &n);
    if (memory == NULL)
        return;
    (void)plan_run(plan, memory);
    (void)fclose(memory);
    if (path != NULL)
        printf("the trace is in %s\n", path);
    else
        print_last_lines(text, n);
    free(text);
}

/* Leaves out what the failure does not need: halves first, then single faults. */
static void shrink(struct plan *plan)
{
    int runs = 0;
    for (int size = plan->fault_count; size > 0; size /= 2)
        for (int from = 0; from < plan->fault_count && runs < SHRINK_RUNS; from += size) {
            struct plan fewer = *plan;
            bool changed = false;
            for (int i = from; i < from + size && i < plan->fault_count; i++) {
                changed = changed || !fewer.faults[i].left_out;
                fewer.faults[i].left_out = true;
            }
            if (!changed)
                continue;
            runs++;
            if (plan_run(&fewer, NULL).failed)
                *plan = fewer;
        }
}

static void explain(struct plan *plan, const struct options *options)
{
    struct plan whole = *plan;
    if (options->only == NULL)
        shrink(plan);
    struct outcome outcome = plan_run(plan, NULL);
    print_trace(plan, options->trace);
    printf("\n");
    plan_print(plan, stdout);
    printf("FAILED with seed %llu: %s\n", (unsigned long long)plan->seed, outcome.failure);
    printf("again: holdfast-sim --seed %llu --runs 1", (unsigned long long)whole.seed);
    if (plan->broken != DB_RULE_NONE)
        printf(" --break %s", db_rule_name(plan->broken));
    printf(" --only ");
    for (int i = 0, n = 0; i < plan->fault_count; i++)
        if (!plan->faults[i].left_out)
            printf("%s%d", n++ > 0 ? "," : "", i);
    printf(" (all faults: without --only)\n");
}

/* ---- options ------------------------------------------------------------------------------ */

static int usage(void)
{
    printf("usage: holdfast-sim [--seed S] [--runs N] [--steps N] [--minutes M] [--break RULE]\n"
           "                    [--only FAULT,FAULT,...] [--trace FILE] [--verbose]\n"
           "       holdfast-sim model\n"
           "rules:");
    for (int i = 1; i < DB_RULES; i++)
        printf(" %s", db_rule_name((enum db_rule)i));
    printf("\n");
    return 2;
}

static bool read_rule(const char *name, enum db_rule *rule)
{
    for (int i = 0; i < DB_RULES; i++)
        if (strcmp(name, db_rule_name((enum db_rule)i)) == 0) {
            *rule = (enum db_rule)i;
            return true;
        }
    return false;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--verbose") == 0) {
            o->verbose = true;
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--seed") == 0)
            o->seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--runs") == 0)
            o->runs = (int)strtol(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--steps") == 0)
            o->steps = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--minutes") == 0)
            o->minutes = strtod(value, NULL);
        else if (strcmp(argv[i - 1], "--trace") == 0)
            o->trace = value;
        else if (strcmp(argv[i - 1], "--only") == 0)
            o->only = value;
        else if (strcmp(argv[i - 1], "--break") != 0 || !read_rule(value, &o->broken))
            return false;
    }
    return true;
}

static void leave_out(struct plan *plan, const char *only)
{
    for (int i = 0; i < plan->fault_count; i++)
        plan->faults[i].left_out = true;
    while (*only != '\0') {
        char *end;
        long i = strtol(only, &end, 10);
        if (i >= 0 && i < plan->fault_count && end != only)
            plan->faults[i].left_out = false;
        only = *end == '\0' ? end : end + 1;
    }
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1};
    struct outcome sum = {.steps = 0};
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "model") == 0)
        return model_main();
    if (!read_options(argc, argv, &o))
        return usage();
    if (o.runs == 0 && o.steps == 0 && o.minutes <= 0)
        o.steps = 1000000;
    double began = wall_seconds(), spent = 0;
    int runs = 0;
    while ((o.runs == 0 || runs < o.runs) && (o.steps == 0 || sum.steps < o.steps) &&
           (o.minutes <= 0 || spent < o.minutes * 60)) {
        struct plan plan;
        plan_draw(&plan, o.seed + (uint64_t)runs, o.broken);
        if (o.only != NULL)
            leave_out(&plan, o.only);
        struct outcome outcome = plan_run(&plan, NULL);
        runs++;
        spent = wall_seconds() - began;
        if (o.verbose)
            printf("seed %llu: %llu steps%s\n", (unsigned long long)plan.seed,
                   (unsigned long long)outcome.steps, outcome.failed ? ", failed" : "");
        if (outcome.failed) {
            explain(&plan, &o);
            return 1;
        }
        sum.steps += outcome.steps;
        sum.simulated_us += outcome.simulated_us;
        sum.accepted += outcome.accepted;
        sum.repeated += outcome.repeated;
        sum.letters += outcome.letters;
        sum.grants += outcome.grants;
    }
    printf("seeds %llu to %llu: %llu steps in %.1f s (%.0f a second), %.0f s of cluster time; %llu "
           "values accepted, %llu of them again, %llu dead letters, %llu grants; nothing broken\n",
           (unsigned long long)o.seed, (unsigned long long)(o.seed + (uint64_t)runs - 1),
           (unsigned long long)sum.steps, spent, (double)sum.steps / (spent > 0 ? spent : 1),
           (double)sum.simulated_us / 1e6, (unsigned long long)sum.accepted,
           (unsigned long long)sum.repeated, (unsigned long long)sum.letters,
           (unsigned long long)sum.grants);
    return 0;
}
