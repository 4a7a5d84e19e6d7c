#pragma once

/* The headers of requests to ThingWorx. */
struct http_headers;

/* For calls of services; the key may be empty. Released with http_headers_release. */
struct http_headers *request_headers_create(const char *node, const char *app_key);
/* For probes, which take no key. */
struct http_headers *request_headers_probe(const char *node);
