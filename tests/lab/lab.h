#pragma once

/* The subcommands of holdfast-lab. Each takes its own arguments, with its name as argv[0],
 * and returns the exit status of the process. */
int lab_hub_main(int argc, char **argv);
int lab_thingworx_main(int argc, char **argv);
int lab_check_main(int argc, char **argv);
