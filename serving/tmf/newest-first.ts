/** All documents that a query finds, page by page. */
import type { DocumentQuery, Documents, StoredDocument } from '#feature-store';

const PAGE = 500;

export const newestFirst = async function* (
  documents: Documents,
  kind: string,
  query: Pick<DocumentQuery, 'customerKey' | 'fromMs'>,
): AsyncIterable<StoredDocument> {
  const seen = new Set<string>();
  for (let offset = 0; ; offset += PAGE) {
    const { documents: found } = await documents.list(kind, { ...query, newestFirst: true, offset, limit: PAGE });
    for (const stored of found) {
      // What is written meanwhile moves the others on.
      if (seen.has(stored.id)) continue;
      seen.add(stored.id);
      yield stored;
    }
    if (found.length < PAGE) return;
  }
};
