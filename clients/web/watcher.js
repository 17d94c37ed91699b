/**
 * All jobs that have not ended, watched over one stream: a browser has six connections to a host, and cards are many.
 *
 * For each job there is a cursor, the number of the last event that was told. Whatever ends the stream, the next one goes on
 * behind it, so nothing is missed and nothing is told twice.
 */

import { refusal, tokenGiven, withToken } from './access.js';
import { ApiError } from './errors.js';
import { isTerminal } from './fold.js';
import { delayMs } from './link.js';
import { messages } from './ndjson.js';

const SILENCE_MS = 40_000; // the gateway's heartbeat comes every 15 s
const GATHER_MS = 40; // jobs that are followed together begin together

export class Watcher {
  /** The job and its cursor; undefined: begin with a snapshot. @type {Map<string, number|undefined>} */
  #cursors = new Map();
  /** @type {AbortController|undefined} */
  #stream;
  /** Those of the stream that have not ended. @type {Set<string>} */
  #watched = new Set();
  #running = false;
  #held = false;
  #link;
  #onUpdate;
  #onGone;
  /** Most jobs of one stream; the others wait until half of them have ended. */
  targetsLimit = 100;

  /**
   * @param {import('./link.js').Link} link
   * @param {(jobId: string, update: any) => void} onUpdate told of every message of WatchMany that is about a job
   * @param {(jobId: string) => void} onGone told of a job that there is not any more
   */
  constructor(link, onUpdate, onGone) {
    this.#link = link;
    this.#onUpdate = onUpdate;
    this.#onGone = onGone;
  }

  /** Tell of this job, from a cursor on, until it has ended. */
  follow(jobId, cursor) {
    this.#cursors.set(jobId, cursor);
    if (this.#watched.size < this.targetsLimit) this.#again();
  }

  /** Tell of this job no more. */
  leave(jobId) {
    if (this.#cursors.delete(jobId)) this.#again();
  }

  /** Let go of the connection, as while nobody looks, or take it up again. */
  hold(held) {
    if (held === this.#held) return;
    this.#held = held;
    this.#again();
  }

  #again() {
    this.#stream?.abort();
    if (!this.#running) this.#run();
  }

  async #run() {
    this.#running = true;
    for (let failures = 0; this.#cursors.size && !this.#held; ) {
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      const stream = (this.#stream = new AbortController());
      try {
        await this.#watch(stream, () => {
          failures = 0;
          this.#link.answered();
        });
      } catch (error) {
        if (stream.signal.aborted || this.#resolve(error)) continue;
        if (error.status === 401) {
          await tokenGiven(stream.signal);
          continue;
        }
        failures += 1;
        // what was a good stream a moment ago is tried once at once: a gateway that stops hands over to another
        if (failures > 1) await this.#link.wait(delayMs(failures - 1, error.retryAfterMs), stream.signal);
      }
    }
    this.#stream = undefined;
    this.#watched.clear();
    this.#running = false;
  }

  /** Watch until the stream ends. `onMessage` is called for each message. */
  async #watch(stream, onMessage) {
    const targets = [...this.#cursors].slice(0, this.targetsLimit).map(([job_id, cursor]) =>
      cursor === undefined ? { job_id } : { job_id, after_sequence: String(cursor) });
    this.#watched = new Set(targets.map(({ job_id }) => job_id));
    const answer = await fetch('/v1/jobs:watch', {
      method: 'POST', body: JSON.stringify({ targets }), headers: withToken(), signal: stream.signal,
    });
    if (!answer.ok) throw refusal(answer.status, await answer.text());
    for await (const message of messages(answer, SILENCE_MS)) {
      if (stream.signal.aborted) return;
      onMessage();
      if (message.job_id) this.#take(message.job_id, message);
    }
    if (targets.some(({ job_id }) => this.#cursors.has(job_id))) throw new ApiError(0, { message: 'the stream was cut' });
  }

  #take(jobId, update) {
    if (!this.#cursors.has(jobId)) return;
    const ended = update.event?.job_finished || (update.snapshot && isTerminal(update.snapshot.state));
    if (ended) this.#ended(jobId);
    else if (update.event) this.#cursors.set(jobId, Number(update.event.sequence));
    else if (update.snapshot) this.#cursors.set(jobId, Number(update.snapshot.last_sequence));
    this.#onUpdate(jobId, update);
  }

  #ended(jobId) {
    this.#cursors.delete(jobId);
    this.#watched.delete(jobId);
    const waiting = this.#cursors.size - this.#watched.size;
    if (waiting > 0 && this.#watched.size === this.targetsLimit >> 1) this.#again();
  }

  /** Change what is asked for, if that was what was wrong. */
  #resolve(error) {
    if (!(error instanceof ApiError)) return false;
    const { job_id: behind = '', job_ids: gone = '' } = error.metadata;
    if (error.reason === 'CURSOR_OUT_OF_RANGE' && this.#cursors.has(behind)) {
      this.#cursors.set(behind, undefined);
      return true;
    }
    const known = gone.split(',').filter((id) => this.#cursors.delete(id));
    known.forEach(this.#onGone);
    return known.length > 0;
  }
}

/**
 * Give all events of a job that has ended.
 *
 * @throws {ApiError} it is not there, or the stream was cut.
 */
export async function history(jobId) {
  const answer = await fetch(`/v1/jobs/${jobId}:watch?after_sequence=0`, { headers: withToken() });
  if (!answer.ok) throw refusal(answer.status, await answer.text());
  const events = [];
  for await (const message of messages(answer, SILENCE_MS)) if (message.event) events.push(message.event);
  if (!events.at(-1)?.job_finished) throw new ApiError(0, { message: 'the stream was cut' });
  return events;
}
