#pragma once

/* Starts libcurl for the whole process, before anything that uses it, so that the memory it gives
 * back is overwritten: requests hold the application key, and libcurl wipes nothing. Ended with
 * curl_global_cleanup. */
void library_start(void);
