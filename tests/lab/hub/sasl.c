#include "hub/sasl.h"

#include <proton/sasl.h>
#include <proton/sasl_plugin.h>
#include <proton/transport.h>
#include <string.h>

static void release(pn_transport_t *transport)
{
    pnx_sasl_set_context(transport, NULL);
}

static const char *list_mechanisms(pn_transport_t *transport)
{
    return pnx_sasl_get_context(transport);
}

static bool init_server(pn_transport_t *transport)
{
    pnx_sasl_set_desired_state(transport, SASL_POSTED_MECHANISMS);
    return true;
}

static bool init_client(pn_transport_t *transport)
{
    (void)transport;
    return false;
}

static void nothing(pn_transport_t *transport)
{
    (void)transport;
}

static void process_init(pn_transport_t *transport, const char *mechanism, const pn_bytes_t *recv)
{
    (void)recv; /* a trace text, which means nothing */
    if (strcmp(mechanism, "ANONYMOUS") == 0 || strcmp(mechanism, "MSSBCBS") == 0)
        pnx_sasl_set_succeeded(transport, "anonymous", "anonymous");
    else
        pnx_sasl_set_failed(transport);
    pnx_sasl_set_desired_state(transport, SASL_POSTED_OUTCOME);
}

static void process_unexpected(pn_transport_t *transport, const pn_bytes_t *recv)
{
    (void)recv;
    pnx_sasl_set_failed(transport);
    pnx_sasl_set_desired_state(transport, SASL_POSTED_OUTCOME);
}

static bool process_mechanisms(pn_transport_t *transport, const char *mechanisms)
{
    (void)transport;
    (void)mechanisms;
    return false;
}

static bool can_encrypt(pn_transport_t *transport)
{
    (void)transport;
    return false;
}

static ssize_t no_encrypt_size(pn_transport_t *transport)
{
    (void)transport;
    return 0;
}

static ssize_t no_coding(pn_transport_t *transport, pn_bytes_t in, pn_bytes_t *out)
{
    (void)transport;
    (void)in;
    (void)out;
    return 0;
}

static const pnx_sasl_implementation anonymous = {
    .free = release,
    .list_mechanisms = list_mechanisms,
    .init_server = init_server,
    .init_client = init_client,
    .prepare_write = nothing,
    .process_init = process_init,
    .process_response = process_unexpected,
    .process_mechanisms = process_mechanisms,
    .process_challenge = process_unexpected,
    .process_outcome = process_unexpected,
    .can_encrypt = can_encrypt,
    .max_encrypt_size = no_encrypt_size,
    .encode = no_coding,
    .decode = no_coding,
};

void sasl_serve_anonymous(pn_transport_t *transport, const char *mechanisms)
{
    (void)pn_sasl(transport);
    pnx_sasl_set_implementation(transport, &anonymous, (void *)mechanisms);
}
