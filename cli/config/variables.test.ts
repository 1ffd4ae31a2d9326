import { expect, test } from 'vitest';
import { describeVariables } from './variables.ts';

/** `npx vitest run --project unit cli/config --update` writes the page anew. */
test('the page of variables shows each with its default and its meaning', async () => {
  const rows = describeVariables().map(
    ({ name, fallback, meaning, secret }) =>
      `| \`${name}\`${secret ? ' *' : ''} | ${fallback === '' ? '' : `\`${fallback}\``} | ${meaning} |`,
  );
  const page = `# Configuration

Everything is set by environment variables. All faults are told at once, at the start, by name and never with a value; empty text counts as absent. The presence of \`KAFKA_BROKERS\`, \`REDIS_URL\` and \`CLICKHOUSE_URL\` chooses an engine, each by itself; without it the embedded one is used.

A variable marked * is a secret: \`NAME_FILE\` may name a file that holds it instead, as Docker and Kubernetes hand secrets over.

This page is written by the test of cli/config/variables.ts; do not edit.

| variable | default | meaning |
| --- | --- | --- |
${rows.join('\n')}
`;
  await expect(page).toMatchFileSnapshot('../../docs/configuration.md');
});
