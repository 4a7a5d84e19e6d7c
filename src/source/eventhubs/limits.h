#pragma once
#include "base/clock.h"

/* Every time and ceiling of the Event Hubs source, in one place. */

/* One address may take this long to answer; the whole way from resolving to up, that long. The
 * service itself drops a connection without a token after 20 s. */
#define EVENTHUBS_CONNECT_US (5 * SECOND_US)
#define EVENTHUBS_SETUP_US (20 * SECOND_US)

/* Wait before connecting again: full jitter in [0, base * 2^n), capped, and never less than the
 * least. */
#define EVENTHUBS_RETRY_LEAST_US (50 * MS_US)
#define EVENTHUBS_RETRY_BASE_US (200 * MS_US)
#define EVENTHUBS_RETRY_CAP_US (15 * SECOND_US)

/* After a refusal: doubling from the base, half of it chance, capped; as often as it comes again
 * within the time after which it is forgotten. It is a fault of configuration that no haste
 * repairs, unless it was the service that erred: so the first three tries come before the node
 * gives its partitions back (15 s). */
#define EVENTHUBS_REFUSED_BASE_US (2 * SECOND_US)
#define EVENTHUBS_REFUSED_CAP_US (60 * SECOND_US)
#define EVENTHUBS_REFUSED_FORGET_US (120 * SECOND_US)

/* Before a message that cannot be placed is read again. */
#define EVENTHUBS_BAD_MESSAGE_LEAST_US (30 * SECOND_US)
#define EVENTHUBS_BAD_MESSAGE_JITTER_US (30 * SECOND_US)

/* After "server busy": doubling from the base, half of it chance, capped; as often as it comes
 * again within the time after which it is forgotten. Microsoft's clients wait 4 s and more. */
#define EVENTHUBS_BUSY_BASE_US (8 * SECOND_US)
#define EVENTHUBS_BUSY_CAP_US (64 * SECOND_US)
#define EVENTHUBS_BUSY_FORGET_US (120 * SECOND_US)

/* Silence of the peer that ends a connection; half of it is what the peer is told. A dead host is
 * noticed earlier by TCP: keepalive after 10 s, given up after 30 s. */
#define EVENTHUBS_IDLE_MS 120000
#define EVENTHUBS_TCP_IDLE_S 10
#define EVENTHUBS_TCP_INTERVAL_S 5
#define EVENTHUBS_TCP_PROBES 4
#define EVENTHUBS_TCP_USER_TIMEOUT_MS 30000

/* Tokens: lifetime, and the share of it after which they are renewed. Service and clients of
 * Microsoft use an hour and 45 minutes. */
#define EVENTHUBS_TOKEN_LIFETIME_S 3600
#define EVENTHUBS_TOKEN_RENEW_PERCENT 75
#define EVENTHUBS_TOKEN_AGAIN_US (2 * SECOND_US) /* when a renewal meets a busy service */
#define EVENTHUBS_TOKENS_IN_FLIGHT 32
#define EVENTHUBS_REPLY_US (20 * SECOND_US)

/* How often the metadata of the hub is read again. */
#define EVENTHUBS_METADATA_US (300 * SECOND_US)

/* An IoT hub that names the same endpoint again, though somebody was told that it does not exist,
 * is asked again: after a time that doubles from the base, half of it chance. After so many answers
 * (8 to 16 s) it is believed, and asked no more often than the cap; until nobody was told so for
 * the time after which it is forgotten. One that does not answer is asked again after the last. */
#define EVENTHUBS_ASK_SAME_BASE_US (500 * MS_US)
#define EVENTHUBS_SAME_ANSWERS 6u
#define EVENTHUBS_ASK_SAME_CAP_US (16 * SECOND_US)
#define EVENTHUBS_MISSED_FORGET_US (120 * SECOND_US)
#define EVENTHUBS_ASK_AGAIN_US (10 * SECOND_US)

/* A peer that does not answer our detach is not waited for longer. */
#define EVENTHUBS_DETACH_US (5 * SECOND_US)

/* The housekeeping of a source: time-outs, renewals. */
#define EVENTHUBS_TICK_US SECOND_US

/* One turn of the loop: messages and time after which others get theirs. */
#define EVENTHUBS_TURN_MESSAGES 512
#define EVENTHUBS_TURN_US (2 * MS_US)

/* The largest encoded message that is taken: the service's own limit is 1 MiB and some. */
#define EVENTHUBS_MESSAGE_BYTES (2u << 20)
#define EVENTHUBS_PARTITIONS 4096

/* AMQP bounds a session in frames, so the byte window of a reader is so many frames of equal size;
 * the frame size follows, within these bounds. */
#define EVENTHUBS_WINDOW_FRAMES 256
#define EVENTHUBS_FRAME_LEAST 4096u
#define EVENTHUBS_FRAME_MOST 65536u
#define EVENTHUBS_WINDOW_DEFAULT (1u << 20)
#define EVENTHUBS_READ_BYTES 65536u
#define EVENTHUBS_SOCKET_BYTES (1 << 20)
