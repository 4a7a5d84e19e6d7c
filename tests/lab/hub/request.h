#pragma once
#include "hub/connection.h"

#include <proton/message.h>

/* The requests of $cbs and $management: each reads a decoded request and fills the reply's
 * application properties (status-code, status-description) and body. */

/* put-token: checks a shared access signature and grants its audience to the connection. */
void request_put_token(struct connection *connection, pn_message_t *request, pn_message_t *reply);

/* READ of com.microsoft:eventhub or com.microsoft:partition. */
void request_read(struct connection *connection, pn_message_t *request, pn_message_t *reply);
