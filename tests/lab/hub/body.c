#include "hub/body.h"

struct json_object *body_member(struct json_object *body, const char *name)
{
    return json_object_object_get(body, name);
}

int64_t body_int(struct json_object *body, const char *name, int64_t otherwise)
{
    struct json_object *m = body_member(body, name);
    return m ? json_object_get_int64(m) : otherwise;
}

double body_double(struct json_object *body, const char *name, double otherwise)
{
    struct json_object *m = body_member(body, name);
    return m ? json_object_get_double(m) : otherwise;
}

const char *body_text(struct json_object *body, const char *name, const char *otherwise)
{
    struct json_object *m = body_member(body, name);
    return m ? json_object_get_string(m) : otherwise;
}
