#include "pg/sql_files.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <fts.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FILE_CEILING = 1 << 20, /* bytes of one file */
    LIST_CEILING = 4096,    /* files of one kind */
    SHA256_BYTES = 32,
};

static bool digest_text(const char *text, size_t n, char out[SQL_FILES_DIGEST], struct error *err)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int raw_size = 0;

    if (EVP_Digest(text, n, raw, &raw_size, EVP_sha256(), NULL) != 1 || raw_size != SHA256_BYTES) {
        error_set(err, "SHA-256 cannot be computed");
        return error_hint(err, "Look at the configuration of OpenSSL on this machine.");
    }
    for (size_t i = 0; i < SHA256_BYTES; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", raw[i]);
    return true;
}

static bool cannot_read(const char *path, const char *why, struct error *err)
{
    error_set(err, "cannot read %s", path);
    error_detail(err, "%s", why);
    return error_hint(err, "The folder given by HOLDFAST_SQL_DIR must hold the folders migrations "
                           "and sql of this build.");
}

static bool read_text(const char *path, struct sql_file *file, struct error *err)
{
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return cannot_read(path, strerror(errno), err);

    struct buffer text;
    buffer_init(&text, FILE_CEILING);
    char chunk[8192];
    size_t n = 0;
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0 && buffer_append(&text, chunk, n)) {
    }
    bool broken = ferror(in) != 0;
    (void)fclose(in);

    bool ok = false;
    if (broken)
        cannot_read(path, "The file could not be read to its end.", err);
    else if (text.overflowed)
        cannot_read(path, "It is greater than 1 MiB.", err);
    else if (text.n > 0 && memchr(text.data, '\0', text.n) != NULL)
        cannot_read(path, "It holds a NUL byte, so it is no SQL.", err);
    else
        ok = digest_text(buffer_text(&text), text.n, file->checksum, err);
    if (ok)
        file->text = xstrndup(buffer_text(&text), text.n);
    buffer_free(&text);
    return ok;
}

/* "migrations/0012_more_columns.sql" gives 12 and "more_columns". */
static bool read_migration_name(struct sql_file *file, struct error *err)
{
    const char *base = strrchr(file->path, '/');
    base = base != NULL ? base + 1 : file->path;

    bool good = true;
    int version = 0;
    for (int i = 0; i < 4 && good; i++) {
        good = isdigit((unsigned char)base[i]) != 0;
        version = version * 10 + (base[i] - '0');
    }
    if (!good || version < 1 || base[4] != '_' || strlen(base + 5) <= strlen(".sql")) {
        error_set(err, "%s is not the name of a migration", file->path);
        return error_hint(err, "Name it NNNN_what.sql, with four digits, from 0001 on.");
    }
    file->version = version;
    file->name = xstrndup(base + 5, strlen(base + 5) - strlen(".sql"));
    return true;
}

/* A line "-- breaks: nodes before 0012", and what people may want to say behind it. */
static bool read_breaks(struct sql_file *file, struct error *err)
{
    static const char mark[] = "-- breaks:", rest[] = " nodes before ";
    const char *line = file->text;
    while (line != NULL && strncmp(line, mark, sizeof mark - 1) != 0) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line == NULL)
        return true;
    line += sizeof mark - 1;
    if (strncmp(line, rest, sizeof rest - 1) == 0)
        file->breaks_before = (int)strtol(line + sizeof rest - 1, NULL, 10);
    if (file->breaks_before >= 1 && file->breaks_before <= file->version)
        return true;
    error_set(err, "%s does not say whom it breaks", file->path);
    return error_hint(err,
                      "Write \"-- breaks: nodes before NNNN\", with the number of a migration up "
                      "to its own.");
}

static void file_free(struct sql_file *file)
{
    free(file->path);
    free(file->name);
    free(file->text);
}

static void list_free(struct sql_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        file_free(&list->file[i]);
    free(list->file);
    *list = (struct sql_list){0};
}

static bool is_sql(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".sql") == 0 && name[0] != '.';
}

/* `skip` is the length of "<dir>/" in front of the relative path. */
static bool list_add(struct sql_list *list, const char *path, size_t skip, bool migrations,
                     struct error *err)
{
    if (list->count == LIST_CEILING)
        return cannot_read(path, "There are more than 4096 files.", err);
    list->file = xrealloc(list->file, (list->count + 1) * sizeof *list->file);
    struct sql_file *file = &list->file[list->count++];
    *file = (struct sql_file){.path = xstrdup(path + skip)};
    return read_text(path, file, err) &&
           (!migrations || (read_migration_name(file, err) && read_breaks(file, err)));
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct sql_file *)a)->path, ((const struct sql_file *)b)->path);
}

static bool list_read(struct sql_list *list, const char *dir, const char *folder, struct error *err)
{
    char *top = xasprintf("%s/%s", dir, folder);
    char *const tops[] = {top, NULL};
    FTS *walk = fts_open(tops, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    bool ok = walk != NULL || cannot_read(top, strerror(errno), err);

    for (FTSENT *entry = NULL; ok && (entry = fts_read(walk)) != NULL;) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            ok = cannot_read(entry->fts_path, strerror(entry->fts_errno), err);
        else if (entry->fts_info == FTS_F && is_sql(entry->fts_name))
            ok = list_add(list, entry->fts_path, strlen(dir) + 1, strcmp(folder, "migrations") == 0,
                          err);
    }
    if (walk != NULL)
        (void)fts_close(walk);
    if (ok && list->count == 0)
        ok = cannot_read(top, "There is no .sql file in it.", err);
    if (ok)
        qsort(list->file, list->count, sizeof *list->file, by_path);
    free(top);
    return ok;
}

static bool versions_have_no_gap(const struct sql_list *list, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->file[i].version != (int)i + 1) {
            error_set(err, "the migrations have a gap or a double number at %04d", (int)i + 1);
            error_detail(err, "The file at that place is %s.", list->file[i].path);
            return error_hint(err, "Number the files one after another, from 0001 on.");
        }
    }
    return true;
}

static bool digest_list(const struct sql_list *list, char out[SQL_FILES_DIGEST], struct error *err)
{
    struct buffer lines;
    buffer_init(&lines, FILE_CEILING);
    for (size_t i = 0; i < list->count; i++)
        buffer_printf(&lines, "%s %s\n", list->file[i].path, list->file[i].checksum);
    bool ok = lines.overflowed ? error_set(err, "the names of the files under sql are too long")
                               : digest_text(buffer_text(&lines), lines.n, out, err);
    buffer_free(&lines);
    return ok;
}

bool sql_files_read(struct sql_files *files, const char *dir, struct error *err)
{
    *files = (struct sql_files){0};
    if (list_read(&files->migrations, dir, "migrations", err) &&
        versions_have_no_gap(&files->migrations, err) &&
        list_read(&files->objects, dir, "sql", err) &&
        digest_list(&files->objects, files->digest, err))
        return true;
    sql_files_free(files);
    return false;
}

void sql_files_free(struct sql_files *files)
{
    list_free(&files->migrations);
    list_free(&files->objects);
}
