/**
 * What must not stand in a log: passwords, tokens, session keys. Driver messages come in as base64 of a document that
 * holds the datastore's secrets, so long words are shown by their length alone.
 */

const longWord = 200;

const patterns: readonly [RegExp, string][] = [
  // http://user:password@host
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, '$1…@'],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi, '$1 …'],
  // <LS_TOKEN>…</LS_TOKEN>, also with CDATA
  [
    /<([A-Z0-9_]*(?:TOKEN|PASSW(?:OR)?D|PASS|PASSPHRASE|SECRET|AUTH)[A-Z0-9_]*)>[\s\S]*?<\/\1>/gi,
    '<$1>…</$1>',
  ],
  // password=…, "token": "…", LS_PASSWORD = "…"
  [
    /((?:["']?)[\w-]*(?:token|passw(?:or)?d|passphrase|secret)[\w-]*["']?\s*[=:]\s*)("(?:\\.|[^"\\])*"|'[^']*'|[^\s,;&"'}]+)/gi,
    '$1…',
  ],
];

/** Every pattern needs one of these; most texts have none, and one look is cheaper than five. */
const telling = /:\/\/|bearer|basic|token|pass|secret|auth/i;

export function redact(text: string, secrets: readonly string[] = []): string {
  const known = secrets
    .filter((secret) => secret.length >= 4)
    .reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
  if (!telling.test(known)) return known;
  return patterns.reduce((rest, [pattern, by]) => rest.replace(pattern, by), known);
}

/** One argument of an action. */
export function redactArgument(argument: string, secrets: readonly string[] = []): string {
  return argument.length > longWord ? `<${argument.length} characters>` : redact(argument, secrets);
}
