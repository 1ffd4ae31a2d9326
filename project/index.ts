/** Reads a decisioning project and compiles the parts that every folder shares: conditions and event types. */
export { ProjectError, formatFault, refuseFaults } from './faults.ts';
export type { Fault } from './faults.ts';
export type { DocumentPath, ProjectDocument } from './document.ts';
export { createProject } from './project.ts';
export type { Project } from './project.ts';
export { loadProject } from './load-project.ts';
export { packProject, unpackProject } from './pack.ts';
export { ConditionError, compileCondition, compileExpression, createExpressionParser, parseExpression } from './conditions/compile.ts';
export type { Condition, Expression, ParsedExpression, Scope } from './conditions/compile.ts';
export { compileEventTypes } from './event-types.ts';
export { personalNamesOf } from './personal-names.ts';
export { compileSources } from './sources/compile-sources.ts';
export type { Source, SourceFormat, SourceScope } from './sources/source.ts';
export { faultOfEvent, faultOfSource, faultOfTime } from './check-event.ts';
export type { EventFault } from './check-event.ts';
export type { EventField, EventFieldType, EventType, EventTypes } from './event-types.ts';
export { compileChannels } from './channels/compile-channels.ts';
export { NO_CHANNELS, confirmsDelivery } from './channels/channels.ts';
export type {
  AdapterKind,
  ChannelDefinition,
  Channels,
  ChannelSettings,
  FileSettings,
  HttpSettings,
  ReceiptSettings,
  SmppSettings,
  SmtpSettings,
  VolumeCap,
  WebhookSettings,
} from './channels/channels.ts';
