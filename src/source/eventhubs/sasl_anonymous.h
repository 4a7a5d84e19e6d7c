#pragma once
#include <proton/transport.h>

/* Makes the transport offer SASL ANONYMOUS and nothing else, without Cyrus: its plug-ins would be
 * one more package, and are read from disk while the loop waits. Authorisation comes later, by
 * tokens on the $cbs node. */
void sasl_anonymous(pn_transport_t *transport);
