/** EX_CONFIG of sysexits.h: the configuration is wrong. Starting again cannot help, so a supervisor does not. */
export const BAD_CONFIG = 78
