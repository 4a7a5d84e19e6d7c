#pragma once
#include <proton/types.h>

/* Makes a server's transport offer these SASL mechanisms, of which it knows ANONYMOUS, and MSSBCBS,
 * which is the same: who may do what is settled afterwards, by tokens (see authority.h). Proton's
 * own implementation would depend on which Cyrus plugins are installed. */
void sasl_serve_anonymous(pn_transport_t *transport, const char *mechanisms);
