/* opcua_read never fails in a way of its own: what it accepts json-c reads too, and every row is
 * one that ThingWorx could read. Byte 0 of the input chooses the rules; a body may be compressed.
 */
#include "core/opcua.h"
#include "core/unzip.h"

#include <json-c/json.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fuzz_opcua: %s\n", what);
    abort();
}

static void check_row(struct slice text)
{
    struct json_tokener *tokener = json_tokener_new_ex(200);
    json_object *row = json_tokener_parse_ex(tokener, text.p, (int)text.n);
    json_object *cell, *value, *quality, *time;
    require(row != NULL && json_object_object_length(row) == 4, "a row has another shape");
    require(json_object_object_get_ex(row, "value", &cell) &&
                json_object_object_get_ex(cell, "value", &value) && value != NULL,
            "a row has no value");
    require(json_object_object_get_ex(row, "time", &time) && json_object_get_int64(time) >= 0,
            "a row has no time");
    require(json_object_object_get_ex(row, "quality", &quality) &&
                strstr("GOOD BAD UNKNOWN", json_object_get_string(quality)) != NULL,
            "a row has another quality");
    json_object_put(row);
    json_tokener_free(tokener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct mapping_rule rule = {.name = (char *)(uintptr_t) "r",
                                .action = MAPPING_OPCUA,
                                .thing = (char *)(uintptr_t) "{publisher}-{writer}{",
                                .property = (char *)(uintptr_t) "{endpoint}{node}\"{field}",
                                .base_type = (char *)(uintptr_t) "STRING",
                                .nodes = (char *)(uintptr_t) "*a*"};
    struct error why = {.message = ""};
    struct mapping *mapping = mapping_compile(&rule, 1, &why);
    struct mapping_event event = {.device = SLICE_LITERAL("d")};
    struct opcua_naming naming = {.thing = SLICE_LITERAL("bound"), .device = SLICE_LITERAL("d")};
    struct slice body = {(const char *)data + 1, size - 1};
    struct buffer unpacked;
    struct rows rows;
    struct opcua *opcua = opcua_create();
    rows_init(&rows);
    buffer_init(&unpacked, 1 << 16);
    if (data[0] & 1)
        naming.program = mapping_select(mapping, &event);
    if (unzip_is(body) && unzip(body, &unpacked, &why))
        body = buffer_slice(&unpacked);
    if (opcua_read(opcua, body, 1, &naming, &why)) {
        for (uint32_t i = 0; i < opcua_things(opcua); i++) {
            require(opcua_rows(opcua, i, &rows).n > 0, "a Thing without a name");
            require(rows.count > 0, "a Thing without a value");
            for (uint32_t row = 0; row < rows.count; row++)
                check_row(rows_row(&rows, row));
        }
    } else {
        require(opcua_things(opcua) == 0 && why.message[0] != '\0', "refused without a reason");
    }
    opcua_free(opcua);
    mapping_free(mapping);
    buffer_free(&unpacked);
    rows_free(&rows);
    return 0;
}
