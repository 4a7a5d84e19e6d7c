#pragma once
#include "source/source.h"

/* What a kind of source implements: its struct begins with a struct source, its readers with a
 * struct source_reader, and source.c passes each call on. */

struct source_kind {
    bool fences;
    struct source_reader *(*read)(struct source *source, struct slice partition, int64_t token,
                                  struct source_position position, uint32_t credit,
                                  void *reader_ctx);
    void (*credit)(struct source_reader *reader, uint32_t more);
    void (*hold)(struct source_reader *reader, bool hold);
    void (*stop)(struct source_reader *reader);
    void (*refresh)(struct source *source);
    void (*close)(struct source *source);
};

struct source {
    const struct source_kind *kind;
    struct source_counters counters;
};

struct source_reader {
    const struct source_kind *kind;
};
