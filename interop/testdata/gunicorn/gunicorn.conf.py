bind = "127.0.0.1:{{.Port}}"
workers = 2
worker_class = "gthread"
threads = 50
accesslog = "{{.Dir}}/access.log"
access_log_format = "%(r)s %(s)s"
{{- if .Closing}}
max_requests = 200
keepalive = 1
{{- end}}


def pre_request(worker, req):  # the access log is written when a request is done
    print(f"{req.method} {req.uri}\n", end="")
