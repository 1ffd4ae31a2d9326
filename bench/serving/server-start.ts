/** What a server under test is started with. */
export interface ServerStart {
  readonly storeDir: string;
  readonly logDir: string;
  readonly catalogDir: string;
  readonly idKey: string;
  readonly apiKeys: string;
  /** For the floor: what it answers, as JSON; of the same size as the other's answers. */
  readonly answer: string | null;
  /** The production engines instead of the files. */
  readonly engines: { readonly brokers: readonly string[]; readonly redisUrl: string; readonly outboxDir: string } | null;
}
