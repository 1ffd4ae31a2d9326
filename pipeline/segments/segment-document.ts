/** What is known of a segment's runs: one document a segment, written by the process that holds the lease. */
import { AttuneError } from '#contracts';
import type { Documents } from '#feature-store';

export const SEGMENT_KIND = 'segment';

export interface SegmentDocument {
  readonly segmentId: string;
  /** When Attune first knew of it: what was due before is not made up for. */
  readonly sinceMs: number;
  /** The last one. */
  readonly run: SegmentRunState | null;
}

export interface SegmentRunState {
  readonly runAtMs: number;
  /** Who ordered it; `schedule`. */
  readonly by: string;
  /** `superseded`: the next one began before it was through. */
  readonly state: 'running' | 'done' | 'stopped' | 'superseded';
  readonly startedMs: number;
  readonly endedMs: number | null;
  /** Customers in the segment when it was last looked; null: it was not yet. */
  readonly members: number | null;
  /** Of those, whose turn has come. */
  readonly turns: number;
}

export const readSegmentDocuments = async (documents: Documents): Promise<readonly SegmentDocument[]> =>
  (await documents.list(SEGMENT_KIND, { limit: PAGE })).documents.map(({ body }) => parse(body));

export interface SegmentBook {
  /** The document of a segment; a new one where it has none. */
  open(segmentId: string): Promise<SegmentDocument>;
  /** Durable when resolved. Rejects with `segments.superseded` when another process wrote it: then this book is old. */
  write(document: SegmentDocument): Promise<void>;
}

const PAGE = 1_000;

export const createSegmentBook = (documents: Documents, clock: () => number): SegmentBook => {
  const entries = new Map<string, { readonly document: SegmentDocument; readonly version: number }>();

  const write = async (document: SegmentDocument): Promise<void> => {
    const { segmentId, sinceMs, run } = document;
    const written = {
      id: segmentId,
      customerKey: null,
      state: run?.state ?? 'waiting',
      atMs: sinceMs,
      dueMs: null,
      body: Buffer.from(JSON.stringify(document)),
    };
    const version = await documents.put(SEGMENT_KIND, written, entries.get(segmentId)?.version ?? null);
    if (version === null)
      throw new AttuneError(
        'segments.superseded',
        `another process wrote what is known of segment "${segmentId}"; this one reads it again`,
      );
    entries.set(segmentId, { document, version });
  };

  return {
    write,
    async open(segmentId) {
      const known = entries.get(segmentId);
      if (known !== undefined) return known.document;
      const stored = await documents.get(SEGMENT_KIND, segmentId);
      if (stored !== null) {
        const document = parse(stored.body);
        entries.set(segmentId, { document, version: stored.version });
        return document;
      }
      const document: SegmentDocument = { segmentId, sinceMs: clock(), run: null };
      await write(document);
      return document;
    },
  };
};

const parse = (body: Buffer): SegmentDocument => JSON.parse(body.toString('utf8')) as SegmentDocument;
