/** The import law of the house: who may import whom, and by which door. DESIGN's one-way rule, and docs/decisions/0001. */

/** Each folder and the folders that it may import; itself is always allowed. */
const LAW = {
  contracts: [],
  project: ['contracts'],
  'shared-lmdb': [],
  'event-log': ['contracts', 'project', 'shared-lmdb'],
  'feature-store': ['contracts', 'project', 'shared-lmdb'],
  warehouse: ['contracts', 'project'],
  models: ['contracts', 'project'],
  decisioning: ['contracts', 'project', 'models/exploration'],
  pipeline: ['contracts', 'project', 'shared-lmdb', 'event-log', 'feature-store', 'warehouse', 'models', 'decisioning'],
  channels: ['contracts', 'project'],
  serving: ['contracts', 'project', 'event-log', 'feature-store', 'warehouse', 'models', 'decisioning'],
  simulator: ['contracts'],
  cli: [
    'contracts',
    'project',
    'event-log',
    'feature-store',
    'warehouse',
    'models',
    'decisioning',
    'pipeline',
    'channels',
    'serving',
    'simulator',
  ],
};
const folders = Object.keys(LAW);
const TEST = '[.]test[.]ts$|/testing/|/fuzz/|/contract-suite|/test-';

const oneWay = folders.map((folder) => ({
  name: `${folder}-imports-only-what-it-may`,
  comment: `${folder} may import ${LAW[folder].join(', ') || 'nothing of ours'}`,
  severity: 'error',
  from: { path: `^${folder}/`, pathNot: TEST },
  to: {
    path: `^(${folders.join('|')}|bench|test)/`,
    pathNot: [folder, ...LAW[folder]].map((allowed) => `^${allowed}/`),
  },
}));

/** A folder is entered by its index.ts; `models/backfire`, `models/evaluation`, `models/exploration`, `models/registry` and `serving/tmf` have doors of their own. */
const doors = folders.map((folder) => ({
  name: `${folder}-is-entered-by-its-index`,
  severity: 'error',
  from: { path: '^[^/]+/', pathNot: `^${folder}/|${TEST}|^(test|bench|notebooks)/` },
  to: {
    path: `^${folder}/`,
    pathNot: [
      `^${folder}/index[.]ts$`,
      '^models/(backfire|evaluation|exploration|registry)/index[.]ts$',
      '^serving/tmf/index[.]ts$',
      '[.]json$',
    ],
  },
}));

export default {
  forbidden: [
    ...oneWay,
    ...doors,
    {
      name: 'no-cycles',
      severity: 'error',
      from: { pathNot: '/index[.]ts$' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'nothing-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(chdb|@tensorflow/tfjs-node|fastify/types/)' },
    },
    {
      name: 'no-dev-dependencies-in-the-product',
      severity: 'error',
      from: { path: `^(${folders.join('|')})/`, pathNot: TEST },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nothing-undeclared',
      severity: 'error',
      from: { path: `^(${folders.join('|')})/` },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'lmdb-is-opened-by-shared-lmdb',
      comment: 'an environment that was opened otherwise loses commits when other processes open it: docs/decisions/0031',
      severity: 'error',
      from: { pathNot: '^shared-lmdb/' },
      to: { path: '(^|/)node_modules/lmdb/|^lmdb$' },
    },
    { name: 'tests-are-not-imported', severity: 'error', from: {}, to: { path: '[.]test[.]ts$' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^data/|^notebooks/data/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mts', '.mjs', '.js', '.json', '.d.ts'],
    },
  },
};
