#include "core/concurrency.h"

#define BEGIN 2u
#define WINDOW_US 20000      /* the shortest window */
#define SLACK_US 2000        /* jitter that means nothing */
#define TOLERANCE_PERCENT 50 /* latency above the baseline before it counts as risen */
#define FAILURE_SHARE 10     /* one failure in so many answers is one too many */
#define FALLEN_PERCENT 80    /* latency with half as many requests, if they were too many */
#define PROBE_US 10000000    /* how often the baseline is measured anew, with half as many */

/* Latency beyond this means something. */
static int64_t risen_us(const struct concurrency *c)
{
    return c->baseline_us + c->baseline_us * TOLERANCE_PERCENT / 100 + SLACK_US;
}

static unsigned bounded(const struct concurrency *c, unsigned limit)
{
    if (limit < 1)
        limit = 1;
    return limit < c->max ? limit : c->max;
}

static void begin_window(struct concurrency *c)
{
    c->window_began_us = 0;
    c->latency_us = 0;
    c->answers = 0;
    c->failures = 0;
    c->filled = false;
}

void concurrency_init(struct concurrency *c, unsigned max, bool adaptive)
{
    *c = (struct concurrency){.max = max, .adaptive = adaptive, .doubling = true};
    c->limit = adaptive ? bounded(c, BEGIN) : max;
}

void concurrency_set(struct concurrency *c, unsigned max, bool adaptive)
{
    if (adaptive != c->adaptive) {
        concurrency_init(c, max, adaptive);
        return;
    }
    c->max = max;
    c->limit = adaptive ? bounded(c, c->limit) : max;
}

void concurrency_sent(struct concurrency *c, unsigned in_flight)
{
    if (in_flight >= c->limit)
        c->filled = true;
}

void concurrency_restart(struct concurrency *c)
{
    if (!c->adaptive)
        return;
    c->limit = 1;
    c->doubling = true;
    c->probing_from = 0;
    begin_window(c);
}

/* The window with half as many requests is over: is it their number that makes them slow? */
static void judge_probe(struct concurrency *c, int64_t mean, int64_t now_us)
{
    bool by_us = mean * 100 < c->before_us * FALLEN_PERCENT;
    if (!by_us || mean < c->baseline_us)
        c->baseline_us = mean;
    unsigned from = c->probing_from;
    c->probing_from = 0;
    c->probe_at_us = now_us + PROBE_US;
    c->limit = bounded(c, by_us && c->before_us > risen_us(c) ? from - (from + 4) / 5 : from);
}

static void probe(struct concurrency *c, int64_t mean)
{
    c->probing_from = c->limit;
    c->before_us = mean;
    c->limit = bounded(c, c->limit / 2);
}

/* Up, down or as it was, by what the window has shown. */
static void judge(struct concurrency *c, int64_t now_us)
{
    if (c->failures * FAILURE_SHARE > c->answers) {
        c->probing_from = 0;
        c->limit = bounded(c, c->limit / 2);
        c->doubling = false;
        return;
    }
    int64_t mean = c->latency_us / (c->answers - c->failures);
    if (c->probing_from > 0) {
        judge_probe(c, mean, now_us);
        return;
    }
    if (c->baseline_us == 0 || mean < c->baseline_us)
        c->baseline_us = mean;
    if (c->probe_at_us == 0)
        c->probe_at_us = now_us + PROBE_US;
    bool risen = mean > risen_us(c);
    if (risen)
        c->doubling = false;
    else if (c->filled)
        c->limit = bounded(c, c->doubling ? c->limit * 2 : c->limit + 1);
    /* With one request it can only be the platform. */
    if (risen && c->limit == 1)
        c->baseline_us = mean;
    else if (risen || (now_us >= c->probe_at_us && c->limit > 1))
        probe(c, mean);
}

void concurrency_answered(struct concurrency *c, int64_t latency_us, bool failed, int64_t now_us)
{
    if (!c->adaptive)
        return;
    if (c->window_began_us == 0)
        c->window_began_us = now_us - latency_us;
    c->latency_us += failed ? 0 : latency_us; /* no measure of what values take */
    c->answers++;
    c->failures += failed;
    if (c->answers < c->limit || now_us - c->window_began_us < WINDOW_US)
        return;
    judge(c, now_us);
    begin_window(c);
}
