/** The port of reservations: at most so many holders at a time, counted exactly over all processes (volume caps, ramps). */

export interface Reservations {
  /**
   * True: `holder` holds one of `max` places until `untilMs`, or held it already (asked again it counts once, and keeps its first end).
   * False: all places are held at `nowMs`. Durable when resolved. What has ended for the caller whose clock is ahead may have ended for all.
   * @param name 1 to 256 bytes of UTF-8
   * @param holder 1 to 64 bytes
   */
  reserve(
    name: string,
    holder: Buffer,
    options: { readonly nowMs: number; readonly untilMs: number; readonly max: number },
  ): Promise<boolean>;
  /** Nothing happens when it holds none. */
  release(name: string, holder: Buffer): Promise<void>;
  /** Places held at `nowMs`. */
  held(name: string, nowMs: number): Promise<number>;
}
