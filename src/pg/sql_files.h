#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* The SQL that this build brings: <dir>/migrations/NNNN_name.sql and <dir>/sql/ with its folders.
 */

#define SQL_FILES_DIGEST 65 /* SHA-256 in hexadecimal, with the NUL */

struct sql_file {
    char *path;  /* relative to dir: "sql/30_configuration/set_hub.sql" */
    char *name;  /* of a migration: "configuration"; NULL otherwise */
    char *text;  /* the whole file, terminated */
    int version; /* of a migration, from 1; 0 otherwise */
    /* Of a migration that says "-- breaks: nodes before NNNN": nodes of builds that end at an
     * earlier one cannot work any more. 0: it breaks nobody. */
    int breaks_before;
    char checksum[SQL_FILES_DIGEST];
};

struct sql_list {
    struct sql_file *file;
    size_t count;
};

struct sql_files {
    struct sql_list migrations; /* by version: 1, 2, 3 ... without a gap */
    struct sql_list objects;    /* byte-wise by path: the order in which they are applied */
    /* SHA-256 over a line "<path> <checksum>\n" for each of objects. holdfast.schema_version()
     * computes the same from what was applied. */
    char digest[SQL_FILES_DIGEST];
};

/* Reads all files below `dir`. False if there are none, if a name is not of the form above, or if
 * the migrations have a gap. Free with sql_files_free; after false there is nothing to free. */
bool sql_files_read(struct sql_files *files, const char *dir, struct error *err);
void sql_files_free(struct sql_files *files);
