import asyncio
from urllib.parse import parse_qs


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    query = parse_qs(scope["query_string"].decode())
    text = f"{scope['method']} {query['id'][0]} {body.decode()}\n".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(text)).encode())]})
    await asyncio.sleep(int(query.get("wait", ["0"])[0]) / 1000)  # with the log written
    await send({"type": "http.response.body", "body": text})
