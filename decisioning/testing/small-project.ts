/** A project of six actions for tests that must not change when an example does: receipts of it are kept as fixtures. */
import { createProject } from '#project';
import type { Project } from '#project';

const ids = ['one', 'two', 'three', 'four', 'five', 'six'];

/** @param exploration the section of policies.yaml, in YAML's flow style; empty: none */
export const createSmallProject = (exploration = ''): Project =>
  createProject(
    new Map([
      [
        'project.yaml',
        'name: small\nchannels:\n  app: { directions: [inbound] }\ngroups: { offer: { marketing: true } }\ntopics: [plan]\n',
      ],
      [
        'actions/a.yaml',
        `actions:\n${ids
          .map(
            (id, i) =>
              `  - { id: ${id}, name: ${id}, group: offer, topic: plan, value: ${10 + 3 * i}, treatments: [{ channel: app, content: { title: T } }] }\n`,
          )
          .join('')}`,
      ],
      ['policies.yaml', `none: { priority: 0.4 }\n${exploration === '' ? '' : `exploration: ${exploration}\n`}`],
    ]),
  );
