// QR codes, as one path of an SVG.
import { html } from './vendor/lit.js';
import { encode } from './vendor/qr.js';

/**
 * The path of a QR code's dark squares, and how many squares wide it is.
 * @param {string} text
 */
export function path(text) {
  const { data, size } = encode(text, { ecc: 'M', border: 2 });
  let d = '';
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      if (!data[y][x]) continue;
      let width = 1;
      while (x + width < size && data[y][x + width]) width += 1;
      d += `M${x} ${y}h${width}v1h-${width}z`;
      x += width;
    }
  }
  return { d, size };
}

/**
 * @param {string} text
 * @param {string} label what it is the code of
 */
export function qr(text, label) {
  const { d, size } = path(text);
  return html`<svg class="qr" viewBox="0 0 ${size} ${size}" role="img" aria-label=${label}><path d=${d} /></svg>`;
}
