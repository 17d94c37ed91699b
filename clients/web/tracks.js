import { colourOf } from './colour.js';
import { element, setText } from './element.js';
import { clock, percent } from './words.js';

const MOST_SPANS = 60; // of one track; more could not be told apart

/** For each category a line of when it was seen; pressing a span goes there. */
export class Tracks {
  #list = element('ul', { class: 'tracks' });
  #empty = element('p', { class: 'empty' }, 'Nothing yet.');
  #end = 1;

  /** @param {(time: number) => void} onSeek */
  constructor(onSeek) {
    this.onSeek = onSeek;
    this.element = element('div', { class: 'timeline' }, this.#empty, this.#list);
  }

  /** Show tracks of a video that lasts `end` seconds. */
  show(tracks, end) {
    this.#end = end;
    this.#empty.hidden = tracks.length > 0;
    setText(this.#empty, 'Nothing found so far with this score.');
    this.#list.replaceChildren(...tracks.map((track) => this.#track(track)));
  }

  /** Show where the video is. */
  pointAt(time) {
    this.element.style.setProperty('--now', String(Math.min(1, time / this.#end)));
  }

  #track({ category, score, spans }) {
    const swatch = element('span', { class: 'swatch' });
    swatch.style.background = colourOf(category);
    const line = element('span', { class: 'line' }, ...spans.slice(0, MOST_SPANS).map((span) => this.#span(category, span)));
    return element('li', {}, element('span', { class: 'what' }, swatch, category), line, element('span', { class: 'number' }, percent(score)));
  }

  #span(category, { from, to }) {
    const said = `${category} from ${clock(from)} to ${clock(Math.min(to, this.#end))}`;
    const made = element('button', { type: 'button', class: 'span', title: said, 'aria-label': said, click: () => this.onSeek(from) });
    made.style.left = `${(100 * from) / this.#end}%`;
    made.style.width = `${(100 * (Math.min(to, this.#end) - from)) / this.#end}%`;
    made.style.background = colourOf(category);
    return made;
  }
}
