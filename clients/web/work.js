/** What one card is about: a file on its way, or a job. It knows how to go on, and tells when it has changed. */

import { cancelJob, deleteJob, randomId, retryJob } from './api.js';
import { apply, begin, isTerminal } from './fold.js';
import { send } from './upload.js';
import { whyRefused } from './words.js';

/**
 * @typedef {object} Services
 * @property {import('./link.js').Link} link
 * @property {import('./watcher.js').Watcher} watcher
 * @property {import('./turns.js').Turns} turns for sending
 * @property {(file: File, shown: boolean) => any} settingsFor
 */

/** Fires "change", and "retried" with the new job in `detail`. */
export class Work extends EventTarget {
  /** @type {'waiting'|'sending'|'refused'|'stopped'|'accepted'|'removed'} */
  phase = 'waiting';
  /** @type {import('./fold.js').View|undefined} */
  view;
  sentBytes = 0;
  /** What people should know, and did not ask for. */
  notice = '';
  /** Whether sending the file may help. */
  sendable = true;
  /** Whether an action of a person is under way. */
  busy = false;
  #services;
  #stop = new AbortController();
  #requestId = '';
  #cancelled = false;

  /** @param {Services} services */
  constructor(services, { file, job }) {
    super();
    this.#services = services;
    /** @type {File|undefined} */
    this.file = file;
    if (job) this.#accept(job);
  }

  get job() {
    return this.view?.job;
  }

  get name() {
    const names = (this.job?.items ?? []).map((item) => item.name || 'without a name');
    if (names.length > 1) return `${names[0]} and ${names.length - 1} more`;
    return names[0] ?? this.file?.name ?? 'Job';
  }

  get ended() {
    return this.phase === 'accepted' && isTerminal(this.job.state);
  }

  get underWay() {
    return this.phase === 'waiting' || this.phase === 'sending' || (this.phase === 'accepted' && !this.ended);
  }

  /** Do not send the file: it cannot be looked at. */
  refuse(why) {
    this.#change({ phase: 'refused', notice: why, sendable: false });
  }

  /**
   * Send the file until the service has it.
   *
   * @param {Promise<boolean>} shown whether the browser can show the picture
   */
  async send(shown) {
    this.#requestId = randomId();
    this.#stop = new AbortController();
    this.#cancelled = false;
    this.#change({ phase: 'waiting', sentBytes: 0, notice: '' });
    try {
      const job = await this.#services.turns.take(() => this.#sendNow(shown));
      this.#accept(job);
      if (this.#cancelled) await this.cancel();
    } catch (error) {
      if (this.#stop.signal.aborted) this.#change({ phase: 'stopped', notice: '' });
      else this.#change({ phase: 'refused', notice: whyRefused(error) });
    }
  }

  async #sendNow(shown) {
    const { signal } = this.#stop;
    const settings = this.#services.settingsFor(this.file, await shown);
    signal.throwIfAborted();
    this.#change({ phase: 'sending' });
    return send({
      file: this.file,
      requestId: this.#requestId,
      settings,
      signal,
      onProgress: (sentBytes) => this.#change({ sentBytes: Math.min(sentBytes, this.file.size), notice: '' }),
      patiently: (attempt) => this.#services.link.patiently(attempt, {
        signal,
        onWait: (error) => this.#change({ notice: `${whyRefused(error)} It will be sent again.` }),
      }),
    });
  }

  #accept(job) {
    this.view = begin(job);
    this.#change({ phase: 'accepted', notice: '' });
    // a job from the list has no items: its watch then begins with a snapshot
    if (!job.items || !isTerminal(job.state)) this.#services.watcher.follow(job.id, job.items ? this.view.cursor : undefined);
  }

  /** Take in a message of its watch. */
  take(update) {
    this.#change({ view: apply(this.view, update) });
  }

  /** It is not on the service any more. */
  forget() {
    this.#change({ phase: 'removed' });
  }

  /** Stop it, wherever it is. */
  async cancel() {
    if (this.phase === 'accepted') {
      await this.#act(async () => this.take({ snapshot: await cancelJob(this.job.id) }));
    } else if (this.sentBytes < this.file.size) {
      this.#stop.abort();
      this.#change({});
    } else {
      this.#cancelled = true; // it may have arrived: the answer tells what to cancel
      this.#change({ notice: 'It will be cancelled as soon as the service has confirmed it.' });
    }
  }

  /** Run again what did not succeed, as a job of its own. */
  async retry() {
    const requestId = randomId();
    await this.#act(async () => this.#fire('retried', await retryJob(this.job.id, requestId)));
  }

  /** Remove it from the service. */
  async remove() {
    if (this.phase !== 'accepted') return this.forget();
    const { watcher } = this.#services;
    return this.#act(async () => {
      await deleteJob(this.job.id);
      watcher.leave(this.job.id);
      this.forget();
    });
  }

  async #act(action) {
    this.#change({ busy: true, notice: '' });
    try {
      await this.#services.link.patiently(action);
      this.#change({ busy: false });
    } catch (error) {
      this.#change({ busy: false, notice: whyRefused(error) });
    }
  }

  #change(changes) {
    Object.assign(this, changes);
    this.#fire('change');
  }

  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
