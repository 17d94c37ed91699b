/** What went wrong with a call. Sentences for people are made in words.js. */

const UNAVAILABLE = 14;
const PASSING_STATUSES = [0, 429, 502, 503, 504];

export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 when there was no answer.
   * @param {{code?: number, message?: string, details?: any[]}} body google.rpc.Status
   */
  constructor(status, body) {
    super(body.message ?? '');
    this.status = status;
    this.code = body.code ?? 0;
    const info = findDetail(body, 'ErrorInfo');
    /** @type {string} */
    this.reason = info?.reason ?? (status === 0 ? 'UNREACHABLE' : '');
    /** @type {Record<string, string>} */
    this.metadata = info?.metadata ?? {};
    /** @type {{field: string, description: string}[]} */
    this.violations = findDetail(body, 'BadRequest')?.field_violations ?? [];
    this.retryAfterMs = 1000 * parseFloat(findDetail(body, 'RetryInfo')?.retry_delay ?? '0');
  }

  /** Whether the same call may work a little later. */
  get passing() {
    return PASSING_STATUSES.includes(this.status) || this.code === UNAVAILABLE;
  }

  /** Whether nobody is there to answer, as opposed to a refusal of this one call. */
  get away() {
    return this.passing && this.status !== 429;
  }
}

/** Nobody answered. */
export function unreachable() {
  return new ApiError(0, {});
}

/** Read an error's answer, whatever its body is. */
export function readError(status, text) {
  try {
    return new ApiError(status, JSON.parse(text));
  } catch {
    return new ApiError(status, { message: text.slice(0, 200) });
  }
}

/** Give the reason of a google.rpc.Status, as in `Item.error`; empty when it names none. */
export function reasonOf(status) {
  return findDetail(status, 'ErrorInfo')?.reason ?? '';
}

function findDetail(status, name) {
  return status?.details?.find((detail) => detail['@type']?.endsWith(`google.rpc.${name}`));
}
