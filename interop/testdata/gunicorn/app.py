import time
from urllib.parse import parse_qs


def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    method, query = environ["REQUEST_METHOD"], parse_qs(environ["QUERY_STRING"])
    time.sleep(int(query.get("wait", ["0"])[0]) / 1000)
    text = f"{method} {query['id'][0]} {body.decode()}\n".encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
