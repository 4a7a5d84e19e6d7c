#pragma once
#include <json-c/json.h>
#include <stdint.h>

/* Members of a control request's body; `otherwise` when one is missing. Texts are borrowed. */
struct json_object *body_member(struct json_object *body, const char *name);
int64_t body_int(struct json_object *body, const char *name, int64_t otherwise);
double body_double(struct json_object *body, const char *name, double otherwise);
const char *body_text(struct json_object *body, const char *name, const char *otherwise);
