#pragma once

/* The headers of requests to ThingWorx. */
struct http_headers;

/* Wipes the key that was kept (NULL: none) and gives a copy of the new one in a vault (NULL: "").
 */
char *request_headers_replace_key(char *old, const char *app_key);
/* For calls of services; the key may be empty. Released with http_headers_release. */
struct http_headers *request_headers_create(const char *node, const char *app_key);
/* For probes, which take no key. */
struct http_headers *request_headers_probe(const char *node);
