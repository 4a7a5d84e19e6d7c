#pragma once

/* What was built, written by cmake/describe.cmake: "git 2ee5d76, RelWithDebInfo", without the
 * commit where there is no repository. */
extern const char build_info[];
