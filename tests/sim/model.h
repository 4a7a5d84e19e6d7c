#pragma once

/* `holdfast-sim model`: until the end of the input. Returns the exit status. */
int model_main(void);
