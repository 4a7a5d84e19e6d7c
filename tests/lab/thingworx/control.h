#pragma once
#include <event2/http.h>

/* The callback of the control endpoint; `context` is the struct server. */
void control_on_request(struct evhttp_request *request, void *context);
