/** Streams of JSON, a message a line. */

/** Nothing came for so long that the connection must be dead. */
export class Silence extends Error {}

/**
 * Yield each message of an answer as it comes.
 *
 * @param {Response} answer
 * @param {number} silenceMs how long it may say nothing; its heartbeat is more often than that
 * @returns {AsyncGenerator<any, void, void>}
 */
export async function* messages(answer, silenceMs) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await within(silenceMs, reader.read());
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop();
      for (const line of lines) if (line) yield JSON.parse(line);
    }
  } finally {
    reader.cancel().catch(() => {}); // it may be broken already
  }
}

async function within(ms, promise) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Silence()), ms);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
