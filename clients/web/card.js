/** A work on the page: a line that is always there, and below it, on demand, all that was found. */

import { annotatedUrl, inputUrl } from './api.js';
import { boxes, stage } from './boxes.js';
import { element, setChildren, setText } from './element.js';
import { Findings } from './findings.js';
import { speak } from './speech.js';
import { tell } from './told.js';

let made = 0; // ids must differ on the page

export class Card {
  #id = `card-${(made += 1)}`;
  #thumb = element('span', { class: 'thumb', 'aria-hidden': 'true' });
  #title = element('span', { class: 'title', id: `${this.#id}-title` });
  #badge = element('span', { class: 'badge' });
  #line = element('span', { class: 'line-text' });
  #bar = element('progress', { max: 1, 'aria-labelledby': `${this.#id}-title`, hidden: true });
  #notice = element('p', { class: 'notice', role: 'alert', hidden: true });
  #toggle = element('button', { type: 'button', class: 'toggle', 'aria-expanded': 'false', 'aria-controls': `${this.#id}-body`,
    click: () => this.open(!this.opened) });
  #body = element('div', { class: 'body', id: `${this.#id}-body`, hidden: true });
  #buttons = {
    cancel: this.#button('Cancel', () => this.work.cancel()),
    retry: this.#button('Run again', () => this.work.retry()),
    resend: this.#button('Send again', () => this.work.send(this.shown)),
    dismiss: this.#button('Dismiss', () => this.work.remove()),
  };
  #actions = element('div', { class: 'actions' });
  #drawing = false;
  #spoken;
  /** @type {Findings|undefined} */
  #findings;
  #thumbnail;

  /**
   * @param {import('./work.js').Work} work
   * @param {{now: () => number, usualThreshold: (job: any) => number, onOpen: (work: any, open: boolean) => void}} page
   */
  constructor(work, page) {
    this.work = work;
    this.page = page;
    /** @type {Promise<boolean>} whether this browser can show the file; resolved by who made its thumbnail */
    this.shown = Promise.resolve(true);
    this.opened = false;
    this.#spoken = work.phase === 'accepted' && work.ended; // old news
    this.#toggle.append(this.#thumb, element('span', { class: 'what' }, this.#title,
      element('span', { class: 'told' }, this.#badge, this.#line)), element('span', { class: 'chevron', 'aria-hidden': 'true' }));
    this.element = element('li', { class: 'card', 'aria-labelledby': `${this.#id}-title` },
      element('div', { class: 'head' }, this.#toggle, this.#actions, this.#bar), this.#notice, this.#body);
    work.addEventListener('change', () => this.draw());
    this.#render();
  }

  /** Show or hide all that was found. */
  open(opened) {
    if (opened === this.opened) return;
    this.opened = opened;
    this.#toggle.setAttribute('aria-expanded', String(opened));
    this.#body.hidden = !opened;
    this.element.classList.toggle('open', opened);
    if (opened) {
      this.#findings = new Findings(this.work, this.page);
      this.#body.replaceChildren(this.#findings.element);
    } else {
      this.#findings.dispose();
      this.#findings = undefined;
      this.#body.replaceChildren();
    }
    this.page.onOpen(this.work, opened);
    this.#render();
  }

  /** Give it a small picture of the file. */
  setThumbnail(canvas) {
    this.#thumbnail = canvas;
    this.draw();
  }

  /** Draw it soon: however much is told at once, once for what the eye can see. */
  draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    const go = () => {
      this.#drawing = false;
      this.#render();
    };
    if (document.hidden) setTimeout(go, 200);
    else requestAnimationFrame(go);
  }

  #render() {
    const { work } = this;
    const threshold = this.#findings?.threshold ?? this.page.usualThreshold(work.job);
    const told = tell(work, this.page.now(), threshold);
    setText(this.#title, work.name);
    setText(this.#badge, told.state);
    setText(this.#line, told.line);
    this.element.dataset.tone = told.tone;
    this.element.dataset.state = told.state;
    if (work.job) this.element.dataset.job = work.job.id;
    this.#renderProgress(told.progress);
    setText(this.#notice, work.notice);
    this.#notice.hidden = !work.notice || work.notice === told.line;
    this.#renderActions();
    this.#renderThumb(threshold);
    this.#findings?.update();
    this.#speak(told);
  }

  #renderProgress(progress) {
    this.#bar.hidden = progress === null;
    if (typeof progress === 'number') this.#bar.value = progress;
    else this.#bar.removeAttribute('value');
  }

  #renderActions() {
    const { work } = this;
    const { cancel, retry, resend, dismiss } = this.#buttons;
    const shown = [];
    if (work.underWay) shown.push(cancel);
    if (work.sendable && (work.phase === 'refused' || work.phase === 'stopped')) shown.push(resend);
    if (work.ended && work.job.state !== 'STATE_SUCCEEDED') shown.push(retry);
    if (!work.underWay && work.phase !== 'accepted') shown.push(dismiss);
    for (const button of shown) button.disabled = work.busy;
    const focused = this.#actions.contains(document.activeElement);
    setChildren(this.#actions, shown);
    if (focused && !this.#actions.contains(document.activeElement)) this.#toggle.focus(); // its button is gone
  }

  #renderThumb(threshold) {
    const items = this.work.job?.items ?? [];
    const [item] = items;
    const result = item?.result;
    const key = `${this.work.job?.id} ${Boolean(result)} ${Boolean(this.#thumbnail)} ${threshold} ${items.length}`;
    if (this.#thumb.dataset.key === key) return;
    this.#thumb.dataset.key = key;
    const media = this.#thumbnail ?? this.#thumb.querySelector('img') ?? this.#remoteThumb(result);
    if (!media) return;
    const size = result ? { width: result.width_px, height: result.height_px } : { width: media.width || 4, height: media.height || 3 };
    const found = (result?.detections ?? []).filter(({ score }) => score >= threshold);
    this.#thumb.replaceChildren(stage(size, media, ...boxes(found, size, { labels: false })));
    this.#thumb.dataset.items = items.length > 1 ? String(items.length) : '';
  }

  #remoteThumb(result) {
    if (!result || (this.work.file && !result.annotated)) return undefined;
    const { id } = this.work.job;
    const image = element('img', { alt: '', loading: 'lazy', decoding: 'async', src: inputUrl(id, 0) });
    const drawn = () => {
      image.addEventListener('error', () => image.remove(), { once: true });
      if (result.annotated) image.src = annotatedUrl(id, 0);
      else image.remove();
    };
    image.addEventListener('error', drawn, { once: true });
    return image;
  }

  #button(text, action) {
    return element('button', { type: 'button', 'aria-describedby': `${this.#id}-title`, click: action }, text);
  }

  #speak({ state, line }) {
    const over = this.work.ended || this.work.phase === 'refused';
    if (over && !this.#spoken) speak(`${this.work.name}: ${state}. ${line}`);
    this.#spoken = over;
  }
}
