/** Changes in the scheduler's message as text: everything that is not meant stays byte by byte (contract §7.8). */

/** Locality of VMs on hosts: percent of the data by host id. */
export type Shares = ReadonlyMap<number, number>;

export interface Wish {
  readonly vm: number;
  readonly shares: Shares;
  /** Hosts without all of the data are no choice at all. */
  readonly strict: boolean;
}

/** Heavier than any rank of rank.conf, and within its 32 bits with it. */
const weight = 10_000_000;
const attributeOf = (vm: number): string => `LINSTOR_UN_LOCAL_${vm}`;

/** What users write stands in CDATA: hidden, it cannot be taken for an element. */
class Hidden {
  readonly #kept: string[] = [];
  hide(xml: string): string {
    return xml.replaceAll(/<!\[CDATA\[[\s\S]*?\]\]>/g, (text) => `\u0001${this.#kept.push(text) - 1}\u0002`);
  }
  show(xml: string): string {
    return xml.replaceAll(/\u0001(\d+)\u0002/g, (_, index: string) => this.#kept[Number(index)] ?? '');
  }
}

/** The first element of that name, with what `change` makes of its content. */
function within(xml: string, name: string, change: (content: string) => string): string {
  const pattern = new RegExp(`<${name}/>|<${name}>([\\s\\S]*?)</${name}>`);
  return xml.replace(
    pattern,
    (_, content: string | undefined) => `<${name}>${change(content ?? '')}</${name}>`,
  );
}

function eachOf(xml: string, name: string, change: (content: string, id: number) => string): string {
  const pattern = new RegExp(`(<${name}>)([\\s\\S]*?)(</${name}>)`, 'g');
  return xml.replace(pattern, (_, open: string, content: string, close: string) => {
    const id = Number(/<ID>(\d+)<\/ID>/.exec(content)?.[1] ?? Number.NaN);
    return open + change(content, id) + close;
  });
}

/**
 * The message with what the next scheduler needs to know: hosts tell how much of a VM's data they hold, and the VM's rank counts that
 * first, then what it was before. Throws for a message that is not as expected.
 */
export function withWishes(xml: string, wishes: readonly Wish[], defaultRank: string): string {
  if (wishes.length === 0) return xml;
  if (/[\u0001\u0002]/.test(xml)) throw new Error('the message holds control characters');
  const hidden = new Hidden();
  const wishOf = (id: number): Wish | undefined => wishes.find(({ vm }) => vm === id);
  let changed = 0;
  let text = within(hidden.hide(xml), 'VM_POOL', (pool) =>
    eachOf(pool, 'VM', (vm, id) => {
      const wish = wishOf(id);
      if (!wish) return vm;
      changed += 1;
      return within(vm, 'USER_TEMPLATE', (template) => {
        const given = /<(SCHED_RANK|RANK)>([\s\S]*?)<\/\1>/.exec(template);
        const before = given?.[2] === undefined ? '' : unwrapped(hidden.show(given[2]));
        const rest = template.replaceAll(/<SCHED_RANK>[\s\S]*?<\/SCHED_RANK>/g, '');
        const rank = `${weight} * ${attributeOf(id)}${(before || defaultRank) === '' ? '' : ` + (${before || defaultRank})`}`;
        return `${rest}<SCHED_RANK><![CDATA[${rank}]]></SCHED_RANK>`;
      });
    }),
  );
  if (changed !== wishes.length)
    throw new Error(`${changed} of ${wishes.length} VMs were found in the message`);
  text = within(text, 'HOST_POOL', (pool) =>
    eachOf(pool, 'HOST', (host, id) =>
      within(host, 'TEMPLATE', (template) => {
        const told = wishes.map(
          ({ vm, shares }) => `<${attributeOf(vm)}>${shares.get(id) ?? 0}</${attributeOf(vm)}>`,
        );
        return template + told.join('');
      }),
    ),
  );
  text = within(text, 'REQUIREMENTS', (all) =>
    eachOf(all, 'VM', (vm, id) => {
      const wish = wishOf(id);
      if (!wish?.strict) return vm;
      return within(vm, 'HOSTS', (hosts) =>
        hosts.replaceAll(/<ID>(\d+)<\/ID>/g, (element, host: string) =>
          (wish.shares.get(Number(host)) ?? 0) >= 100 ? element : '',
        ),
      );
    }),
  );
  return hidden.show(text);
}

/** A rank as a user wrote it. */
function unwrapped(text: string): string {
  const inner = /^\s*<!\[CDATA\[([\s\S]*)\]\]>\s*$/.exec(text)?.[1] ?? text;
  return inner.replaceAll(']]>', '').trim();
}

/** What rank.conf ranks hosts by where a VM has no rank of its own (contract §7.8). */
export function defaultRankOf(rankConf: string): string {
  const text = rankConf.replaceAll(/^[ \t]*#.*$/gm, '');
  const section = /\bDEFAULT_SCHED\s*=\s*\[([^\]]*)\]/.exec(text)?.[1] ?? '';
  const policy = /\bPOLICY\s*=\s*"?(\d)/.exec(section)?.[1];
  switch (policy) {
    case '0':
      return 'RUNNING_VMS';
    case '1':
      return '- RUNNING_VMS';
    case '2':
      return 'FREE_CPU';
    case '3':
      return /\bRANK\s*=\s*"([^"]*)"/.exec(section)?.[1]?.trim() ?? '';
    case '4':
      return 'PRIORITY';
    default:
      return '';
  }
}
