// SHA-256 of bytes, in hexadecimal digits: the browser's own, or, where a page has none (plain HTTP beyond this machine),
// the one below (FIPS 180-4).

export async function sha256(bytes) {
  const digest = globalThis.crypto?.subtle ? new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)) : plain(bytes);
  return [...digest].map((each) => each.toString(16).padStart(2, "0")).join("");
}

const PRIMES = [];
for (let each = 2; PRIMES.length < 64; each += 1) if (PRIMES.every((prime) => each % prime)) PRIMES.push(each);
const fraction = (value) => Math.floor((value - Math.floor(value)) * 2 ** 32);
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const ROUNDS = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));

/** The digest, 32 bytes. */
export function plain(bytes) {
  const size = Math.ceil((bytes.length + 9) / 64) * 64;
  const padded = new Uint8Array(size);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(size - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(size - 4, (bytes.length * 8) >>> 0);
  const state = Int32Array.from(START);
  const words = new Int32Array(64);
  for (let at = 0; at < size; at += 64) block(state, words, view, at);
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((word, each) => out.setInt32(4 * each, word));
  return new Uint8Array(out.buffer);
}

const rotated = (word, by) => (word >>> by) | (word << (32 - by));

function block(state, words, view, at) {
  for (let each = 0; each < 16; each += 1) words[each] = view.getInt32(at + 4 * each);
  for (let each = 16; each < 64; each += 1) {
    const [early, late] = [words[each - 15], words[each - 2]];
    const low = rotated(early, 7) ^ rotated(early, 18) ^ (early >>> 3);
    const high = rotated(late, 17) ^ rotated(late, 19) ^ (late >>> 10);
    words[each] = words[each - 16] + low + words[each - 7] + high;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let each = 0; each < 64; each += 1) {
    const one = (h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) + ROUNDS[each] + words[each]) | 0;
    const two = ((rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((each, place) => (state[place] += each));
}
