#include "source/eventhubs/sasl_anonymous.h"

#include <proton/sasl.h>
#include <proton/sasl_plugin.h>

static void nothing(pn_transport_t *transport)
{
    (void)transport;
}

static const char *mechanisms(pn_transport_t *transport)
{
    (void)transport;
    return "ANONYMOUS";
}

static bool no_server(pn_transport_t *transport)
{
    (void)transport;
    return false;
}

static bool init_client(pn_transport_t *transport)
{
    (void)transport;
    return true;
}

static void ignore_init(pn_transport_t *transport, const char *mechanism,
                        const pn_bytes_t *received)
{
    (void)transport;
    (void)mechanism;
    (void)received;
}

static void ignore(pn_transport_t *transport, const pn_bytes_t *received)
{
    (void)transport;
    (void)received;
}

/* `offered` holds only what is allowed, so it is ANONYMOUS if anything. */
static bool choose(pn_transport_t *transport, const char *offered)
{
    static const char trace[] = "anonymous";
    if (*offered == '\0')
        return false;
    pnx_sasl_set_selected_mechanism(transport, "ANONYMOUS");
    pnx_sasl_set_bytes_out(transport, pn_bytes(sizeof trace - 1, trace));
    pnx_sasl_set_desired_state(transport, SASL_POSTED_INIT);
    return true;
}

static bool cannot_encrypt(pn_transport_t *transport)
{
    (void)transport;
    return false;
}

static ssize_t no_size(pn_transport_t *transport)
{
    (void)transport;
    return 0;
}

static ssize_t no_layer(pn_transport_t *transport, pn_bytes_t in, pn_bytes_t *out)
{
    (void)transport;
    (void)in;
    (void)out;
    return 0;
}

static const pnx_sasl_implementation anonymous = {
    .free = nothing,
    .list_mechanisms = mechanisms,
    .init_server = no_server,
    .init_client = init_client,
    .prepare_write = nothing,
    .process_init = ignore_init,
    .process_response = ignore,
    .process_mechanisms = choose,
    .process_challenge = ignore,
    .process_outcome = ignore,
    .can_encrypt = cannot_encrypt,
    .max_encrypt_size = no_size,
    .encode = no_layer,
    .decode = no_layer,
};

void sasl_anonymous(pn_transport_t *transport)
{
    pn_sasl_t *sasl = pn_sasl(transport);
    pnx_sasl_set_implementation(transport, &anonymous, NULL);
    pn_sasl_allowed_mechs(sasl, "ANONYMOUS");
}
