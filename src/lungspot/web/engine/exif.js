// What a picture's notes say of how it is to be seen: its EXIF orientation, and how high to how wide its pixels are.

const ORIENTATION = 0x0112;
const [FINEST, MOST, NEARLY] = [1000, 4, 0.01];

/** The orientation, 1 to 8, in the TIFF structure of EXIF notes; 0 where they say none. */
export function exifOrientation(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const little = view.getUint16(0) === 0x4949;
    const first = view.getUint32(4, little);
    const count = view.getUint16(first, little);
    for (let entry = 0; entry < count; entry += 1) {
      const at = first + 2 + 12 * entry;
      if (view.getUint16(at, little) === ORIENTATION) return view.getUint16(at + 8, little);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return 0;
}

/** The orientation that XMP says, 0 where it says none. */
export function xmpOrientation(text) {
  return Number(/tiff:Orientation(?:=['"]|>)([1-8])/.exec(text)?.[1] ?? 0);
}

// EXIF orientation → quarter turns against the clock, after mirroring left to right
const TURNS = { 2: [true, 0], 3: [false, 2], 4: [true, 2], 5: [true, 1], 6: [false, 3], 7: [true, 3], 8: [false, 1] };

/** A picture set upright as its EXIF orientation says. `turn(picture, turns)`: correction.js. */
export function uprightByExif(picture, orientation, turn) {
  if (!(orientation in TURNS)) return picture;
  const [mirror, turns] = TURNS[orientation];
  return turn(mirror ? mirrored(picture) : picture, turns);
}

function mirrored({ width, height, pixels }) {
  const out = new pixels.constructor(pixels.length);
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) out[y * width + x] = pixels[y * width + width - 1 - x];
  return { width, height, pixels: out };
}

/** [high, wide] of a pixel, by the dots a length across and down; [1, 1] where they are odd. */
export function pixelShape(across, down, orientation) {
  const ratio = across / down;
  if (!(ratio > 0) || !Number.isFinite(ratio)) return [1, 1];
  const [high, wide] = nearest(ratio);
  if (high / wide < 1 / MOST || high / wide > MOST || Math.abs(high / wide - 1) < NEARLY) return [1, 1];
  return orientation >= 5 ? [wide, high] : [high, wide];
}

/** The fraction nearest to a number whose denominator is at most FINEST. */
export function nearest(value) {
  let [p0, q0, p1, q1, rest] = [0, 1, 1, 0, value];
  for (;;) {
    const whole = Math.floor(rest);
    if (q0 + whole * q1 > FINEST) break;
    [p0, q0, p1, q1] = [p1, q1, p0 + whole * p1, q0 + whole * q1];
    if (rest - whole < 1e-12) return [p1, q1];
    rest = 1 / (rest - whole);
  }
  const k = Math.floor((FINEST - q0) / q1);
  const other = [p0 + k * p1, q0 + k * q1];
  return Math.abs(p1 / q1 - value) <= Math.abs(other[0] / other[1] - value) ? [p1, q1] : other;
}
