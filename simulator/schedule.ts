/** A queue by time: what was planned comes out earliest first. A binary heap. */
export interface Schedule<T> {
  readonly size: number;
  add(atMs: number, item: T): void;
  /** The earliest item at or before `untilMs`, else null. */
  take(untilMs: number): { readonly atMs: number; readonly item: T } | null;
}

export const createSchedule = <T>(): Schedule<T> => {
  const heap: { atMs: number; order: number; item: T }[] = [];
  let order = 0;
  const before = (a: number, b: number): boolean => {
    const [x, y] = [heap[a]!, heap[b]!];
    return x.atMs < y.atMs || (x.atMs === y.atMs && x.order < y.order);
  };
  const swap = (a: number, b: number): void => {
    [heap[a], heap[b]] = [heap[b]!, heap[a]!];
  };
  const sink = (): void => {
    for (let at = 0; ;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < heap.length && before(child, least)) least = child;
      if (least === at) return;
      swap(at, least);
      at = least;
    }
  };
  return {
    get size() {
      return heap.length;
    },
    add(atMs, item) {
      heap.push({ atMs, order: order++, item });
      for (let at = heap.length - 1; at > 0;) {
        const parent = (at - 1) >> 1;
        if (!before(at, parent)) return;
        swap(at, parent);
        at = parent;
      }
    },
    take(untilMs) {
      const first = heap[0];
      if (first === undefined || first.atMs > untilMs) return null;
      const last = heap.pop()!;
      if (heap.length > 0) {
        heap[0] = last;
        sink();
      }
      return { atMs: first.atMs, item: first.item };
    },
  };
};
