/**
 * LINSTOR's return codes by its own names (the low 15 bits), as far as they mean something here. What one means depends on the call that it
 * answers: `FAIL_EXISTS_SNAPSHOT_DFN` is a name that is taken when a snapshot is made, and a snapshot that is in the way when its
 * resource is deleted (linstor-behaviour §2.3).
 */
export const codes = {
  /** Done, and no word for it. */
  MASK_SUCCESS: 0,
  CREATED: 1,
  FAIL_INVLD_VLM_SIZE: 206,
  FAIL_INVLD_STOR_DRIVER: 221,
  FAIL_INVLD_LAYER_KIND: 224,
  FAIL_INVLD_LAYER_STACK: 225,
  FAIL_INVLD_PROVIDER: 227,
  FAIL_INVLD_VLM_SIZES: 228,
  FAIL_INVLD_RSC_STATE: 243,
  FAIL_NOT_FOUND_NODE: 300,
  FAIL_NOT_FOUND_RSC_DFN: 301,
  FAIL_NOT_FOUND_STOR_POOL: 310,
  FAIL_NOT_FOUND_CRYPT_KEY: 312,
  FAIL_NOT_FOUND_KVS: 316,
  FAIL_NOT_FOUND_RSC_GRP: 317,
  FAIL_ACC_DENIED_COMMAND: 412,
  FAIL_EXISTS_RSC_DFN: 501,
  FAIL_EXISTS_RSC: 502,
  FAIL_EXISTS_VLM_DFN: 503,
  FAIL_EXISTS_SNAPSHOT_DFN: 514,
  FAIL_SNAPSHOT_ROLLBACK_IN_PROGRESS: 971,
  FAIL_SP_MIXING_NOT_ALLOWED: 972,
  FAIL_NOT_ALL_UPTODATE: 974,
  FAIL_EVACUATING: 975,
  FAIL_SNAPSHOT_NOT_UPTODATE: 979,
  FAIL_NOT_ENOUGH_FREE_SPACE: 980,
  FAIL_CRYPT_INIT: 982,
  FAIL_UNDECIDABLE_AUTOPLACMENT: 985,
  FAIL_STLT_DOES_NOT_SUPPORT_LAYER: 988,
  FAIL_STLT_DOES_NOT_SUPPORT_PROVIDER: 989,
  FAIL_SNAPSHOTS_NOT_SUPPORTED: 994,
  FAIL_NOT_CONNECTED: 995,
  FAIL_NOT_ENOUGH_NODES: 996,
  FAIL_IN_USE: 997,
  FAIL_UNKNOWN_ERROR: 998,
  WARN_NOT_CONNECTED: 1002,
  WARN_STLT_NOT_UPDATED: 1003,
  WARN_RSC_ALREADY_DEPLOYED: 1006,
  WARN_VLMDFN_RESIZE_SAME_SIZE: 1023,
  WARN_NOT_FOUND: 3000,
  FAIL_SIGN_IN: 10_000,
  FAIL_SIGN_IN_MISSING_CREDENTIALS: 10_001,
  INFO_NOOP: 10_007,
  INFO_RSC_ALREADY_EXISTS: 10_008,
  API_CALL_PARSE_ERROR: 32_765,
} as const;

export type LinstorCode = keyof typeof codes;

const numbers: Readonly<Record<string, number>> = codes;

/** Is it one of these? */
export const isOneOf = (code: number, wanted: readonly LinstorCode[]): boolean =>
  wanted.some((name) => numbers[name] === code);

/** `FAIL_IN_USE (997)`, for messages; a number that has no name here stays one. */
export function codeName(code: number): string {
  const name = Object.entries(codes).find(([, value]) => value === code)?.[0];
  return name === undefined ? String(code) : `${name} (${code})`;
}
