/**
 * Values that fill whole pages of their own: LMDB moves what is smaller from page to page, and leaves copies of it in the unused parts of pages
 * that are in use, which no wipe reaches. Length uint32, the bytes, zeros to the end of the last page.
 */
const PAGE_BYTES = 4_096;
/** Of the head of a page or of a run of pages, whichever format of LMDB: at most 8 bytes at the end are not written. */
const HEAD_BYTES = 24;
const LENGTH_BYTES = 4;

/** What fills one page. */
export const ONE_PAGE = PAGE_BYTES - HEAD_BYTES;

export const toWholePages = (bytes: Buffer): Buffer => {
  const pages = Math.ceil((HEAD_BYTES + LENGTH_BYTES + bytes.length) / PAGE_BYTES);
  const out = Buffer.alloc(pages * PAGE_BYTES - HEAD_BYTES);
  out.writeUInt32BE(bytes.length);
  bytes.copy(out, LENGTH_BYTES);
  return out;
};

export const fromWholePages = (stored: Buffer): Buffer => stored.subarray(LENGTH_BYTES, LENGTH_BYTES + stored.readUInt32BE());
