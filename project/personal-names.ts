/** The names that features.yaml or events.yaml mark as personal: no model and no warehouse sees a value of such a name (laws 7 and 9). */
import type { Project } from './project.ts';

/** Of attributes and of events' fields. What is malformed is nobody's name here: compiling features and events refuses it. */
export const personalNamesOf = (project: Project): ReadonlySet<string> =>
  new Set([
    ...markedIn(partOf(project, 'features.yaml', 'attributes')),
    ...Object.values(partOf(project, 'events.yaml', 'events')).flatMap((type) => markedIn(recordOf(recordOf(type)['data']))),
  ]);

type Fields = Readonly<Record<string, unknown>>;

const partOf = (project: Project, file: string, part: string): Fields => recordOf(recordOf(project.document(file)?.value)[part]);

const markedIn = (fields: Fields): string[] => Object.keys(fields).filter((name) => recordOf(fields[name])['personal'] === true);

const recordOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
