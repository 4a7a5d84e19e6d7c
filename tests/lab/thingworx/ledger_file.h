#pragma once
#include "base/error.h"
#include "thingworx/ledger.h"
#include "thingworx/names.h"

/* The ledger on disk, in the form of GET /ledger. A value stands there before its sender gets an
 * answer, so what was accepted is known also after a kill -9 of the process (not of the machine).
 * NULL is legal everywhere: there is no file. */
struct ledger_file;

/* Takes what a former process left there into `ledger`. A line that it could not finish is cut off:
 * nobody was told that its value was accepted. */
struct ledger_file *ledger_file_open(const char *path, struct ledger *ledger, struct names *names,
                                     struct error *err);
void ledger_file_close(struct ledger_file *file);

/* Writes the last entry. False: it cannot be written. */
bool ledger_file_note(struct ledger_file *file, const struct ledger *ledger,
                      const struct names *names);
void ledger_file_clear(struct ledger_file *file);
