/** The guard's documents in hand, written back before the log forgets their causes. */
import { AttuneError } from '#contracts';
import type { Documents } from '#feature-store';
import { GUARD_KIND, inEpoch } from './guard-document.ts';
import type { GuardDocument } from './guard-document.ts';

export interface GuardBook {
  all(): readonly GuardDocument[];
  find(actionId: string): GuardDocument | null;
  /** Durable when resolved. Rejects with `guard.superseded` when another process wrote it: then this one's book is old. */
  write(document: GuardDocument): Promise<void>;
}

interface Entry {
  readonly document: GuardDocument;
  readonly version: number;
  readonly createdMs: number;
}

const PAGE = 1_000;

export const openGuardBook = async (documents: Documents, epoch: number, clock: () => number): Promise<GuardBook> => {
  const entries = new Map<string, Entry>();
  for (let offset = 0; ; offset += PAGE) {
    const page = await documents.list(GUARD_KIND, { offset, limit: PAGE });
    for (const { id, version, atMs, body } of page.documents)
      entries.set(id, { document: inEpoch(JSON.parse(body.toString('utf8')) as GuardDocument, epoch), version, createdMs: atMs });
    if (offset + PAGE >= page.total) break;
  }
  return {
    all: () => [...entries.values()].map(({ document }) => document),
    find: (actionId) => entries.get(actionId)?.document ?? null,
    async write(document) {
      const { actionId, paused } = document;
      const known = entries.get(actionId);
      const createdMs = known?.createdMs ?? clock();
      const body = Buffer.from(JSON.stringify(document));
      const write = { id: actionId, customerKey: null, state: paused === null ? 'watched' : 'paused', atMs: createdMs, dueMs: null, body };
      const version = await documents.put(GUARD_KIND, write, known?.version ?? null);
      if (version === null)
        throw new AttuneError('guard.superseded', `another process wrote what is known of action "${actionId}"; this one reads it again`);
      entries.set(actionId, { document, version, createdMs });
    },
  };
};
