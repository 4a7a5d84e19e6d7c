#include "core/heartbeat.h"

#include "core/mapping.h"

const struct heartbeat_rule *heartbeat_select(const struct heartbeat_rule *rules, size_t count,
                                              struct slice device, struct slice module)
{
    while (count-- > 0)
        if (mapping_like(device, rules[count].devices) &&
            mapping_like(module, rules[count].modules))
            return &rules[count];
    return NULL;
}
