/** One TM Forum API below its base path: its error shape, media types and bodies, apart from the native API's. */
import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../metrics/metrics.ts';
import { installTmfErrors } from './errors.ts';

/** @param addRoutes with paths below `base` */
export const addTmfApi = (
  app: FastifyInstance,
  base: string,
  metrics: Pick<Metrics, 'refused'>,
  addRoutes: (app: FastifyInstance) => void,
): void => {
  app.register(
    async (api) => {
      installTmfErrors(api, (status) => metrics.refused(status));
      const parse = api.getDefaultJsonParser('error', 'error');
      api.addContentTypeParser('application/merge-patch+json', { parseAs: 'string' }, (request, body, done) => {
        if (body.length === 0) done(null, undefined);
        else void parse(request, body as string, done);
      });
      // The schemas are for the OpenAPI document. TM Forum's own samples break them: what is needed is checked by the face, and answers are sent whole.
      api.setValidatorCompiler(() => () => true);
      api.setSerializerCompiler(() => (data) => JSON.stringify(data));
      addRoutes(api);
    },
    { prefix: base },
  );
};
