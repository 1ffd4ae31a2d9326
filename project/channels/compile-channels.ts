/**
 * channels.yaml: the channels that Attune itself delivers on. docs/channels.md explains every field.
 *
 * ```yaml
 * fallback: [email, sms]          # after the customer's preferred channel
 * preferred: preferredChannel     # attribute
 * channels:
 *   email:
 *     adapter: smtp
 *     address: email              # attribute, personal
 *     settings: { host: localhost, port: 25, from: 'Attune <care@example.org>' }
 * caps:
 *   - { channel: email, max: 100000, per: day }
 * ```
 */
import type { ProjectDocument } from '../document.ts';
import { refuseFaults } from '../faults.ts';
import type { Fault } from '../faults.ts';
import type { Project } from '../project.ts';
import { NO_CHANNELS } from './channels.ts';
import type { ChannelDefinition, Channels, VolumeCap } from './channels.ts';
import { Fields, isRecord } from './fields.ts';
import { ADAPTERS, readSettings } from './settings.ts';

const FILE = 'channels.yaml';
const NAME = /^[A-Za-z][A-Za-z0-9-]{0,39}$/;

/** Throws ProjectError when channels.yaml is wrong; a project without it delivers nothing. */
export const compileChannels = (project: Project): Channels => {
  const document = project.document(FILE);
  if (document === null) return NO_CHANNELS;
  const faults: Fault[] = [];
  const channels = readChannels({ project, document, faults });
  refuseFaults(faults);
  return channels;
};

interface Reading {
  readonly project: Project;
  readonly document: ProjectDocument;
  readonly faults: Fault[];
}

const readChannels = (reading: Reading): Channels => {
  const { document, faults } = reading;
  const root = new Fields(document, [], document.value, faults);
  const definitions = root.below('channels');
  if (definitions === null) root.fault(null, "expected a mapping 'channels' from name to channel");
  const names = Object.keys(definitions?.given ?? {});
  const channels = new Map(names.map((name) => [name, readChannel(reading, name, definitions!.below(name)!)]));
  const callbacks = root.below('callbacks');
  const read: Channels = {
    fallback: root.texts('fallback'),
    preferred: root.text('preferred', null),
    callbacks: { allowPrivate: callbacks?.flag('allowPrivate', false) ?? false },
    requests: readRequests(root.below('requests')),
    channels,
    caps: root.list('caps').map(readCap),
  };
  callbacks?.refuseUnknown();
  root.refuseUnknown();
  for (const name of read.fallback) if (!channels.has(name)) root.fault('fallback', `'${name}' is not a channel of this file`);
  if (read.preferred !== null && attributeOf(reading.project, read.preferred) === null) {
    root.fault('preferred', `features.yaml has no attribute '${read.preferred}'`);
  }
  return read;
};

const readChannel = ({ project }: Reading, name: string, fields: Fields): ChannelDefinition => {
  if (!NAME.test(name)) fields.fault(null, `a channel is named in letters, digits and hyphens, not '${name}'`);
  const known = channelsOfProject(project);
  if (known !== null) {
    const directions = known[name];
    if (directions === undefined) fields.fault(null, `project.yaml has no channel '${name}'`);
    else if (!directions.includes('outbound')) fields.fault(null, `project.yaml does not allow outbound on '${name}'`);
  }
  const definition = readDelivery(project, name, fields);
  fields.refuseUnknown();
  return definition;
};

const readDelivery = (project: Project, name: string, fields: Fields): ChannelDefinition => {
  const adapter = fields.oneOf('adapter', ADAPTERS);
  const address = fields.text('address');
  const attribute = attributeOf(project, address);
  if (address !== '' && attribute === null) fields.fault('address', `features.yaml has no attribute '${address}'`);
  else if (address !== '' && attribute!['personal'] !== true) {
    fields.fault('address', `attribute '${address}' is an address: features.yaml must mark it personal`);
  }
  const language = fields.text('language', null);
  if (language !== null && attributeOf(project, language) === null)
    fields.fault('language', `features.yaml has no attribute '${language}'`);
  const firstRetryMs = fields.duration('firstRetry', 30_000);
  const longestRetryMs = fields.duration('longestRetry', 1_800_000);
  if (longestRetryMs < firstRetryMs) fields.fault('longestRetry', 'longestRetry must not be shorter than firstRetry');
  const settings = fields.below('settings');
  if (settings === null) fields.fault(null, "'settings' are missing: a mapping");
  return {
    name,
    address,
    language,
    expireAfterMs: fields.duration('expireAfter', 86_400_000),
    perSecond: fields.number('perSecond', null),
    connections: fields.whole('connections', [1, 100], 4),
    attempts: fields.whole('attempts', [1, 100], 5),
    firstRetryMs,
    longestRetryMs,
    onDoubt: fields.oneOf('onDoubt', ['leave', 'resend'], 'leave'),
    settings: settings === null || !ADAPTERS.includes(adapter) ? { adapter: 'file', path: '' } : readSettings(adapter, settings),
  };
};

const readRequests = (fields: Fields | null): Channels['requests'] => {
  if (fields === null) return null;
  const requests = { action: fields.text('action'), purposes: fields.map('purposes') };
  fields.refuseUnknown();
  return requests;
};

const readCap = (fields: Fields): VolumeCap => {
  const cap: VolumeCap = {
    channel: fields.text('channel', null),
    action: fields.text('action', null),
    max: fields.whole('max', [0, Number.MAX_SAFE_INTEGER]),
    per: fields.oneOf('per', ['hour', 'day', 'week']),
  };
  if (cap.channel === null && cap.action === null) fields.fault(null, 'a cap names a channel, an action or both');
  fields.refuseUnknown();
  return cap;
};

/** Null: the project has no such attribute. */
const attributeOf = (project: Project, name: string): Readonly<Record<string, unknown>> | null => {
  const features = project.document('features.yaml')?.value;
  const attributes = isRecord(features) ? features['attributes'] : undefined;
  const attribute = isRecord(attributes) ? attributes[name] : undefined;
  return isRecord(attribute) ? attribute : null;
};

/** Null: the project has no project.yaml, which compiling the catalog refuses where it matters. */
const channelsOfProject = (project: Project): Readonly<Record<string, readonly unknown[]>> | null => {
  const value = project.document('project.yaml')?.value;
  const channels = isRecord(value) ? value['channels'] : undefined;
  if (!isRecord(channels)) return null;
  return Object.fromEntries(
    Object.entries(channels).map(([name, channel]) => {
      const directions = isRecord(channel) ? channel['directions'] : undefined;
      return [name, Array.isArray(directions) ? (directions as unknown[]) : []];
    }),
  );
};
