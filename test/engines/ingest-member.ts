/** A process that runs the role ingest on Kafka, for tests that kill it: `node ingest-member.ts <brokers> <prefix> <topic>`. */
import { createCustomerKey } from '../../contracts/index.ts';
import { openKafkaLog, openKafkaSourceLog } from '../../event-log/index.ts';
import { createIngestRole, SILENT } from '../../pipeline/index.ts';
import { compileEventTypes, compileSources, createProject, loadProject } from '../../project/index.ts';

const [brokersText, topicPrefix, topic] = process.argv.slice(2) as [string, string, string];
const connection = { brokers: brokersText.split(',') };
const { files } = loadProject(new URL('../../catalog/telco', import.meta.url).pathname);
const sourcesYaml = `sources:
  usage:
    topic: ${topic}
    event: { type: usage.recorded, subject: value.customer, data: { dataMb: value.mb } }
`;
const project = createProject(new Map([...files, ['sources.yaml', sourcesYaml]]));
const eventTypes = compileEventTypes(project);

const role = createIngestRole({
  log: await openKafkaLog({ connection, topicPrefix }),
  project: { eventTypes, sources: compileSources(project, eventTypes) },
  openSourceLog: () => openKafkaSourceLog({ connection, groupPrefix: topicPrefix, sessionTimeoutMs: 3_000, heartbeatMs: 300 }),
  registry: null,
  customerKey: createCustomerKey('test'),
  clock: Date.now,
  logger: SILENT,
  maxRecords: 50,
});
await role.start();
process.send?.('started');
