// Cuts the demo's digits out of MNIST: every fifth image of each file, in the files' order.
// Usage: node cut-mnist-subset.mjs FOLDER_WITH_IDX_FILES OUTPUT_FOLDER    (see README.md)
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const STEP = 5;
const FILES = [
  ["train-images-idx3-ubyte", 16, 784],
  ["train-labels-idx1-ubyte", 8, 1],
  ["t10k-images-idx3-ubyte", 16, 784],
  ["t10k-labels-idx1-ubyte", 8, 1],
];
const [source, target] = process.argv.slice(2);
for (const [name, headerBytes, itemBytes] of FILES) {
  const whole = readFileSync(join(source, name));
  const items = whole.readUInt32BE(4);
  if (whole.length !== headerBytes + items * itemBytes) {
    throw new Error(`${name}: ${items} items of ${itemBytes} bytes expected, ${whole.length} bytes found`);
  }
  const header = Buffer.from(whole.subarray(0, headerBytes));
  const kept = [];
  for (let item = 0; item < items; item += STEP) {
    const start = headerBytes + item * itemBytes;
    kept.push(whole.subarray(start, start + itemBytes));
  }
  header.writeUInt32BE(kept.length, 4);
  const packed = gzipSync(Buffer.concat([header, ...kept]), { level: 9 });
  writeFileSync(join(target, `${name}.gz`), packed);
  console.log(`${name}.gz: ${kept.length} of ${items} items, ${packed.length} bytes`);
}
