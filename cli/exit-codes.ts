/** What an exit code of a role tells its supervisor. */
export const EXIT = {
  ok: 0,
  failed: 1,
  /** The configuration or the catalog is at fault: starting again changes nothing. */
  unusable: 78,
  /** The role cannot run on this machine (chdb is missing); the others go on without it. */
  unavailable: 69,
} as const;
