/** What an Attune process needs of the machine that it runs on: Node, ports, files, packages, a valid catalog. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { compileCatalog } from '#decisioning';
import { compileFeatures } from '#feature-store';
import { compileRewards } from '#pipeline';
import { loadProject } from '#project';
import type { Config } from '../config.ts';
import { tellUnknown } from '../config/given-variables.ts';
import { refuseOpenDoor } from '../open-door.ts';
import { compileIngestProject } from '../sources.ts';
import { check, fault, note, ok } from './finding.ts';
import type { Finding } from './finding.ts';

export const checkMachine = async (config: Config): Promise<readonly Finding[]> => [
  ok(`Node ${process.versions.node} (${process.execPath})`),
  // Other programs have variables that begin with an engine's name; with ours, none.
  ...config.unknown.map((name) => (name.startsWith('ATTUNE_') ? fault : note)(tellUnknown(name))),
  await check(`API at ${config.host}:${config.port} with ${config.apiKeys === '' ? 'no keys' : 'keys'}`, () => void refuseOpenDoor(config)),
  await check(`data directory ${config.dataDir} can be written`, () => refuseUnwritable(nearestExisting(config.dataDir))),
  await check(`catalog ${config.catalogDir} is valid`, () => {
    const project = loadProject(config.catalogDir);
    compileIngestProject(project);
    compileFeatures(project);
    compileCatalog(project);
    compileRewards(project);
  }),
  checkIdKey(config),
  await checkPort(config.port),
  await checkPackage('@tensorflow/tfjs-node', 'training uses WebAssembly: slower, otherwise the same'),
];

const checkIdKey = ({ idKey, dataDir }: Config): Finding =>
  idKey === null
    ? note(`the key that hashes customer ids is kept in ${dataDir}/id-key: without that file every stored customer is a stranger`)
    : ok('the key that hashes customer ids is given; every process of this system must have the same');

export const checkPackage = async (name: string, otherwise: string): Promise<Finding> => {
  try {
    await import(name);
    return ok(`${name} loads`);
  } catch {
    return note(`${name} is not there: ${otherwise}`);
  }
};

export const checkPort = (port: number): Promise<Finding> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(note(`port ${port} is in use (by a running Attune, or choose another)`)));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(ok(`port ${port} is free`))));
  });

const refuseUnwritable = (path: string): void => {
  if (!statSync(path).isDirectory()) throw new Error(`${path} is no directory`);
  accessSync(path, constants.W_OK);
};

const nearestExisting = (path: string): string => (existsSync(path) ? path : nearestExisting(dirname(path)));
