from urllib.parse import parse_qs


def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    method, id = environ["REQUEST_METHOD"], parse_qs(environ["QUERY_STRING"]).get("id", ["0"])[0]
    text = f"{method} {id} {body.decode()}\n".encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
