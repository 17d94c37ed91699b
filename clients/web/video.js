/** A video with the boxes of the frame that is seen, and for each category a track of when it was seen. */

import { fetchBlob, token } from './access.js';
import { annotatedUrl, inputUrl } from './api.js';
import { boxes, shape, stage } from './boxes.js';
import { save } from './draw.js';
import { element, setText } from './element.js';
import { frameAt, spacing, tracks } from './frames.js';
import { Tracks } from './tracks.js';
import { seconds, whyRefused } from './words.js';

export class VideoView {
  #video = element('video', { controls: true, controlslist: 'nofullscreen', playsinline: true, muted: true, loop: true, preload: 'auto' });
  #stage = stage({ width: 16, height: 9 }, this.#video);
  #note = element('p', { class: 'note', hidden: true });
  #tracks = new Tracks((time) => this.#seek(time));
  #download = element('a', { class: 'button', hidden: true, download: '', click: (event) => this.#save(event) }, 'Save video with boxes');
  #frames = [];
  #gap = 1;
  #threshold = 0;
  #size = { width: 16, height: 9 };
  #url = '';
  #asked = false;
  #drawn = false;
  #shownFrame;

  /**
   * @param {string} name
   * @param {File|undefined} file where it was chosen on this page
   * @param {number} index of the item
   */
  constructor(name, file, index) {
    this.index = index;
    this.file = file;
    this.figure = element('figure', { class: 'figure' }, this.#stage, this.#note);
    this.side = this.#tracks.element;
    this.#video.setAttribute('aria-label', name);
    this.#video.addEventListener('error', () => this.#cannotShow());
    for (const moment of ['loadeddata', 'seeked', 'timeupdate', 'play']) this.#video.addEventListener(moment, () => this.#draw());
    this.#follow();
  }

  /** Show what is known by now; `frames` in order of time. */
  update(job, item, frames) {
    this.job = job;
    this.video = item?.video;
    this.#load();
    if (this.video?.width_px) {
      this.#size = { width: this.video.width_px, height: this.video.height_px };
      shape(this.#stage, this.#size);
    }
    if (this.video?.annotated) {
      this.#download.href = annotatedUrl(job.id, this.index);
      this.#download.hidden = false;
    }
    if (frames.length === this.#frames.length) return;
    this.#frames = frames;
    this.#gap = spacing(frames);
    this.#list();
  }

  filter(threshold) {
    this.#threshold = threshold;
    this.#list();
  }

  actions() {
    return [this.#download];
  }

  dispose() {
    this.#video.removeAttribute('src');
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = '';
  }

  #list() {
    const end = Math.max(seconds(this.video?.duration), this.#frames.length ? seconds(this.#frames.at(-1).time) : 0, this.#gap);
    this.#tracks.show(tracks(this.#frames, this.#threshold, this.#gap), end);
    this.#shownFrame = undefined;
    this.#draw();
  }

  async #load() {
    if (this.#asked) return;
    if (this.file) this.#play(this.file);
    else if (this.job) {
      this.#asked = true;
      await this.#fetch(inputUrl(this.job.id, this.index));
    }
  }

  /** All of it at once: what the service streams cannot be sought in. */
  async #fetch(url) {
    this.#say('Fetching the video …');
    try {
      this.#play(await fetchBlob(url));
      this.#say('');
    } catch (error) {
      this.#say(whyRefused(error));
    }
  }

  /** A link cannot bring a token. */
  async #save(event) {
    if (!token()) return;
    event.preventDefault();
    try {
      save(await fetchBlob(this.#download.href), `${this.#video.ariaLabel.replace(/\.[^.]*$/, '')}.detected.webm`);
    } catch (error) {
      this.#say(whyRefused(error));
    }
  }

  #play(blob) {
    this.#asked = true;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(blob);
    this.#video.src = this.#url;
  }

  #cannotShow() {
    if (!this.#url) return;
    if (this.video?.annotated && !this.#drawn) {
      this.#drawn = true;
      this.#fetch(annotatedUrl(this.job.id, this.index));
    } else this.#say('Your browser cannot show this kind of video; what was found in it is listed all the same.');
  }

  #say(text) {
    this.#note.hidden = !text;
    setText(this.#note, text);
  }

  #seek(time) {
    this.#video.pause();
    this.#video.currentTime = time;
    this.#draw();
  }

  /** Draw at every frame that is shown, where the browser tells of them. */
  #follow() {
    if (!this.#video.requestVideoFrameCallback) return;
    const next = () => {
      this.#draw();
      this.#video.requestVideoFrameCallback(next);
    };
    this.#video.requestVideoFrameCallback(next);
  }

  #draw() {
    const time = this.#video.currentTime;
    this.#tracks.pointAt(time);
    const frame = this.#drawn ? undefined : frameAt(this.#frames, time, this.#gap);
    if (frame === this.#shownFrame) return;
    this.#shownFrame = frame;
    for (const box of this.#stage.querySelectorAll('.box')) box.remove();
    const detections = (frame?.detections ?? []).filter(({ score }) => score >= this.#threshold);
    this.#stage.append(...boxes(detections, this.#size));
  }
}
