/** What a card says of its work: a state for the eye, a sentence, and how far it is. */

import { ago, bytes, clock, count, lasting, percent, seconds, stage, tally, whyFailed } from './words.js';

/**
 * @typedef {object} Told
 * @property {'waiting'|'running'|'good'|'partly'|'bad'|'stopped'} tone
 * @property {string} state one word
 * @property {string} line one sentence
 * @property {number|undefined|null} progress from 0 to 1; undefined: nobody can say; null: nothing is under way
 */

/**
 * @param {import('./work.js').Work} work
 * @param {number} now by the service's clock, in milliseconds
 * @param {number} threshold of what is counted
 * @returns {Told}
 */
export function tell(work, now, threshold) {
  const { file } = work;
  switch (work.phase) {
    case 'waiting':
      return told('waiting', 'Waiting', `${bytes(file.size)}, waits for its turn to be sent`, null);
    case 'sending': {
      const share = work.sentBytes / file.size;
      const line = share < 1 ? `${percent(share)} of ${bytes(file.size)} sent` : 'sent, waits for the receipt';
      return told('running', 'Sending', line, share);
    }
    case 'refused':
      return told('bad', 'Not sent', work.notice, null);
    case 'stopped':
      return told('stopped', 'Stopped', 'You stopped it before it was handed in.', null);
    case 'removed':
      return told('stopped', 'Removed', 'It is not on the service any more.', null);
    default:
      return tellJob(work.view, now, threshold);
  }
}

function tellJob(view, now, threshold) {
  const { job } = view;
  switch (job.state) {
    case 'STATE_QUEUED':
      return told('waiting', 'Queued', queued(job, now), null);
    case 'STATE_RUNNING':
      return running(view);
    case 'STATE_SUCCEEDED':
      return told('good', 'Done', found(view, threshold), null);
    case 'STATE_PARTIALLY_SUCCEEDED':
      return told('partly', 'Partly done', `${failed(job)} ${found(view, threshold)}`, null);
    case 'STATE_FAILED':
      return told('bad', 'Failed', failed(job), null);
    case 'STATE_CANCELLED':
      return told('stopped', 'Cancelled', `after ${lasting(span(job))}`, null);
    default:
      return told('stopped', 'Expired', whyFailed(job.error), null);
  }
}

const told = (tone, state, line, progress) => ({ tone, state, line, progress });

function queued({ queue = {}, items = [] }, now) {
  const again = items.find((item) => item.next_attempt_time && item.error);
  if (again) return `${whyFailed(again.error)} Tried again ${soon(again.next_attempt_time, now)}.`;
  const position = queue.approximate_position ?? 0;
  const parts = [position ? `${position} before it` : 'next'];
  if (queue.estimated_start_time) parts.push(`starts ${soon(queue.estimated_start_time, now)}`);
  else if (!queue.live_workers) parts.push(queue.waiting_reason || 'no worker is there');
  return parts.join(', ');
}

function soon(time, now) {
  const s = (Date.parse(time) - now) / 1000;
  return s < 1 ? 'any moment' : `in about ${lasting(s)}`;
}

function running({ job, progress }) {
  const { items_done = 0, items_failed = 0, items_total = 1, frames_done = 0, frames_total = 0 } = job.progress ?? {};
  const doing = [...progress.values()].at(-1);
  const frames = doing?.frames_total ? doing : { frames_done, frames_total };
  const video = job.items?.find((item) => item.video)?.video;
  if (items_total > 1) {
    return told('running', 'Running', `${items_done + items_failed} of ${items_total} done`, (items_done + items_failed) / items_total);
  }
  if (frames.frames_total || video) {
    const [done, total] = [frames.frames_done ?? 0, frames.frames_total || video.frames_total || 0];
    return told('running', 'Running', `frame ${done} of about ${Math.max(done, total)}`, total ? Math.min(1, done / total) : undefined);
  }
  return told('running', 'Running', stage(doing?.stage), undefined);
}

function found({ job, frames }, threshold) {
  const items = job.items ?? [];
  const detections = items.flatMap((item) => item.result?.detections ?? []).filter((each) => each.score >= threshold);
  const seen = [...frames.values()].flat().flatMap((frame) => frame.detections ?? []).filter((each) => each.score >= threshold);
  const names = [...new Set(seen.map((each) => each.category))];
  const videos = items.filter((item) => item.video);
  const looked = videos.reduce((sum, item) => sum + (item.video.frames_done ?? 0), 0);
  const what = videos.length
    ? [count(looked, 'frame'), ...(names.length ? [names.join(', ')] : [])].join(': ')
    : tally(detections) || 'nothing found';
  return items.length ? `${what} · ${lasting(span(job))}` : '';
}

function failed({ items = [], error }) {
  const broken = items.filter((item) => item.error && item.state !== 'STATE_SUCCEEDED');
  const why = whyFailed(broken[0]?.error ?? error);
  return items.length > 1 ? `${broken.length} of ${items.length} failed: ${why}` : why;
}

function span({ start_time, end_time, create_time }) {
  return Math.max(0, (Date.parse(end_time) - Date.parse(start_time ?? create_time)) / 1000);
}

/** What happened when, for the details of a job. @returns {[string, string][]} */
export function particulars(job, item, now) {
  const { queued: waited, fetch, decode, detect, annotate } = item?.timings ?? {};
  const times = Object.entries({ queued: waited, fetched: fetch, opened: decode, looked: detect, drawn: annotate })
    .filter(([, duration]) => duration !== undefined)
    .map(([name, duration]) => `${name} ${lasting(seconds(duration))}`);
  const size = item?.result ?? item?.video;
  const video = item?.video;
  return [
    ['Job', job.id],
    ['Handed in', ago(job.create_time, now)],
    ['Model', job.model],
    ['Size', size?.width_px ? `${size.width_px} × ${size.height_px}` : ''],
    ['Length', video?.duration ? clock(seconds(video.duration)) : ''],
    ['Worker', item?.worker ?? ''],
    ['Attempt', item?.attempt > 1 ? String(item.attempt) : ''],
    ['Times', times.join(', ')],
    ['Runs again', job.retry_of ?? ''],
    ['Kept until', job.expire_time ? new Date(job.expire_time).toLocaleString() : ''],
  ].filter(([, value]) => value);
}
