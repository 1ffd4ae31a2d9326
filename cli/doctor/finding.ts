/** What the doctor finds: a sentence, and whether it is well. */

export interface Finding {
  /** `done`: it was mended just now. `note`: worth knowing, and no fault. */
  readonly state: 'ok' | 'done' | 'note' | 'fault';
  readonly text: string;
}

const MARKS = { ok: '✓', done: '+', note: '–', fault: '✗' } as const;

export const formatFinding = ({ state, text }: Finding): string => `${MARKS[state]} ${text}`;

export const ok = (text: string): Finding => ({ state: 'ok', text });
export const note = (text: string): Finding => ({ state: 'note', text });
export const fault = (text: string): Finding => ({ state: 'fault', text });

/** The sentence as well, or as a fault with the reason. */
export const check = async (text: string, work: () => unknown): Promise<Finding> => {
  try {
    await work();
    return ok(text);
  } catch (error) {
    return fault(`${text}: ${(error as Error).message}`);
  }
};

/** No problems: all is well, in these words. */
export const faultsOr = (well: string, engine: string, problems: readonly string[]): readonly Finding[] =>
  problems.length === 0 ? [ok(well)] : problems.map((problem) => fault(`${engine}: ${problem}`));
