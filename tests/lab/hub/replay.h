#pragma once
#include "hub/hub.h"

/* Feeds the rows of CSV files (`timestamp,value`; one file per device, named after it) into the
 * hub, row by row in turn over the files. Rows that are not such a pair are skipped and counted. */
struct replay;

struct replay *replay_open(struct hub *hub);
void replay_close(struct replay *replay);

/* Starts over with the *.csv files of `dir` (`json`: with the messages of replay_json.h); ends with
 * the last of them. False and err if there are none. `rate` in events per second; 0: as fast as
 * possible. */
bool replay_start(struct replay *replay, const char *dir, bool json, double rate,
                  struct error *err);
void replay_stop(struct replay *replay);
bool replay_running(const struct replay *replay);
int64_t replay_skipped(const struct replay *replay);
