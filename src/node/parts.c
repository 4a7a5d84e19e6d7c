#include "node/parts.h"

const char *const hand_over_names[HAND_OVERS] = {[HAND_OVER_PLANNED] = "planned",
                                                 [HAND_OVER_STOPPED] = "stopped",
                                                 [HAND_OVER_DECLINED] = "declined",
                                                 [HAND_OVER_CALLED_OFF] = "called_off",
                                                 [HAND_OVER_LOST] = "lost"};

const char *const letter_reasons[LETTER_REASONS] = {[LETTER_UNBOUND] = "unbound",
                                                    [LETTER_UNPARSABLE] = "unparsable",
                                                    [LETTER_REFUSED] = "refused",
                                                    [LETTER_TOO_LARGE] = "too_large"};
