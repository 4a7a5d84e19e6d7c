#include "hub/redirect.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/links.h"

#include <proton/codec.h>
#include <proton/condition.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool redirect_is_meant(const struct hub *hub, const char *address)
{
    if (hub->options.iothub == NULL)
        return false;
    const char *scheme = strstr(address, "://");
    if (scheme != NULL) {
        address = scheme + 3;
        address += strcspn(address, "/");
    }
    address += strspn(address, "/");
    return strcasecmp(address, "messages/events/$management") == 0;
}

static pn_bytes_t bytes_of(const char *text)
{
    return pn_bytes(strlen(text), text);
}

static void put_text(pn_data_t *map, const char *key, const char *value)
{
    pn_data_put_symbol(map, bytes_of(key));
    pn_data_put_string(map, bytes_of(value));
}

/* Host and port, in one of the forms that a client may meet; the address comes in any case. */
static void put_place(pn_data_t *map, const struct hub_options *o, long port)
{
    const char *form = settings_text(&o->settings, SETTING_REDIRECT);
    char text[16];
    if (strcmp(form, "address") == 0)
        return;
    put_text(map, "hostname", o->redirect_host);
    put_text(map, "network-host", o->redirect_host);
    if (strcmp(form, "text_port") == 0) {
        (void)snprintf(text, sizeof text, "%ld", port);
        put_text(map, "port", text);
        return;
    }
    pn_data_put_symbol(map, bytes_of("port"));
    if (strcmp(form, "uint_port") == 0)
        pn_data_put_uint(map, (uint32_t)port);
    else
        pn_data_put_int(map, (int32_t)port);
}

void redirect_lag(struct hub *hub, int answers)
{
    hub->redirect_lag = answers;
    (void)snprintf(hub->old_name, sizeof hub->old_name, "%s", hub->options.name);
}

static void put_endpoint(pn_data_t *map, const struct connection *c)
{
    const struct hub_options *o = &c->hub->options;
    bool lags = c->hub->redirect_lag > 0;
    c->hub->redirect_lag -= lags;
    c->hub->redirected++;
    char *address = xasprintf("%s://%s:%ld/%s/$management", c->stream.tls ? "amqps" : "amqp",
                              o->redirect_host, c->port, lags ? c->hub->old_name : o->name);
    char *tracking = xasprintf("%s_G0", c->hub->instance);
    pn_data_clear(map);
    pn_data_put_map(map);
    pn_data_enter(map);
    put_place(map, o, c->port);
    put_text(map, "address", address);
    put_text(map, "com.microsoft:tracking-id", tracking);
    pn_data_exit(map);
    free(address);
    free(tracking);
}

void redirect_answer(struct connection *c, pn_link_t *link)
{
    const struct hub_options *o = &c->hub->options;
    if (o->key != NULL && !authority_allows(&c->access, AUDIENCE_IOTHUB, "messages/events", false,
                                            clock_wall_us() / SECOND_US)) {
        links_refuse(link, "amqp:unauthorized-access",
                     "Unauthorized access. 'ServiceConnect' permission is required to perform "
                     "this operation.");
        return;
    }
    put_endpoint(pn_condition_info(pn_link_condition(link)), c);
    char *text = xasprintf("The link has been redirected to '%s'. TrackingId:%s_G0",
                           o->redirect_host, c->hub->instance);
    links_refuse(link, "amqp:link:redirect", text);
    free(text);
}
