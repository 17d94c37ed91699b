/** What a person can choose before handing something in, kept in the browser, and what follows from it for a job. */

import { bytes } from './words.js';

const KEY = 'myeye.settings';
const LOW = 0.1; // so that the slider has something to show when it is lowered

export class Settings {
  #model = /** @type {HTMLSelectElement} */ (document.getElementById('model'));
  #maxFps = /** @type {HTMLInputElement} */ (document.getElementById('max-fps'));
  #annotate = /** @type {HTMLInputElement} */ (document.getElementById('annotate-videos'));
  #kept = JSON.parse(localStorage.getItem(KEY) ?? '{}');
  #capabilities = { models: [], limits: {}, defaults: {} };

  constructor() {
    this.#annotate.checked = Boolean(this.#kept.annotate);
    this.#maxFps.value = this.#kept.maxFps ?? '';
    for (const control of [this.#model, this.#maxFps, this.#annotate]) {
      control.addEventListener('change', () => localStorage.setItem(KEY, JSON.stringify(this.#chosen())));
    }
  }

  /** Offer what the service can do. */
  learn(capabilities) {
    this.#capabilities = capabilities;
    const { models = [], defaults = {}, limits = {} } = capabilities;
    const chosen = this.#model.value || this.#kept.model;
    this.#model.replaceChildren(...models.map(({ name, is_default }) => new Option(name, name, Boolean(is_default), chosen ? name === chosen : Boolean(is_default))));
    document.getElementById('model-setting').hidden = models.length < 2;
    if (!this.#maxFps.value) this.#maxFps.value = String(defaults.max_fps ?? 5);
    if (limits.max_fps) this.#maxFps.max = String(limits.max_fps);
  }

  /** Give the settings of a job. What the browser cannot show is drawn by the service, and then only what is likely. */
  forFile(file, shown) {
    const video = file.type.startsWith('video/');
    const { model, maxFps, annotate } = this.#chosen();
    return {
      model,
      options: { score_threshold: shown ? LOW : this.usualThreshold(model) },
      annotate: video ? annotate : !shown,
      max_fps: video && this.#maxFps.checkValidity() ? maxFps || undefined : undefined,
    };
  }

  /** Say why a file cannot be handed in; empty when it can. */
  refusal(file) {
    const { max_upload_bytes = Infinity, max_picture_bytes = Infinity } = this.#capabilities.limits ?? {};
    const video = file.type.startsWith('video/');
    if (file.size === 0) return 'The file is empty.';
    if (file.type && !video && !file.type.startsWith('image/')) return 'This is neither a picture nor a video.';
    if (file.type === 'image/svg+xml') return 'Drawings (SVG) are not supported: make it a PNG.';
    const most = Math.min(Number(max_upload_bytes), video ? Infinity : Number(max_picture_bytes));
    return file.size > most ? `It is too large: a ${video ? 'video' : 'picture'} may have ${bytes(most)}.` : '';
  }

  /** The least score that is shown at first. */
  usualThreshold(modelName) {
    const { models = [] } = this.#capabilities;
    const model = models.find(({ name }) => name === modelName) ?? models.find(({ is_default }) => is_default);
    return model?.default_score_threshold ?? 0.3;
  }

  #chosen() {
    const several = this.#model.options.length > 1;
    return { model: several ? this.#model.value : '', maxFps: Number(this.#maxFps.value), annotate: this.#annotate.checked };
  }
}
