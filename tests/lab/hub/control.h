#pragma once
#include "hub/generator.h"
#include "hub/hub.h"
#include "hub/replay.h"

#include <event2/util.h>

/* The HTTP port that tests steer the hub with: JSON in and out, errors as 400 with {"error"}. */
struct control;

/* Serves on a listening socket, which it takes over. */
struct control *control_open(struct hub *hub, struct generator *generator, struct replay *replay,
                             evutil_socket_t listener);
void control_close(struct control *control);
