/** A picture with what was found in it: boxes and rows of a table, linked, filtered by the threshold. */

import { fetchBlob, token } from './access.js';
import { annotatedUrl, inputUrl } from './api.js';
import { boxes, rectangle, shape, stage } from './boxes.js';
import { colourOf } from './colour.js';
import { annotated, save } from './draw.js';
import { element, setText } from './element.js';
import { percent, tally } from './words.js';

export class PictureView {
  #image = element('img', { alt: '', decoding: 'async', draggable: 'false' });
  #stage = stage({ width: 4, height: 3 }, this.#image);
  #note = element('p', { class: 'note', hidden: true });
  #rows = element('tbody');
  #table = element('table', { class: 'findings', hidden: true }, head(), this.#rows);
  #saveButton = element('button', { type: 'button', hidden: true, click: () => this.#save() }, 'Save picture with boxes');
  #empty = element('p', { class: 'empty', hidden: true });
  /** @type {{detection: any, box: HTMLElement, row: HTMLElement}[]} */
  #found = [];
  #url = '';
  #asked = '';
  #result;
  #drawn = false;

  /**
   * @param {string} name
   * @param {File|undefined} file where it was chosen on this page
   * @param {number} index of the item
   */
  constructor(name, file, index) {
    this.name = name;
    this.index = index;
    this.file = file;
    this.figure = element('figure', { class: 'figure' }, this.#stage, this.#note);
    this.side = element('div', {}, this.#table, this.#empty);
    this.#image.addEventListener('load', () => this.#shape());
    this.#image.addEventListener('error', () => this.#cannotShow());
    this.#image.alt = name;
  }

  /** Show what is known by now. */
  update(job, item) {
    this.#load(job, item);
    this.#stage.classList.toggle('looking', item?.state === 'STATE_RUNNING');
    if (!item?.result || item.result === this.#result) return;
    this.#result = item.result;
    this.#saveButton.hidden = this.#drawn === 'wanted';
    this.#shape();
    this.#show(item.result.detections ?? []);
  }

  /** Show only what has at least this score. */
  filter(threshold) {
    const shown = this.#found.filter(({ detection }) => detection.score >= threshold);
    for (const each of this.#found) each.row.hidden = each.box.hidden = !shown.includes(each);
    if (!this.#result) return;
    this.#image.alt = `${this.name}: ${tally(shown.map((each) => each.detection)) || 'nothing found'}`;
    this.#table.hidden = shown.length === 0;
    this.#empty.hidden = shown.length > 0;
    const less = this.#found.length ? ` ${this.#found.length} below it.` : '';
    setText(this.#empty, `Nothing with a score of ${percent(threshold)} or more.${less}`);
  }

  /** Give the ways to take it away. */
  actions() {
    return [this.#saveButton];
  }

  /** Let go of the file's memory. */
  dispose() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = this.#asked = '';
    this.#image.removeAttribute('src');
  }

  #load(job, item) {
    this.annotatedUrl = item?.result?.annotated && annotatedUrl(job.id, this.index);
    if (this.#image.getAttribute('src') || this.#drawn) {
      if (this.#drawn === 'wanted' && this.annotatedUrl) this.#cannotShow();
    } else if (this.file) {
      this.#url = URL.createObjectURL(this.file);
      this.#image.src = this.#url;
    } else if (job) {
      this.#source(inputUrl(job.id, this.index));
    }
  }

  /** Show what is at an address. An image cannot bring a token: then it is fetched before. */
  async #source(url) {
    if (!token()) {
      this.#image.src = url;
      return;
    }
    if (url === this.#asked) return;
    this.#asked = url;
    try {
      const blob = await fetchBlob(url);
      if (url !== this.#asked) return;
      if (this.#url) URL.revokeObjectURL(this.#url);
      this.#url = URL.createObjectURL(blob);
      this.#image.src = this.#url;
    } catch {
      this.#cannotShow();
    }
  }

  /** The browser does not know this kind of picture: show what the worker drew, as soon as there is something. */
  #cannotShow() {
    this.#note.hidden = false;
    const drawable = this.annotatedUrl && this.#drawn !== true;
    this.#image.hidden = !drawable;
    this.#stage.hidden = !drawable && !this.#result;
    if (drawable) {
      this.#drawn = true;
      this.#saveButton.hidden = false;
      this.#source(this.annotatedUrl);
      this.#stage.classList.add('drawn');
      setText(this.#note, 'Your browser cannot show this kind of picture. This is how the service drew it.');
    } else {
      this.#drawn ||= 'wanted';
      setText(this.#note, 'Your browser cannot show this picture.');
    }
  }

  #shape() {
    const { naturalWidth, naturalHeight } = this.#image;
    const size = this.#result ? { width: this.#result.width_px, height: this.#result.height_px } : { width: naturalWidth, height: naturalHeight };
    if (size.width && size.height) shape(this.#stage, size);
  }

  #show(detections) {
    const size = { width: this.#result.width_px, height: this.#result.height_px };
    for (const { box } of this.#found) box.remove();
    this.#found = boxes(detections, size).map((box, index) => ({ detection: detections[index], box, row: row(detections[index]) }));
    for (const each of this.#found) {
      for (const end of [each.box, each.row]) {
        end.addEventListener('pointerenter', () => this.#light(each));
        end.addEventListener('pointerleave', () => this.#light());
      }
      each.row.addEventListener('focusin', () => this.#light(each));
      each.row.addEventListener('focusout', () => this.#light());
      each.box.addEventListener('click', () => each.row.querySelector('button').focus());
    }
    this.#stage.append(...this.#found.map(({ box }) => box));
    this.#rows.replaceChildren(...this.#found.map((each) => each.row));
  }

  #light(chosen) {
    this.#stage.classList.toggle('pointed', Boolean(chosen));
    for (const each of this.#found) {
      each.box.classList.toggle('lit', each === chosen);
      each.row.classList.toggle('lit', each === chosen);
    }
  }

  async #save() {
    const shown = this.#drawn ? [] : this.#found.filter(({ box }) => !box.hidden);
    const name = `${this.name.replace(/\.[^.]*$/, '') || 'picture'}.detected.jpg`;
    try {
      await this.#image.decode();
      save(await annotated(this.#image, shown.map(({ detection }) => detection)), name);
    } catch (error) {
      this.#note.hidden = false;
      setText(this.#note, `It cannot be saved: ${error.message}.`);
    }
  }
}

function head() {
  const titles = ['Object', 'Score', 'Box in pixels'];
  return element('thead', {}, element('tr', {}, ...titles.map((title) => element('th', { scope: 'col' }, title))));
}

function row(detection) {
  const { x, y, width, height } = rectangle(detection);
  const swatch = element('span', { class: 'swatch' });
  swatch.style.background = colourOf(detection.category);
  const meter = element('span', { class: 'meter', 'aria-hidden': 'true' });
  meter.style.setProperty('--share', String(detection.score));
  return element('tr', {},
    element('td', {}, element('button', { type: 'button', class: 'plain', 'aria-label': `Point at ${detection.category}` }, swatch, detection.category)),
    element('td', { class: 'number' }, meter, percent(detection.score)),
    element('td', { class: 'number place' }, `${x}, ${y}, ${width} × ${height}`));
}
