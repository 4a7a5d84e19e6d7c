#pragma once
#include "base/slice.h"
#include "json_scan.h"
#include "thingworx/base_type.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the bodies that write properties: in one pass, nothing copied, number text verbatim.
 * This is where the server spends its time. */
struct update_row {
    struct slice name;
    struct scan_value value;
    const struct base_type *declared; /* NULL if the value came bare */
    bool has_time;
    int64_t time_ms;
    struct slice quality; /* empty if the row has none */
    struct slice thing;   /* of the bulk service only */
};

struct update {
    struct update_row *rows; /* borrow from the body */
    size_t n;
    size_t capacity;
    char **decoded; /* names that were written with escapes */
    size_t n_decoded;
    unsigned row_fields; /* which fields some row uses, and which the data shape defines */
    unsigned shape_fields;
    bool bulk;        /* rows name their Thing */
    char reason[200]; /* why the body was refused */
};

enum update_result {
    UPDATE_OK,
    UPDATE_NOT_JSON,  /* no JSON at all */
    UPDATE_BAD_SHAPE, /* JSON, but not an infotable of NamedVTQ */
};

/* An update is reused from request to request: read clears what was there. */
void update_free(struct update *update);

/* {"values":{"dataShape":{"fieldDefinitions":{...}},"rows":[...]}} */
enum update_result update_read(struct update *update, struct slice body);

/* The same with a Thing in every row: the body of the bulk service. */
enum update_result update_read_bulk(struct update *update, struct slice body);

/* {"p1":1,"p2":"x"}: the body of PUT Properties/... */
enum update_result update_read_values(struct update *update, struct slice body);
