// This script does the work of a scenario with node's fetch. Its last argument is the work
// as JSON. It prints an outcome as the Go contenders do.
const work = JSON.parse(process.argv.at(-1));
const want = Buffer.from(Uint8Array.from({ length: work.size }, (_, i) => i % 251));
let bodies = 0;

async function worker(state) {
  while (state.left-- > 0) {
    const response = await fetch(work.url, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw new Error(`GET ${work.url}: ${response.status}`);
    const body = Buffer.from(await response.arrayBuffer());
    if (!body.equals(want)) throw new Error("a body differs from what the upstream sent");
    bodies++;
  }
}

const cpu = process.cpuUsage();
const start = process.hrtime.bigint();
const took = [];
for (let i = 0; i < work.blocks; i++) {
  const begun = process.hrtime.bigint();
  const state = { left: work.perBlock };
  await Promise.all(Array.from({ length: work.inFlight }, () => worker(state)));
  took.push(Number(process.hrtime.bigint() - begun));
}
const wall = Number(process.hrtime.bigint() - start);
const used = process.cpuUsage(cpu);
took.sort((a, b) => a - b);
console.log(JSON.stringify({
  bodies,
  wall_ns: wall,
  cpu_ns: (used.user + used.system) * 1000,
  peak_rss: process.resourceUsage().maxRSS * 1024,
  block_p50_ns: took[Math.ceil(took.length * 0.5) - 1],
  block_p99_ns: took[Math.ceil(took.length * 0.99) - 1],
}));
process.exit(0); // node would wait for its idle connections
