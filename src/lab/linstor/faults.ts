/**
 * Faults on demand. A rule matches calls and says what happens to them:
 *
 * ```json
 * {
 *   "method": "POST",              // optional, any method when absent
 *   "path": "^/v1/.*\/snapshots$", // optional, regular expression over the path (without the query)
 *   "nth": 2,                      // optional: only the 2nd matching call; every one when absent
 *   "times": 1,                    // optional: at most that often; without end when absent
 *   "fault": { … }
 * }
 * ```
 *
 * Call faults (what the client sees):
 * - `{"kind": "code", "code": 998, "message"?, "status"?}`  answer with this return code, change nothing
 * - `{"kind": "drop", "when": "before" | "after"}`          close the connection before or after executing
 * - `{"kind": "lose"}`                                      apply the call but lose the answer (drop after)
 * - `{"kind": "hang", "seconds": 5, "afterwards"?: "answer" | "drop"}`  wait, then go on
 * - `{"kind": "truncate"}`                                  execute and send half of the JSON
 * - `{"kind": "refuse"}`                                    503-free refusal: connection closed at once, as a
 *                                                          controller that is not the active one
 * - `{"kind": "redirect", "to": "https://host:3371"}`       302, as a controller with TLS switched on
 * - `{"kind": "unauthorised"}`                              401 with code 10001
 *
 * Cluster faults (state of the cluster when the rule matches; they stay until undone by `/lab/…`;
 * `POST /lab/strike` brings them about without a call):
 * - `{"kind": "node", "node": "alpha", "connection": "OFFLINE"}`
 * - `{"kind": "pool", "node": "alpha", "pool": "thin", "freeKib": 0}`   pool full (null: as it really is)
 * - `{"kind": "device-late", "node": "alpha", "seconds": 3}`           new device nodes appear later there
 * - `{"kind": "satellite", "node": "alpha", "message": "…"}`           the next work on that satellite fails
 * - `{"kind": "slow", "node": "alpha", "seconds": 2}`                  every pass and every question takes so long there (0: no more)
 * - `{"kind": "hang-node", "node": "alpha", "seconds"?: 9}`            that satellite answers nothing, as when its host has lost
 *                                                          power; after `seconds` the controller takes it for dead
 * - `{"kind": "starved", "node": "alpha"}`                         DRBD has lost its peers there, and with them quorum
 * - `{"kind": "dead", "node": "alpha", "seconds"?: 9}`             its host has lost power, as `hang-node`, and DRBD's peers know it
 * - `{"kind": "cut", "node": "alpha", "with"?: ["bravo"], "seconds"?: 9}`  the network between these and the rest is cut, the
 *                                                          controller being with the rest
 * - `{"kind": "resize-late", "seconds": 3}`                            the next resize goes on so long behind its answer
 */
export type Fault =
  | { kind: 'code'; code: number; message?: string; status?: number }
  | { kind: 'drop'; when: 'before' | 'after' }
  | { kind: 'lose' }
  | { kind: 'hang'; seconds: number; afterwards?: 'answer' | 'drop' }
  | { kind: 'truncate' }
  | { kind: 'refuse' }
  | { kind: 'redirect'; to: string }
  | { kind: 'unauthorised' }
  | { kind: 'node'; node: string; connection: string }
  | { kind: 'pool'; node: string; pool: string; freeKib: number | null }
  | { kind: 'device-late'; node: string; seconds: number }
  | { kind: 'satellite'; node: string; message: string }
  | { kind: 'slow'; node: string; seconds: number }
  | { kind: 'starved'; node: string }
  | { kind: 'hang-node'; node: string; seconds?: number }
  | { kind: 'dead'; node: string; seconds?: number }
  | { kind: 'cut'; node: string; with?: readonly string[]; seconds?: number }
  | { kind: 'resize-late'; seconds: number };

export interface FaultRule {
  method?: string;
  path?: string;
  nth?: number;
  times?: number;
  fault: Fault;
}

interface Armed {
  readonly rule: FaultRule;
  seen: number;
  fired: number;
}

/** The rules in force, with their counters. */
export class FaultBox {
  private armed: Armed[] = [];
  /** Node → seconds its new device nodes are late. */
  readonly lateDevices = new Map<string, number>();
  /** Node → what its satellite fails with next. */
  readonly satelliteErrors = new Map<string, string>();
  /** Seconds that the next resizes take, one for each. */
  readonly lateResizes: number[] = [];

  set(rules: readonly FaultRule[]): void {
    this.armed = rules.map((rule) => ({ rule, seen: 0, fired: 0 }));
  }

  list(): { rule: FaultRule; seen: number; fired: number }[] {
    return this.armed.map((item) => ({ ...item }));
  }

  clear(): void {
    this.armed = [];
    this.lateDevices.clear();
    this.satelliteErrors.clear();
    this.lateResizes.length = 0;
  }

  /** Counts the call and returns the faults that strike it. */
  strike(method: string, path: string): Fault[] {
    const struck: Fault[] = [];
    for (const item of this.armed) {
      const { rule } = item;
      if (rule.method && rule.method.toUpperCase() !== method) continue;
      if (rule.path && !new RegExp(rule.path).test(path)) continue;
      item.seen += 1;
      if (rule.nth !== undefined && item.seen !== rule.nth) continue;
      if (rule.times !== undefined && item.fired >= rule.times) continue;
      item.fired += 1;
      struck.push(rule.fault);
    }
    return struck;
  }
}
