/** The state of a job, from what Watch tells of it. Pure: no clock, no network, no document. */

/**
 * @typedef {object} View what is known of a job
 * @property {any} job as Get would tell it
 * @property {number} cursor number of the last event that is in it
 * @property {Map<number, any>} progress what each running item is doing
 * @property {Map<number, any[]>} frames what was found in each video's frames, of its latest attempt
 */

const TERMINAL = ['STATE_SUCCEEDED', 'STATE_PARTIALLY_SUCCEEDED', 'STATE_FAILED', 'STATE_CANCELLED', 'STATE_EXPIRED'];

export const isTerminal = (state) => TERMINAL.includes(state);

/** @returns {View} */
export function begin(job) {
  return { job, cursor: Number(job.last_sequence ?? 0), progress: new Map(), frames: new Map() };
}

/** Give the view after one message of Watch or WatchMany. Events that are in it already change nothing. */
export function apply(view, update) {
  if (update.snapshot) return { ...begin(update.snapshot), frames: view.frames };
  if (update.queue) return isTerminal(view.job.state) ? view : withJob(view, { queue: update.queue });
  if (update.item_progress) return { ...view, progress: new Map(view.progress).set(update.item_progress.item ?? 0, update.item_progress) };
  if (!update.event || Number(update.event.sequence) <= view.cursor) return view;
  return { ...applyEvent(view, update.event), cursor: Number(update.event.sequence) };
}

/** Give the frames of each video in a whole history. */
export function framesOf(events) {
  return events.reduce((view, event) => applyEvent(view, event), begin({ items: [] })).frames;
}

function applyEvent(view, event) {
  const handlers = { item_started, item_retrying, item_finished, frames_detected, job_finished };
  const kind = Object.keys(handlers).find((name) => event[name]);
  return kind ? handlers[kind](view, event[kind], event) : view;
}

function item_started(view, { item = 0, attempt, worker }, { time }) {
  const { queue, ...job } = view.job;
  const progress = without(view.progress, item);
  const items = withItem(job.items, item, { state: 'STATE_RUNNING', attempt, worker });
  const changed = { ...job, state: 'STATE_RUNNING', start_time: job.start_time ?? time, items };
  return { ...view, progress, frames: without(view.frames, item), job: changed };
}

function item_retrying(view, { item = 0, error, next_attempt_time }) {
  const items = withItem(view.job.items, item, { state: 'STATE_QUEUED', error, next_attempt_time });
  return withJob(view, { items, state: items.length === 1 ? 'STATE_QUEUED' : view.job.state });
}

function item_finished(view, { item }) {
  const succeeded = item.state === 'STATE_SUCCEEDED';
  const { items_done = 0, items_failed = 0, ...others } = view.job.progress ?? {};
  const progress = { ...others, items_done: items_done + Number(succeeded), items_failed: items_failed + Number(!succeeded) };
  return withJob(view, { items: withItem(view.job.items, item.index ?? 0, item), progress });
}

function frames_detected(view, { item = 0, frames = [], video }) {
  const all = [...(view.frames.get(item) ?? []), ...frames];
  return { ...withJob(view, { items: withItem(view.job.items, item, { video }) }), frames: new Map(view.frames).set(item, all) };
}

function job_finished(view, { state, progress, error }, { time }) {
  const { queue, ...job } = view.job;
  return { ...view, progress: new Map(), job: { ...job, state, progress, error, end_time: time } };
}

function without(map, key) {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}

const withJob = (view, changes) => ({ ...view, job: { ...view.job, ...changes } });

function withItem(items = [], index, changes) {
  return items.map((item, at) => (at === index ? { ...item, ...changes } : item));
}
