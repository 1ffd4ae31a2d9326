/** Cholesky's factor of a symmetric positive definite matrix, and what follows from it (Golub & Van Loan, §4.2). Triangles are packed by rows. */

/**
 * L of A + Λ = L Lᵀ, into `l`. O(d³/6) multiplications, four rows at once: what is read of a row above serves them all.
 * @param ridge Λ, one entry a dimension
 * @throws RangeError A + Λ is not positive definite
 */
export const factorise = (a: Float64Array, dims: number, ridge: ArrayLike<number>, l: Float64Array): void => {
  for (let first = 0; first < dims; first += BLOCK) {
    const end = Math.min(dims, first + BLOCK);
    if (end - first === BLOCK) eliminateFour(a, first, l);
    else for (let i = first; i < end; i++) eliminate(a, l, i, 0, first);
    for (let i = first; i < end; i++) {
      eliminate(a, l, i, first, i);
      const at = rowOf(i);
      const pivot = a[at + i]! + ridge[i]! - sumOfProducts(l, at, at, 0, i);
      if (!(pivot > 0)) throw new RangeError(`row ${i} of the matrix has the pivot ${pivot}: it is not positive definite`);
      l[at + i] = Math.sqrt(pivot);
    }
  }
};

/** x becomes L⁻ᵀ x. */
export const solveTransposed = (l: Float64Array, dims: number, x: Float64Array): void => {
  for (let i = dims - 1; i >= 0; i--) {
    const at = rowOf(i);
    const value = (x[i]! /= l[at + i]!);
    for (let j = 0; j < i; j++) x[j]! -= value * l[at + j]!;
  }
};

const BLOCK = 4;

const rowOf = (i: number): number => (i * (i + 1)) / 2;

const sumOfProducts = (l: Float64Array, p: number, q: number, from: number, to: number): number => {
  let sum = 0;
  for (let k = from; k < to; k++) sum += l[p + k]! * l[q + k]!;
  return sum;
};

/** Columns `from` to `to` of row i. */
const eliminate = (a: Float64Array, l: Float64Array, i: number, from: number, to: number): void => {
  const at = rowOf(i);
  for (let j = from; j < to; j++) {
    const above = rowOf(j);
    l[at + j] = (a[at + j]! - sumOfProducts(l, at, above, 0, j)) / l[above + j]!;
  }
};

/** Columns 0 to `first` of the four rows from `first` on. */
const eliminateFour = (a: Float64Array, first: number, l: Float64Array): void => {
  const p = rowOf(first);
  const q = rowOf(first + 1);
  const r = rowOf(first + 2);
  const s = rowOf(first + 3);
  for (let j = 0; j < first; j++) {
    const above = rowOf(j);
    let sp = a[p + j]!;
    let sq = a[q + j]!;
    let sr = a[r + j]!;
    let ss = a[s + j]!;
    for (let k = 0; k < j; k++) {
      const v = l[above + k]!;
      sp -= l[p + k]! * v;
      sq -= l[q + k]! * v;
      sr -= l[r + k]! * v;
      ss -= l[s + k]! * v;
    }
    const pivot = l[above + j]!;
    l[p + j] = sp / pivot;
    l[q + j] = sq / pivot;
    l[r + j] = sr / pivot;
    l[s + j] = ss / pivot;
  }
};
