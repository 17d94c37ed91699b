/** Tell who cannot see what has just ended. Many ends within a moment are one message, or only the last would be heard. */

const GATHER_MS = 300;
const gathered = [];

export function speak(text) {
  gathered.push(text);
  if (gathered.length > 1) return;
  setTimeout(() => {
    const said = gathered.splice(0);
    document.getElementById('spoken').textContent = said.length > 4 ? `${said.length} jobs have ended.` : said.join(' ');
  }, GATHER_MS);
}
