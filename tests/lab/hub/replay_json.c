#include "hub/replay_json.h"

#include "base/memory.h"
#include "hub/body.h"
#include "hub/system_properties.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replay_json {
    glob_t files;
    size_t next;
    struct buffer body;
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t end_n = strlen(end);
    return n >= end_n && strcmp(text + n - end_n, end) == 0;
}

struct replay_json *replay_json_open(const char *dir, struct error *err)
{
    struct replay_json *r = xcalloc(1, sizeof *r);
    char *pattern = xasprintf("%s/*.json", dir);
    bool ok = glob(pattern, 0, NULL, &r->files) == 0;
    free(pattern);
    buffer_init(&r->body, HUB_MESSAGE_MAX);
    if (ok)
        return r;
    free(r);
    error_set(err, "no *.json file in %s", dir);
    return NULL;
}

void replay_json_close(struct replay_json *r)
{
    if (r == NULL)
        return;
    globfree(&r->files);
    buffer_free(&r->body);
    free(r);
}

static bool read_body(struct replay_json *r, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    buffer_clear(&r->body);
    size_t n = 1;
    while (n > 0) {
        char *to = buffer_reserve(&r->body, 4096);
        n = to ? fread(to, 1, 4096, file) : 0;
        r->body.n += n;
    }
    bool ok = !ferror(file) && !r->body.overflowed;
    (void)fclose(file);
    return ok;
}

/* The object in a file; *object NULL when there is no such file. False when it holds none. */
static bool read_object(const char *path, struct json_object **object)
{
    FILE *file = fopen(path, "re");
    *object = NULL;
    if (file == NULL)
        return true;
    (void)fclose(file);
    *object = json_object_from_file(path);
    if (json_object_is_type(*object, json_type_object))
        return true;
    json_object_put(*object);
    *object = NULL;
    return false;
}

/* Reads the body into r->body, and what belongs to it into *about (NULL: nothing). */
static bool read_message(struct replay_json *r, const char *path, struct json_object **about)
{
    struct json_object *body = NULL;
    if (!read_body(r, path))
        return false;
    if (read_object(path, about) && json_object_object_get_ex(*about, "body", &body) &&
        (body_member(*about, "properties") || body_member(*about, "systemProperties"))) {
        buffer_clear(&r->body);
        return buffer_append_text(
            &r->body, json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE));
    }
    json_object_put(*about);
    char *beside = xasprintf("%.*s.properties.json", (int)(strlen(path) - strlen(".json")), path);
    bool ok = read_object(beside, about);
    free(beside);
    return ok;
}

static void append(struct replay_json *r, struct hub *hub, const char *path,
                   struct json_object *about, const struct system_properties *properties)
{
    const char *file = strrchr(path, '/') + 1;
    char *name = xstrndup(file, strlen(file) - strlen(".json"));
    const char *device = about ? body_text(about, "device", name) : name;
    struct telemetry telemetry = {
        .device = slice_from(device),
        .module = slice_from(about ? body_text(about, "module", NULL) : NULL),
        .generation = slice_from(devices_get(hub->devices, slice_from(device))->generation),
        .body = buffer_slice(&r->body),
    };
    system_properties_apply(properties, &telemetry);
    hub_append_telemetry(hub, -1, &telemetry);
    free(name);
}

static bool send_file(struct replay_json *r, struct hub *hub, const char *path)
{
    struct json_object *about = NULL;
    struct system_properties properties = {0};
    struct error err = {0};
    bool ok = read_message(r, path, &about) &&
              system_properties_read(&properties, body_member(about, "systemProperties"),
                                     body_member(about, "properties"), &err);
    if (ok)
        append(r, hub, path, about, &properties);
    system_properties_free(&properties);
    json_object_put(about);
    return ok;
}

bool replay_json_next(struct replay_json *r, struct hub *hub, int64_t *skipped)
{
    while (r->next < r->files.gl_pathc) {
        const char *path = r->files.gl_pathv[r->next++];
        if (ends_with(path, ".properties.json"))
            continue;
        if (send_file(r, hub, path))
            return true;
        ++*skipped;
    }
    return false;
}
