/** Whether the service answers. Everybody who calls it tells this, and waits here until the next try. */

import { ApiError } from './errors.js';

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/** How long to wait after so many failures in a row: doubling, and spread so that pages do not all come back at once. */
export function delayMs(failures, atLeastMs = 0) {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return Math.max(atLeastMs, most / 2 + Math.random() * (most / 2));
}

/** Fires "change" when the service goes away or comes back, and when a next try is planned. */
export class Link extends EventTarget {
  /** Who waits for the service, and when each tries again. @type {Map<() => void, number>} */
  #waiting = new Map();
  away = false;

  constructor() {
    super();
    addEventListener('online', () => this.tryNow());
  }

  /** When the next try is; undefined while one is under way. */
  get nextTry() {
    return this.#waiting.size ? Math.min(...this.#waiting.values()) : undefined;
  }

  /** Have all who wait try at once. */
  tryNow() {
    for (const wake of [...this.#waiting.keys()]) wake();
  }

  /** An answer came: the service is there. */
  answered() {
    if (!this.away) return;
    this.away = false;
    this.#changed();
    this.tryNow();
  }

  /** There was none: wait until the next try is due. */
  async wait(ms, signal) {
    this.away = true;
    await new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#waiting.delete(done);
        this.#changed();
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done);
      this.#waiting.set(done, Date.now() + ms);
      this.#changed();
    });
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }

  /**
   * Do something until it is answered. Who is refused is told so at once; who is not answered tries again.
   *
   * @template T
   * @param {() => Promise<T>} attempt must be safe to repeat
   * @param {{signal?: AbortSignal, onWait?: (error: ApiError, ms: number) => void}} [options]
   * @returns {Promise<T>}
   */
  async patiently(attempt, { signal, onWait } = {}) {
    for (let failures = 1; ; failures += 1) {
      try {
        const answer = await attempt();
        this.answered();
        return answer;
      } catch (error) {
        if (!(error instanceof ApiError) || signal?.aborted) throw error;
        if (!error.away) this.answered();
        if (!error.passing) throw error;
        const ms = delayMs(failures, error.retryAfterMs);
        onWait?.(error, ms);
        await (error.away ? this.wait(ms, signal) : pause(ms, signal));
        signal?.throwIfAborted();
      }
    }
  }
}

/** Wait, or until the signal. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal?.addEventListener('abort', resolve);
  });
}
