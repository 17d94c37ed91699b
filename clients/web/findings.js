/** The open part of a card: one item at a time, with its picture, what was found, and the ways to take it away. */

import { save } from './draw.js';
import { element, setText } from './element.js';
import { ApiError } from './errors.js';
import { framesOf, isTerminal } from './fold.js';
import { getJob } from './api.js';
import { PictureView } from './picture.js';
import { particulars } from './told.js';
import { thresholdSlider } from './threshold.js';
import { VideoView } from './video.js';
import { history } from './watcher.js';
import { detailOf, whyFailed, whyRefused } from './words.js';

const SURE_MS = 4000;

export class Findings {
  #index = 0;
  #view;
  #mount = element('div', { class: 'open-item' });
  #pager = element('div', { class: 'pager', hidden: true });
  #where = element('span', { class: 'where', role: 'status' });
  #failure = element('div', { class: 'failure', hidden: true });
  #tools = element('div', { class: 'tools' });
  #remove = element('button', { type: 'button', class: 'quiet', click: () => this.#removeIfSure() }, 'Remove');
  #removeSure = 0;
  #particulars = element('dl', { class: 'particulars' });
  #told = '';
  #slider;
  #framesAsked = false;

  /**
   * @param {import('./work.js').Work} work
   * @param {{now: () => number, usualThreshold: (job: any) => number}} page
   */
  constructor(work, page) {
    this.work = work;
    this.page = page;
    this.threshold = page.usualThreshold(work.job);
    const step = (by, text, label) => element('button', { type: 'button', 'aria-label': label, click: () => this.#turn(by) }, text);
    this.#pager.append(step(-1, '‹', 'Previous item'), this.#where, step(1, '›', 'Next item'));
    this.element = element('div', { class: 'findings-of' }, this.#pager, this.#mount);
    this.update();
  }

  get #item() {
    return this.work.job?.items?.[this.#index];
  }

  /** Show what is known by now. */
  update() {
    const { work } = this;
    const items = work.job?.items ?? [];
    this.#pager.hidden = items.length < 2;
    setText(this.#where, `${this.#index + 1} of ${items.length}: ${this.#item?.name ?? ''}`);
    if (this.#view && this.#isVideo() !== this.#view instanceof VideoView) this.#unmount();
    if (!this.#view) this.#mountView();
    this.#askForFrames();
    this.#view.update(work.job, this.#item, work.view?.frames.get(this.#index) ?? []);
    this.#view.filter(this.threshold);
    this.#slider.element.hidden = !(this.#item?.result || this.#item?.video);
    this.#slider.floor(work.job?.options?.score_threshold ?? this.threshold);
    this.#tools.hidden = !work.job;
    this.#remove.hidden = !work.ended;
    this.#tellFailure();
    this.#tellParticulars();
  }

  /** Let go of memory. */
  dispose() {
    this.#view?.dispose();
  }

  #isVideo() {
    return Boolean(this.#item?.video) || (!this.#item?.result && Boolean(this.work.file?.type.startsWith('video/')));
  }

  #turn(by) {
    const { length } = this.work.job.items;
    this.#index = (this.#index + by + length) % length;
    this.#unmount();
    this.update();
  }

  #unmount() {
    this.#view.dispose();
    this.#view = undefined;
  }

  #mountView() {
    const name = this.#item?.name || this.work.name;
    this.#view = new (this.#isVideo() ? VideoView : PictureView)(name, this.work.file, this.#index);
    this.#slider = thresholdSlider(this.threshold, (value) => {
      this.threshold = value;
      this.#view.filter(value);
      this.work.dispatchEvent(new Event('change'));
    });
    this.#tools.replaceChildren(...this.#view.actions(),
      element('button', { type: 'button', click: () => this.#saveJson() }, 'Save JSON'), this.#remove);
    const more = element('details', { class: 'more' }, element('summary', {}, 'Details'), this.#particulars);
    this.#mount.replaceChildren(this.#view.figure,
      element('div', { class: 'side' }, this.#failure, this.#slider.element, this.#view.side, this.#tools, more));
  }

  /** A job of the list comes without its frames: they are in its history. */
  async #askForFrames() {
    const { work } = this;
    if (this.#framesAsked || !this.#item?.video || !work.job || !isTerminal(work.job.state) || work.view.frames.size) return;
    this.#framesAsked = true;
    try {
      const frames = framesOf(await history(work.job.id));
      work.view = { ...work.view, frames };
      work.dispatchEvent(new Event('change'));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      work.notice = whyRefused(error);
    }
  }

  #tellFailure() {
    const { error, state } = this.#item ?? {};
    const failed = Boolean(error) && state !== 'STATE_SUCCEEDED';
    this.#failure.hidden = !failed;
    if (!failed) return;
    const key = detailOf(error) + state;
    if (this.#failure.dataset.key === key) return;
    this.#failure.dataset.key = key;
    this.#failure.replaceChildren(element('p', {}, whyFailed(error)), element('p', { class: 'fine' }, detailOf(error)));
  }

  #tellParticulars() {
    if (!this.work.job) return;
    const rows = particulars(this.work.job, this.#item, this.page.now());
    const key = JSON.stringify(rows);
    if (key === this.#told) return;
    this.#told = key;
    this.#particulars.replaceChildren(...rows.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
  }

  /** What is removed is gone, so the first press only asks. */
  #removeIfSure() {
    if (Date.now() < this.#removeSure) return this.work.remove();
    this.#removeSure = Date.now() + SURE_MS;
    setText(this.#remove, 'Really remove it?');
    setTimeout(() => setText(this.#remove, 'Remove'), SURE_MS);
    return undefined;
  }

  async #saveJson() {
    const { work } = this;
    try {
      const job = await getJob(work.job.id);
      const frames = Object.fromEntries(work.view.frames);
      const told = work.view.frames.size ? { ...job, frames } : job;
      save(new Blob([JSON.stringify(told, null, 2)], { type: 'application/json' }), `${work.name.replace(/\.[^.]*$/, '')}.myeye.json`);
    } catch (error) {
      work.notice = whyRefused(error);
      work.dispatchEvent(new Event('change'));
    }
  }
}
