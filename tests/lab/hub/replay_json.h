#pragma once
#include "hub/hub.h"

/* The messages of a folder, one per *.json file, in one of two forms. Either the file is what IoT
 * Hub tools export, {"body":..,"properties":{},"systemProperties":{},"enqueuedTime":".."}, and its
 * body is sent. Or the whole file is the body, as it stands, and beside NAME.json there may be a
 * NAME.properties.json: {"device":"..","module":"..","properties":{},"systemProperties":{}}.
 * Without a "device" that is NAME. */
struct replay_json;

/* Lists the files in order of their names. NULL and err if there are none. */
struct replay_json *replay_json_open(const char *dir, struct error *err);
void replay_json_close(struct replay_json *replay);

/* Appends the next message; one that cannot be read is skipped and counted. False at the end. */
bool replay_json_next(struct replay_json *replay, struct hub *hub, int64_t *skipped);
