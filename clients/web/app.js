/** The page: makes all parts and connects them. */

import { askForToken } from './access.js';
import { getCapabilities } from './api.js';
import { tellConnection } from './connection.js';
import { setText } from './element.js';
import { takeFiles } from './intake.js';
import { JobList } from './joblist.js';
import { Link } from './link.js';
import { Settings } from './settings.js';
import { thumbnail } from './thumbnail.js';
import { Turns } from './turns.js';
import { Watcher } from './watcher.js';
import { count } from './words.js';

const SEND_AT_ONCE = 3; // of a browser's six connections; one is the watch
const OPENED_AT_ONCE = 2; // more pictures than that begin as lines
const REFRESH_MS = 15_000;
const LEAVE_HIDDEN_MS = 30_000;

const link = new Link();
const settings = new Settings();
let clockAheadMs = 0;
const now = () => Date.now() + clockAheadMs;

const watcher = new Watcher(link, (jobId, update) => jobs.take(jobId, update), (jobId) => jobs.forget(jobId));
const services = { link, watcher, turns: new Turns(SEND_AT_ONCE), settingsFor: (file, shown) => settings.forFile(file, shown) };
const jobs = new JobList(services, { now, usualThreshold });

/** The least score that is shown at first: the model's own, and no less than was asked for. */
function usualThreshold(job) {
  return Math.max(settings.usualThreshold(job?.model), job?.options?.score_threshold ?? 0);
}

/** Make a card of each file, the first at the top, and send them in that order. */
function handIn(files) {
  const cards = [...files].reverse().map((file) => jobs.addFile(file)).reverse();
  if (cards.length <= OPENED_AT_ONCE) cards.forEach((card) => card.open(true));
  for (const card of cards) begin(card);
  cards[0]?.element.scrollIntoView({ block: 'nearest' });
}

function begin(card) {
  const { file } = card.work;
  const refusal = settings.refusal(file);
  if (refusal) {
    card.work.refuse(refusal);
    return;
  }
  const small = thumbnail(file);
  if (!file.type.startsWith('video/')) card.shown = small.then(Boolean);
  small.then((canvas) => canvas && card.setThumbnail(canvas));
  card.work.send(card.shown);
}

async function learn() {
  const capabilities = await link.patiently(getCapabilities);
  settings.learn(capabilities);
  watcher.targetsLimit = capabilities.limits?.max_watch_targets ?? watcher.targetsLimit;
  clockAheadMs = Date.parse(capabilities.server_time) - Date.now();
  const { models = [] } = capabilities;
  const workers = models.reduce((sum, model) => sum + (model.live_workers ?? 0), 0);
  const service = document.getElementById('service');
  service.dataset.workers = String(workers);
  setText(service, workers ? `${count(workers, 'worker')} ready` : 'No worker is there: jobs wait');
}

/** Ask for what others may have changed. */
async function refresh() {
  try {
    await learn();
    await jobs.load();
  } catch (error) {
    if (error.status !== 401) throw error;
    const service = document.getElementById('service');
    delete service.dataset.workers;
    setText(service, 'A token is needed');
  }
}

/** What was learnt holds only while the service answers. */
function tellAway() {
  const service = document.getElementById('service');
  if (link.away) {
    delete service.dataset.workers;
    setText(service, 'Not connected');
  } else if (!('workers' in service.dataset)) refresh();
}

function leaveWhenHidden() {
  let leaving;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(leaving);
    if (document.hidden) {
      leaving = setTimeout(() => watcher.hold(true), LEAVE_HIDDEN_MS); // six tabs must not take all connections
    } else {
      watcher.hold(false);
      refresh();
    }
  });
}

takeFiles(handIn);
askForToken(refresh);
tellConnection(link);
link.addEventListener('change', tellAway);
leaveWhenHidden();
setInterval(() => jobs.tick(), 1000);
setInterval(() => !document.hidden && !link.away && refresh(), REFRESH_MS);
addEventListener('beforeunload', (event) => jobs.unsent && event.preventDefault());
await refresh();
