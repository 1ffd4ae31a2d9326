/** What an adapter is opened with, beside its channel's definition. */
import type { Clock } from '#contracts';

export interface AdapterDeps {
  /** The environment, for the secrets that settings name. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly dataDir: string;
  readonly clock: Clock;
  /** Webhooks may go to private addresses. */
  readonly allowPrivate: boolean;
}
