#include "thingworx/ledger_file.h"

#include "base/memory.h"
#include "check/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_CEILING = 64 * 1024 * 1024 };

struct ledger_file {
    FILE *stream;
    struct buffer line;
};

static bool take_line(const char *text, size_t n, struct ledger *ledger, struct names *names)
{
    struct slice line = {text, n - 1}; /* without its end */
    struct ledger_entry entry = {0};
    int64_t number;
    if (!fetch_number(fetch_field(&line), &number) ||
        !fetch_number(fetch_field(&line), &entry.accepted_us))
        return false;
    entry.sender = names_id(names, fetch_unescape(fetch_field(&line)));
    entry.thing = names_id(names, fetch_unescape(fetch_field(&line)));
    entry.name = names_id(names, fetch_unescape(fetch_field(&line)));
    if (!fetch_number(fetch_field(&line), &entry.time_ms))
        return false;
    struct slice value = fetch_unescape(line);
    entry.text = value.p;
    entry.length = (uint32_t)value.n;
    ledger_add(ledger, &entry);
    return true;
}

static bool take_all(struct ledger_file *file, const char *path, struct ledger *ledger,
                     struct names *names, struct error *err)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t n;
    off_t good = 0;
    bool ok = true;
    while (ok && (n = getline(&text, &room, file->stream)) > 0 && text[n - 1] == '\n') {
        ok = take_line(text, (size_t)n, ledger, names) ||
             error_set(err, "%s is no ledger: see line %llu", path,
                       (unsigned long long)ledger_count(ledger) + 1);
        good += n;
    }
    free(text);
    if (ok &&
        (ftruncate(fileno(file->stream), good) != 0 || fseeko(file->stream, good, SEEK_SET) != 0))
        ok = error_set(err, "%s cannot be written: %s", path, strerror(errno));
    return ok;
}

struct ledger_file *ledger_file_open(const char *path, struct ledger *ledger, struct names *names,
                                     struct error *err)
{
    struct ledger_file *file = xcalloc(1, sizeof *file);
    buffer_init(&file->line, LINE_CEILING);
    file->stream = fopen(path, "a+e");
    if (file->stream == NULL)
        error_set(err, "%s cannot be opened: %s", path, strerror(errno));
    else if (take_all(file, path, ledger, names, err))
        return file;
    ledger_file_close(file);
    return NULL;
}

void ledger_file_close(struct ledger_file *file)
{
    if (file == NULL)
        return;
    if (file->stream != NULL)
        (void)fclose(file->stream);
    buffer_free(&file->line);
    free(file);
}

bool ledger_file_note(struct ledger_file *file, const struct ledger *ledger,
                      const struct names *names)
{
    if (file == NULL)
        return true;
    buffer_clear(&file->line);
    return ledger_line(ledger, names, ledger_count(ledger) - 1, &file->line) &&
           fwrite(file->line.data, 1, file->line.n, file->stream) == file->line.n &&
           fflush(file->stream) == 0;
}

void ledger_file_clear(struct ledger_file *file)
{
    if (file != NULL && ftruncate(fileno(file->stream), 0) != 0)
        perror("the ledger cannot be emptied");
}
