from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        id = parse_qs(urlsplit(self.path).query).get("id", ["0"])[0]
        text = f"{self.command} {id} {body.decode()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET


ThreadingHTTPServer(("127.0.0.1", {{.Port}}), Handler).serve_forever()
