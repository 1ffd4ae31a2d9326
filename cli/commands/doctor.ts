/** `attune doctor`: checks what the system stands on, and says what to do about each fault. */
import { accessSync, constants, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { compileCatalog } from '#decisioning';
import { compileFeatures } from '#feature-store';
import { compileRewards } from '#pipeline';
import { compileEventTypes, loadProject } from '#project';
import type { Config } from '../config.ts';
import { EXIT } from '../exit-codes.ts';
import { refuseOpenDoor } from '../open-door.ts';
import { refuseUnsupportedEngines } from '../open-stores.ts';

interface Finding {
  readonly state: 'ok' | 'note' | 'fault';
  readonly text: string;
}

export const doctor = async (config: Config): Promise<void> => {
  const findings = [
    { state: 'ok', text: `Node ${process.versions.node} (${process.execPath})` } as const,
    ...config.unknown.map((name): Finding => ({
      state: 'fault',
      text: `${name} is set and means nothing; attune --help lists the variables`,
    })),
    check('engines: the configuration chooses what this version has', () => refuseUnsupportedEngines(config)),
    check(`API at ${config.host}:${config.port} with ${config.apiKeys === '' ? 'no keys' : 'keys'}`, () => void refuseOpenDoor(config)),
    check(`data directory ${config.dataDir} can be written`, () => accessSync(nearestExisting(config.dataDir), constants.W_OK)),
    check(`catalog ${config.catalogDir} is valid`, () => {
      const project = loadProject(config.catalogDir);
      compileEventTypes(project);
      compileFeatures(project);
      compileCatalog(project);
      compileRewards(project);
    }),
    await checkPort(config.port),
    ...(config.clickhouse.url === null
      ? [
          await checkPackage(
            'chdb',
            'the embedded warehouse does not run: point CLICKHOUSE_URL at a ClickHouse server; until then the log keeps the rows',
          ),
          await checkPort(config.warehousePort),
        ]
      : []),
    await checkPackage('@tensorflow/tfjs-node', 'training uses WebAssembly: slower, otherwise the same'),
  ];
  for (const { state, text } of findings) console.log(`${{ ok: '✓', note: '–', fault: '✗' }[state]} ${text}`);
  process.exitCode = findings.some(({ state }) => state === 'fault') ? EXIT.failed : EXIT.ok;
};

const check = (text: string, work: () => void): Finding => {
  try {
    work();
    return { state: 'ok', text };
  } catch (error) {
    return { state: 'fault', text: `${text}: ${(error as Error).message}` };
  }
};

const checkPackage = async (name: string, otherwise: string): Promise<Finding> => {
  try {
    await import(name);
    return { state: 'ok', text: `${name} loads` };
  } catch {
    return { state: 'note', text: `${name} is not there: ${otherwise}` };
  }
};

const checkPort = (port: number): Promise<Finding> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve({ state: 'note', text: `port ${port} is in use (by a running Attune, or choose another)` }));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve({ state: 'ok', text: `port ${port} is free` })));
  });

const nearestExisting = (path: string): string => (existsSync(path) ? path : nearestExisting(dirname(path)));
