#include "node/destination_news.h"

#include "base/clock.h"
#include "core/bulk_body.h"

void news_takes_again(struct error *news, const char *destination)
{
    error_set(news, "destination %s takes values again", destination);
}

void news_failed(struct error *news, const char *destination, const struct error *why,
                 int64_t outage_us)
{
    error_set(news, "destination %s has taken nothing for %lld s and counts as failed", destination,
              (long long)(outage_us / SECOND_US));
    error_detail(news, "%s%s%s; nothing is lost: reading has stopped, and what waits is kept",
                 why->message, why->detail[0] != '\0' ? ": " : "", why->detail);
    error_hint(news,
               "mend it; it is tried on and resumes by itself, or at once with SELECT "
               "holdfast.restart_destination('%s')",
               destination);
}

void news_no_bulk(struct error *news, const char *why)
{
    error_set(news, "the bulk service " BULK_THING " cannot be used");
    error_detail(news, "%s", why);
    error_hint(news, "import thingworx/holdfast-bulk.xml and let the application key's user invoke "
                     "it, or set delivery => 'per_thing'; until then each Thing gets requests of "
                     "its own");
}
