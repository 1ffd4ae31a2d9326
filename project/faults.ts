/** A fault is a mistake in a project with its place; a project with faults is refused whole. */
import { AttuneError } from '#contracts';

export interface Fault {
  /** Path inside the project, with forward slashes. */
  readonly file: string;
  /** 1-based */
  readonly line: number;
  /** 1-based */
  readonly column: number;
  readonly message: string;
}

/** `actions/offers.yaml:12:5: unknown field 'valeu'` */
export const formatFault = (fault: Fault): string => `${fault.file}:${fault.line}:${fault.column}: ${fault.message}`;

/** Code `project.invalid`; the message lists every fault, one a line. */
export class ProjectError extends AttuneError {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super('project.invalid', faults.map(formatFault).join('\n'));
    this.name = 'ProjectError';
    this.faults = faults;
  }
}

export const refuseFaults = (faults: readonly Fault[]): void => {
  if (faults.length > 0) throw new ProjectError(faults);
};
