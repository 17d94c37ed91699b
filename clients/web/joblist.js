/** All cards of the page, newest first: files on their way, and the jobs that the service knows. */

import { listJobs } from './api.js';
import { Card } from './card.js';
import { isTerminal } from './fold.js';
import { count } from './words.js';
import { Work } from './work.js';

const PAGE_SIZE = 30;
const OPEN_KEY = 'myeye.open';

export class JobList {
  /** @type {Map<string, Card>} of each job that is shown */
  #cards = new Map();
  /** Cards in the order in which they stand. @type {Set<Card>} */
  #all = new Set();
  #list = document.getElementById('jobs');
  #older = document.getElementById('older');
  #nothing = document.getElementById('nothing');
  #tally = document.getElementById('tally');
  #services;
  #page;
  #open = new Set(JSON.parse(sessionStorage.getItem(OPEN_KEY) ?? '[]'));
  #nextToken = '';

  /**
   * @param {import('./work.js').Services} services
   * @param {{now: () => number, usualThreshold: (job: any) => number}} page
   */
  constructor(services, page) {
    this.#services = services;
    this.#page = { ...page, onOpen: (work, opened) => this.#remember(work, opened) };
    this.#older.addEventListener('click', () => this.loadOlder());
  }

  /** How many files would be lost if the page were left. */
  get unsent() {
    return [...this.#all].filter(({ work }) => work.phase === 'waiting' || work.phase === 'sending').length;
  }

  /** Show a file at the top. */
  addFile(file) {
    const card = this.#add(new Work(this.#services, { file }), null);
    this.#list.prepend(card.element);
    return card;
  }

  /** Show what the service has, newest first; what is shown already stays. */
  async load() {
    const { jobs = [], next_page_token = '' } = await this.#services.link.patiently(() => listJobs(PAGE_SIZE));
    const known = jobs.some(({ id }) => this.#cards.has(id));
    if (!known) this.#nextToken = next_page_token;
    this.#merge(jobs);
  }

  async loadOlder() {
    const { jobs = [], next_page_token = '' } = await this.#services.link.patiently(() => listJobs(PAGE_SIZE, this.#nextToken));
    this.#nextToken = next_page_token;
    this.#merge(jobs);
  }

  /** Pass on what a watch tells. */
  take(jobId, update) {
    this.#cards.get(jobId)?.work.take(update);
  }

  /** A job is not on the service any more. */
  forget(jobId) {
    this.#cards.get(jobId)?.work.forget();
  }

  /** Draw what changes with time alone. */
  tick() {
    for (const card of this.#all) if (card.work.underWay) card.draw();
  }

  #merge(jobs) {
    for (const job of jobs) if (!this.#cards.has(job.id)) this.#place(new Work(this.#services, { job }));
    this.#count();
  }

  /** Put a job before the first that is older. */
  #place(work) {
    const made = Date.parse(work.job.create_time);
    const after = [...this.#list.children].find((child) => Date.parse(child.dataset.made) < made) ?? null;
    this.#list.insertBefore(this.#add(work).element, after);
  }

  #add(work) {
    const card = new Card(work, this.#page);
    this.#all.add(card);
    card.element.dataset.made = work.job?.create_time ?? new Date(this.#page.now()).toISOString();
    work.addEventListener('change', () => this.#changed(card));
    work.addEventListener('retried', ({ detail: job }) => this.#retried(job));
    this.#changed(card);
    if (work.job && this.#open.has(work.job.id)) card.open(true);
    return card;
  }

  #changed(card) {
    const { work } = card;
    if (work.job && work.phase !== 'removed') this.#claim(work.job.id, card);
    if (work.phase === 'removed') this.#drop(card);
    this.#count();
  }

  /** A job has one card: that of its file, although the list may have told of it before the receipt came. */
  #claim(jobId, card) {
    const other = this.#cards.get(jobId);
    if (other === card) return;
    if (other) this.#drop(other);
    this.#cards.set(jobId, card);
    if (card.opened) this.#remember(card.work, true);
  }

  #drop(card) {
    if (!this.#all.delete(card)) return;
    const neighbour = card.element.nextElementSibling ?? card.element.previousElementSibling;
    const focused = card.element.contains(document.activeElement);
    if (card.opened) card.open(false);
    if (card.work.job) this.#cards.delete(card.work.job.id);
    card.element.remove();
    if (focused) (neighbour?.querySelector('.toggle') ?? document.getElementById('choose')).focus();
  }

  #retried(job) {
    if (this.#cards.has(job.id)) return;
    const work = new Work(this.#services, { job });
    this.#place(work);
    this.#cards.get(job.id).open(true);
    this.#cards.get(job.id).element.scrollIntoView({ block: 'nearest' });
  }

  #remember(work, opened) {
    if (!work.job) return;
    if (opened) this.#open.add(work.job.id);
    else this.#open.delete(work.job.id);
    sessionStorage.setItem(OPEN_KEY, JSON.stringify([...this.#open].slice(-20)));
  }

  #count() {
    const works = [...this.#all].map(({ work }) => work);
    const under = works.filter((work) => work.underWay).length;
    const ended = works.filter((work) => work.job && isTerminal(work.job.state)).length;
    this.#tally.textContent = works.length ? [under ? `${under} under way` : '', ended ? `${ended} ended` : ''].filter(Boolean).join(', ') : '';
    this.#nothing.hidden = works.length > 0;
    document.body.classList.toggle('busy', works.length > 0);
    this.#older.hidden = !this.#nextToken;
    document.title = under ? `(${count(under, 'job')}) myeye` : 'myeye';
  }
}
