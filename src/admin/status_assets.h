#pragma once

/* status_page.css and status_page.js as they stand here, made part of the program by the build. */
extern const char status_page_css[];
extern const char status_page_js[];
