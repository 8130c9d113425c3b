import { escapeXml, parseXml } from '../../opennebula/xml.ts';

/** Documents by `method id`: what oned answers while one recorded call runs. */
export type OneDocuments = ReadonlyMap<string, string>;

/** An oned that shows what it is told to show. Not the lab's: the recording's objects are not the lab's to keep. */
export function serveDocuments(documents: () => OneDocuments): { url: string; stop(): Promise<void> } {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => {
      const call = parseXml(await request.text(), 'methodCall', { what: 'XML-RPC call' });
      const method = call.value('methodName') ?? '';
      const id = call.all('params/param/value')[1]?.children[0]?.text ?? '';
      const found = documents().get(`${method} ${id}`) ?? documents().get(method);
      return new Response(answer(found, `[${method}] Error getting object [${id}].`));
    },
  });
  return { url: `http://127.0.0.1:${server.port}/RPC2`, stop: () => server.stop(true) };
}

function answer(document: string | undefined, error: string): string {
  const [success, text, code] = document === undefined ? [0, error, 0x400] : [1, document, 0];
  const values = `<value><boolean>${success}</boolean></value><value><string>${escapeXml(text)}</string></value><value><i4>${code}</i4></value>`;
  return `<methodResponse><params><param><value><array><data>${values}</data></array></value></param></params></methodResponse>`;
}
