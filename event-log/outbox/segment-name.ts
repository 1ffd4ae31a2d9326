/** How a segment of the outbox is called: whose it is, where it stands in their order, since when. */

export interface SegmentName {
  /** The process that writes and forwards it. */
  readonly owner: string;
  /** One opening of the outbox in that process. */
  readonly box: string;
  readonly index: number;
  readonly openedAtMs: number;
}

const ENDING = '.outbox';

export const segmentFileName = ({ owner, box, index, openedAtMs }: SegmentName): string =>
  `${encodeURIComponent(owner)}~${box}~${String(index).padStart(9, '0')}~${openedAtMs}${ENDING}`;

/** Null: not a segment's name. */
export const parseSegmentName = (name: string): SegmentName | null => {
  const [owner, box, index, openedAt] = name.slice(0, -ENDING.length).split('~');
  if (!name.endsWith(ENDING) || owner === undefined || box === undefined || openedAt === undefined) return null;
  return { owner: decodeURIComponent(owner), box, index: Number(index), openedAtMs: Number(openedAt) };
};
