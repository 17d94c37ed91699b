/** The colour of a category: the same here, in annotated pictures and on every machine (worker and Python client do alike). */

const LIGHTNESSES = [42, 52, 62];

/** @returns {string} a colour for CSS and canvas */
export function colourOf(category) {
  const number = crc32(new TextEncoder().encode(category));
  return `hsl(${number % 360} 85% ${LIGHTNESSES[Math.floor(number / 360) % 3]}%)`;
}

/** Black or white, whichever can be read on the category's colour. */
export function inkOn(category) {
  const [hue, , lightness] = colourOf(category).match(/[\d.]+/g).map(Number);
  const [red, green, blue] = [0, 8, 4].map((offset) => linear(channel(hue, 0.85, lightness / 100, offset)));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? '#000' : '#fff';
}

function channel(hue, saturation, lightness, offset) {
  const at = (offset + hue / 30) % 12;
  return lightness - saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(at - 3, 9 - at, 1));
}

const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}
