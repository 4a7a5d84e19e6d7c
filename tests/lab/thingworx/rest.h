#pragma once
#include <event2/http.h>

/* The callback of the REST surface; `context` is the struct server. */
void rest_on_request(struct evhttp_request *request, void *context);
