/** A sparse vector in reused arrays. */
export interface SparseRow {
  readonly index: Int32Array;
  readonly value: Float64Array;
  count: number;
}

export const createSparseRow = (capacity: number): SparseRow => ({
  index: new Int32Array(capacity),
  value: new Float64Array(capacity),
  count: 0,
});

/** Silently stops at capacity: what does not fit is treated as absent. */
export const push = (row: SparseRow, index: number, value: number): void => {
  if (row.count >= row.index.length) return;
  row.index[row.count] = index;
  row.value[row.count++] = value;
};
