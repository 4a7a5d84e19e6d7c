#include "thingworx/ledger.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_ENTRIES = 16384, CHUNK_TEXT = 1 << 20 };

struct ledger {
    unsigned references;
    uint64_t count;
    struct ledger_entry **chunks;
    size_t n_chunks;
    char **texts;
    size_t n_texts;
    size_t text_left;
    char *text_next;
};

struct ledger *ledger_create(void)
{
    struct ledger *ledger = xcalloc(1, sizeof *ledger);
    ledger->references = 1;
    return ledger;
}

struct ledger *ledger_keep(struct ledger *ledger)
{
    ledger->references++;
    return ledger;
}

void ledger_drop(struct ledger *ledger)
{
    if (ledger == NULL || --ledger->references > 0)
        return;
    for (size_t i = 0; i < ledger->n_chunks; i++)
        free(ledger->chunks[i]);
    for (size_t i = 0; i < ledger->n_texts; i++)
        free(ledger->texts[i]);
    free(ledger->chunks);
    free(ledger->texts);
    free(ledger);
}

static const char *keep_text(struct ledger *ledger, const char *text, size_t n)
{
    if (n > ledger->text_left) {
        size_t size = n > CHUNK_TEXT ? n : CHUNK_TEXT;
        ledger->texts = xrealloc(ledger->texts, (ledger->n_texts + 1) * sizeof(char *));
        ledger->text_next = ledger->texts[ledger->n_texts++] = xmalloc(size);
        ledger->text_left = size;
    }
    char *kept = ledger->text_next;
    memcpy(kept, text, n);
    ledger->text_next += n;
    ledger->text_left -= n;
    return kept;
}

void ledger_add(struct ledger *ledger, const struct ledger_entry *entry)
{
    size_t in_chunk = (size_t)(ledger->count % CHUNK_ENTRIES);
    if (in_chunk == 0) {
        ledger->chunks =
            xrealloc(ledger->chunks, (ledger->n_chunks + 1) * sizeof(struct ledger_entry *));
        ledger->chunks[ledger->n_chunks++] = xmalloc(CHUNK_ENTRIES * sizeof(struct ledger_entry));
    }
    struct ledger_entry *to = &ledger->chunks[ledger->n_chunks - 1][in_chunk];
    *to = *entry;
    to->text = keep_text(ledger, entry->text, entry->length);
    ledger->count++;
}

uint64_t ledger_count(const struct ledger *ledger)
{
    return ledger->count;
}

const struct ledger_entry *ledger_at(const struct ledger *ledger, uint64_t i)
{
    return &ledger->chunks[i / CHUNK_ENTRIES][i % CHUNK_ENTRIES];
}

static bool put_escaped(struct buffer *out, struct slice text)
{
    char *to = buffer_reserve(out, text.n * 2);
    if (to == NULL)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\t' || c == '\n' || c == '\r' || c == '\\') {
            to[n++] = '\\';
            c = c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : '\\';
        }
        to[n++] = c;
    }
    out->n += n;
    return true;
}

static bool put_field(struct buffer *out, struct slice text)
{
    return put_escaped(out, text) && buffer_append(out, "\t", 1);
}

bool ledger_line(const struct ledger *ledger, const struct names *names, uint64_t i,
                 struct buffer *out)
{
    const struct ledger_entry *e = ledger_at(ledger, i);
    char numbers[64];
    int n = snprintf(numbers, sizeof numbers, "%" PRIu64 "\t%" PRId64 "\t", i + 1, e->accepted_us);
    char time[32];
    int n_time = snprintf(time, sizeof time, "%" PRId64 "\t", e->time_ms);
    return buffer_append(out, numbers, (size_t)n) &&
           put_field(out, slice_from(names_text(names, e->sender))) &&
           put_field(out, slice_from(names_text(names, e->thing))) &&
           put_field(out, slice_from(names_text(names, e->name))) &&
           buffer_append(out, time, (size_t)n_time) &&
           put_escaped(out, (struct slice){e->text, e->length}) && buffer_append(out, "\n", 1);
}
