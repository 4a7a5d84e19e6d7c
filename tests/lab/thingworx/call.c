#include "thingworx/call.h"

#include <stdarg.h>
#include <stdio.h>

void call_answer(struct call *call, int status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_clear(&call->answer.body);
    (void)buffer_append_text(&call->answer.body, text);
    call->answer.status = status;
    call->answer.type = "text/plain;charset=UTF-8";
}

static bool is_put_property(const struct call *call)
{
    return call->method == EVHTTP_REQ_PUT && call->n_segments == 5 &&
           strcmp(call->segments[3], "Properties") == 0;
}

static bool is_update(const struct call *call)
{
    return call->method == EVHTTP_REQ_POST && call->n_segments == 5 &&
           strcmp(call->segments[3], "Services") == 0 &&
           strcmp(call->segments[4], "UpdatePropertyValues") == 0;
}

bool call_writes(const struct call *call)
{
    return strcmp(call->segments[1], "Things") == 0 &&
           (is_update(call) || is_put_property(call) || bulk_is_called(call));
}

void call_read(struct call *call)
{
    struct update *update = &call->server->update;
    if (bulk_is_called(call))
        call->read = update_read_bulk(update, call->body);
    else
        call->read = is_update(call) ? update_read(update, call->body)
                                     : update_read_values(update, call->body);
}

struct slice call_sender(const struct call *call)
{
    const char *agent =
        evhttp_find_header(evhttp_request_get_input_headers(call->request), "User-Agent");
    if (agent == NULL)
        return SLICE_LITERAL("unknown");
    const char *open = strstr(agent, " (");
    size_t n = strlen(agent);
    if (strncmp(agent, "holdfast/", 9) != 0 || open == NULL || agent[n - 1] != ')')
        return (struct slice){agent, n};
    return (struct slice){open + 2, (size_t)(agent + n - 1 - (open + 2))};
}
