/** features.yaml into plain definitions; every mistake is a fault with file and line. */
import { compileEventTypes, refuseFaults, type EventTypes, type Fault, type Project, type ProjectDocument } from '#project';
import type { FeatureDefinitions } from './definitions.ts';
import { namesOfActions } from './names-of-actions.ts';
import { parseAttribute } from './parse-attribute.ts';
import { parseFeature } from './parse-feature.ts';
import { isRecord } from './parse-parts.ts';

export const MAX_ATTRIBUTES = 128;
export const MAX_FEATURES = 256;

/** What a parser of one definition needs: where it stands, and where its faults go. */
export interface DefinitionContext {
  readonly document: ProjectDocument;
  /** Null: the project has no events.yaml, so event types and fields are not checked. */
  readonly events: EventTypes | null;
  readonly faults: Fault[];
}

/** Throws ProjectError. A project without features.yaml has neither attributes nor features. */
export const parseDefinitions = (project: Project): FeatureDefinitions => {
  const actionIds = namesOfActions(project);
  const document = project.document('features.yaml');
  if (document === null) return { attributes: [], features: [], actionIds };
  const faults: Fault[] = [];
  const events = project.document('events.yaml') === null ? null : compileEventTypes(project);
  const context: DefinitionContext = { document, events, faults };
  const attributes = entries(context, 'attributes', MAX_ATTRIBUTES).map(([name, value]) => parseAttribute(context, name, value));
  const features = entries(context, 'features', MAX_FEATURES).map(([name, value]) => parseFeature(context, name, value));
  refuseFaults(faults);
  return { attributes, features, actionIds };
};

const entries = ({ document, faults }: DefinitionContext, part: string, limit: number): [string, Record<string, unknown>][] => {
  const root = isRecord(document.value) ? document.value : {};
  const value = root[part] ?? {};
  if (!isRecord(value)) {
    faults.push(document.fault([part], `${part} must be a mapping from name to definition`));
    return [];
  }
  const all = Object.entries(value);
  if (all.length > limit) faults.push(document.fault([part], `${all.length} ${part}; at most ${limit} fit a customer's state`));
  return all.flatMap(([name, definition]): [string, Record<string, unknown>][] => {
    if (isRecord(definition)) return [[name, definition]];
    faults.push(document.fault([part, name], `'${name}' must be a mapping`));
    return [];
  });
};
