"""Do the work of a scenario with aiohttp or httpx. The last two arguments are the name of
the library and the work as JSON. Print an outcome as the Go contenders do."""
import asyncio
import json
import math
import resource
import sys
import time

library, work = sys.argv[-2], json.loads(sys.argv[-1])
want = bytes(i % 251 for i in range(work["size"]))
bodies = 0


def client():
    if library == "aiohttp":
        import aiohttp

        connector = aiohttp.TCPConnector(limit=work["inFlight"])
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))
    import httpx

    limits = httpx.Limits(max_connections=work["inFlight"], max_keepalive_connections=work["inFlight"])
    return httpx.AsyncClient(limits=limits, timeout=30, trust_env=False)


async def get(session):
    if library == "aiohttp":
        async with session.get(work["url"]) as response:
            response.raise_for_status()
            return await response.read()
    response = await session.get(work["url"])
    response.raise_for_status()
    return response.content


async def worker(session, left):
    global bodies
    for _ in left:
        if await get(session) != want:
            raise SystemExit("a body differs from what the upstream sent")
        bodies += 1


async def main():
    took = []
    cpu, start = time.process_time_ns(), time.perf_counter_ns()
    async with client() as session:
        for _ in range(work["blocks"]):
            begun = time.perf_counter_ns()
            left = iter(range(work["perBlock"]))  # shared by all workers
            await asyncio.gather(*(worker(session, left) for _ in range(work["inFlight"])))
            took.append(time.perf_counter_ns() - begun)
    wall, cpu = time.perf_counter_ns() - start, time.process_time_ns() - cpu
    took.sort()
    print(json.dumps({
        "bodies": bodies,
        "wall_ns": wall,
        "cpu_ns": cpu,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "block_p50_ns": took[math.ceil(len(took) * 0.50) - 1],
        "block_p99_ns": took[math.ceil(len(took) * 0.99) - 1],
    }))


asyncio.run(main())
