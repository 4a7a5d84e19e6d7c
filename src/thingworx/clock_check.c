#include "thingworx/clock_check.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "thingworx/http.h"

void clock_check(struct skew *skew, struct log *log, const char *base_url, const char *date,
                 int64_t now_us)
{
    if (date == NULL || !skew_is_due(skew, now_us))
        return;
    int64_t theirs_us = http_date_us(date), skew_us = theirs_us - clock_wall_us();
    if (theirs_us < 0 || !skew_seen(skew, skew_us))
        return;
    struct error why;
    error_set(&why, "the clocks of this node and of ThingWorx differ");
    error_detail(&why, "%s says %s, which is %lld s %s this node's clock", base_url, date,
                 (long long)((skew_us < 0 ? -skew_us : skew_us) / SECOND_US),
                 skew_us < 0 ? "behind" : "ahead of");
    error_hint(&why, "let a time service set both clocks: times of values are compared there with "
                     "ThingWorx's own, and certificates and keys expire by a clock");
    log_failure(log, LOG_WARNING, "clock skew", &why, LOG_FIELDS(F_TEXT("base_url", base_url)));
}
